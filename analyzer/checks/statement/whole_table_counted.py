"""count(*) over a whole large table, again and again.

PostgreSQL keeps no exact number of rows, because each transaction sees its own: every row or index entry is visited
each time. An estimate comes at once from ``pg_class.reltuples``; "is there any" is EXISTS; a page needs one row more
than it shows, not the total. Where an executed plan shows the count, PL026 tells it with its time. Leave it alone in
a report that needs the exact number and runs rarely.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import qualified, quote_literal
from analyzer.statements.tree import Node, function_name
from analyzer.words.durations import count_words, rate_words

check = Check(
    __name__,
    code="ST031",
    title="A whole large table is counted",
    severity=Severity.WARNING,
    rows=Threshold(1_000_000, "rows", "measured: 100 ms and more, cached, on PostgreSQL 13 to 18"),
    time=Threshold(60, "s/day", "judgement: a minute of a day"),
)


@check.on(StatementFacts)
def whole_table_counted(statement: StatementFacts) -> Iterator[Finding]:
    table = statement.table
    if statement.kind != "select" or table is None or (table.rows or 0.0) < check["rows"]:
        return
    if (statement.time_s_per_day or 0.0) < check["time"] or not _counts_all(statement.tree) or statement.plans:
        return
    name = quote_literal(qualified(table.schema, table.name))
    yield check.finding(
        subject=f"count of {table.qualified_name}",
        table=table.qualified_name,
        message=(
            f"All rows of {table.qualified_name}, about {table.rows or 0:,.0f}, are counted"
            f" {count_words(statement.calls_per_day or 0.0, statement.watched_s)}, which takes"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
        ),
        hint=(
            "Ask for what is needed: EXISTS, one row more than a page shows, an estimate; a counter where it has to"
            " be exact."
        ),
        evidence={"estimated_rows": round(table.rows or 0.0), "calls_per_day": round(statement.calls_per_day or 0.0)},
        fixes=(
            Fix(
                "About how many, as of the last VACUUM or ANALYZE (-1: never)",
                "sql",
                f"SELECT reltuples::bigint AS about FROM pg_class WHERE oid = {name}::regclass;",
            ),
        ),
        **statement.load,
    )


def _counts_all(tree: Node | None) -> bool:
    """SELECT count(*) FROM table, and nothing else."""
    if not isinstance(tree, ast.SelectStmt) or len(tree.fromClause or ()) != 1 or len(tree.targetList or ()) != 1:
        return False
    if tree.whereClause is not None or tree.groupClause or tree.withClause or tree.limitCount is not None:
        return False
    call = tree.targetList[0].val
    is_count = isinstance(call, ast.FuncCall) and call.agg_star and function_name(call) == "count"
    return bool(is_count and call.agg_filter is None and isinstance(tree.fromClause[0], ast.RangeVar))
