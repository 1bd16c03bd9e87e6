"""Whether free space of a table or an index fills again by itself: then nothing is to be done about it."""

from analyzer.schema.bloat import Bloat
from analyzer.schema.facts import TableFacts

REFILLED_DAYS = 30  # judgement: writing a table anew for a month's peace is not worth it


def is_refilled_soon(table: TableFacts, bloat: Bloat) -> bool:
    """By the rows inserted a day, at the size that its rows have now; False where that is not known."""
    if not table.inserted_rows_per_day or not table.rows:
        return False
    row_bytes = (bloat.size_bytes - bloat.wasted_bytes) / table.rows
    return table.inserted_rows_per_day * row_bytes * REFILLED_DAYS >= bloat.low_bytes
