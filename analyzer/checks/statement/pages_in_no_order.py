"""LIMIT and OFFSET without ORDER BY: pages in no certain order.

Without ORDER BY the server returns rows as it happens to find them: by another plan, after an UPDATE or a VACUUM, or
while another session scans the same table, the order is another, and pages then show rows twice and others never. Sort
by a unique key, at least as the last column. LIMIT alone is not reported: "any row" may be what is wanted.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import quote_identifier

check = Check(
    __name__,
    code="ST022",
    title="Pages in no certain order",
    severity=Severity.WARNING,
    calls=Threshold(10, "calls a day", "judgement: a person who looks around by hand makes fewer"),
)


@check.on(StatementFacts)
def pages_in_no_order(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind != "select" or "offset" not in statement.normalized_sql.lower():
        return
    calls, rows = statement.calls_per_day or 0.0, statement.rows_per_call or 0.0
    block = next(iter(statement.blocks), None)
    if block is None or block.role != "statement" or not (block.has_limit and block.has_offset):
        return
    if block.order_by or block.is_aggregate or block.has_other_sources or block.distinct or block.is_grouped:
        return
    if not block.tables or rows <= 1 or calls < check["calls"]:
        return
    first = block.tables[0]
    table = statement.facts.find_table(first.name, first.schema or None) if statement.facts else None
    key = [quote_identifier(column) for column in (table.primary_key if table else ())]
    fixes = (Fix("Sort by a unique key", "sql", f"ORDER BY {', '.join(key)}"),) if key else ()
    yield check.finding(
        subject="LIMIT OFFSET",
        table=table.qualified_name if table else None,
        message=(
            f"Pages of {rows:,.1f} rows are cut out with LIMIT and OFFSET, but nothing says in which order the rows"
            " come."
        ),
        hint="Add ORDER BY with a unique key as its last column: else a page may repeat rows of another and miss some.",
        evidence={"rows_per_call": round(rows, 1), "calls_per_day": round(calls)},
        fixes=fixes,
    )
