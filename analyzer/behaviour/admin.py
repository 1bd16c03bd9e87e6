"""Whether a statement is a list of Django's admin, by what its ChangeList asks beside it.

A changelist counts its rows twice, once as filtered and once in all, and orders by the primary key last.
Source: django/contrib/admin/views/main.py, ChangeList.get_results() and _get_deterministic_ordering().
"""

from collections.abc import Sequence

from analyzer.behaviour.workload import StatementSeries
from analyzer.schema.facts import TableFacts
from analyzer.statements.predicates import query_blocks

COUNTED = (1.8, 2.6)  # counts of all rows for each list: two, and more where another page counts too
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
    counts = sum(float(s.calls.sum()) for s in others if _counts_all(s.normalized_sql, table))
    return COUNTED[0] <= counts / float(series.calls.sum()) <= COUNTED[1]


def _counts_all(sql: str, table: TableFacts) -> bool:
    """``SELECT COUNT(*) AS "__count" FROM t``, as QuerySet.count() writes it."""
    if '"__count"' not in sql:
        return False
    blocks = query_blocks(sql)
    return (
        len(blocks) == 1 and [t.name for t in blocks[0].tables] == [table.name] and not blocks[0].tables[0].predicates
    )
