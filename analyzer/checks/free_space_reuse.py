"""Whether free space of a table or an index fills again by itself: then nothing is to be done about it."""

from analyzer.schema.bloat import Bloat
from analyzer.schema.facts import IndexFacts, TableFacts

REFILLED_DAYS = 30  # judgement: writing a table anew for a month's peace is not worth it
ANY_ORDER = 0.3  # judgement: of a first column's correlation; keys that rise with time have nearly 1


def is_refilled_soon(table: TableFacts, bloat: Bloat) -> bool:
    """By the rows that come to stay each day, at the size that its rows have now; False where that is not known."""
    if not table.inserted_rows_per_day or not table.rows:
        return False
    stay = max(0.0, table.inserted_rows_per_day - (table.deleted_rows_per_day or 0.0))
    row_bytes = (bloat.size_bytes - bloat.wasted_bytes) / table.rows
    return stay * row_bytes * REFILLED_DAYS >= bloat.low_bytes


def is_index_refilled_soon(table: TableFacts, index: IndexFacts, bloat: Bloat) -> bool:
    """Only keys of the same range fill a page again: those that come in any order, not those that rise."""
    first = table.column(index.columns[0] or "") if index.columns else None
    comes_in_any_order = first is not None and first.correlation is not None and abs(first.correlation) <= ANY_ORDER
    return comes_in_any_order and is_refilled_soon(table, bloat)
