"""Whether a statement is a list of Django's admin, by what its ChangeList asks beside it.

A changelist counts its rows twice, once as filtered and once in all, and orders by the primary key last.
Source: django/contrib/admin/views/main.py, ChangeList.get_results() and _get_deterministic_ordering().
"""

from collections.abc import Sequence

from analyzer.behaviour.workload import StatementSeries
from analyzer.schema.facts import TableFacts
from analyzer.statements.predicates import query_blocks

COUNTED = (1.8, 2.6)  # counts of all rows for each list: two, and more where another page counts too
COUNTED_IN_ALL = (
    0.95,
    1.3,
)  # where the list is filtered: one of all rows, and one as filtered, which others may ask too
FULL_PAGE = 100  # ModelAdmin.list_per_page


def is_admin_list(series: StatementSeries, table: TableFacts, others: Sequence[StatementSeries]) -> bool:
    blocks = query_blocks(series.normalized_sql)
    if not blocks or not blocks[0].has_limit or blocks[0].is_grouped or not blocks[0].order_by:
        return False
    last = blocks[0].order_by[-1]
    if last.column is not None and (last.column,) != table.primary_key:
        return False
    if series.rows.sum() > FULL_PAGE * series.calls.sum() * 1.01:
        return False
    lists, counts = float(series.calls.sum()), {True: 0.0, False: 0.0}
    for other in others:
        is_of_all = _counts(other.normalized_sql, table)
        if is_of_all is not None:
            counts[is_of_all] += float(other.calls.sum())
    if COUNTED[0] <= counts[True] / lists <= COUNTED[1]:
        return True
    is_filtered = any(t.name == table.name and t.predicates for t in blocks[0].tables)
    of_all, filtered = counts[True] / lists, counts[False] / lists
    return is_filtered and COUNTED_IN_ALL[0] <= of_all <= COUNTED_IN_ALL[1] and filtered >= COUNTED_IN_ALL[0]


def _counts(sql: str, table: TableFacts) -> bool | None:
    """Whether a ``SELECT COUNT(*) AS "__count" FROM t`` of QuerySet.count() is of all rows; None for others."""
    if '"__count"' not in sql:
        return None
    blocks = query_blocks(sql)
    if len(blocks) != 1 or [t.name for t in blocks[0].tables] != [table.name]:
        return None
    return not blocks[0].tables[0].predicates
