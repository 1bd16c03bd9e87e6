"""Row security policy on a column that no index begins with.

The policy's condition (tenant_id = ...) is added to every query of the table. Where the query's own conditions find
few rows that is nothing; a list or a count of one tenant reads the table whole and throws the others away. To verify,
EXPLAIN such a query as the application's role.

An index that begins with the column, best with what the queries sort or filter by behind it. A column that has one
value in nearly all rows is left alone.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.grouping import listed, to_copy, to_copy_concurrently
from analyzer.checks.policies import equal_columns
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC036",
    title="Policy's column without an index",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "judgement: fewer are read in a moment"),
    one_value=Threshold(0.9, "rows with the value / rows", "judgement: nearly all rows are read then, index or not"),
)
READS = {"ALL", "SELECT", "UPDATE", "DELETE"}


@check.on(TableFacts)
def policy_column_without_index(table: TableFacts) -> Iterator[Finding]:
    if not table.has_row_security or table.kind not in "rp":
        return
    if table.policies is None:
        raise NotRun("needs the row security policies")
    if table.rows is None and table.size_bytes != 0:
        raise NotRun("needs ANALYZE of the table")
    if (table.rows or 0) < check["rows"]:
        return
    leading = {i.columns[0] for i in table.indexes if i.is_usable and i.predicate is None and i.columns}
    wanted: dict[str, None] = {}
    for policy in table.policies:
        columns = equal_columns(policy) if policy.command in READS else []
        if columns and not set(columns) & leading:
            wanted[columns[0]] = None
    names = [name for name in wanted if (column := table.column(name)) is not None and not _is_of_one_value(column)]
    if not names:
        return
    yield check.finding(
        subject=table.name,
        message=(
            f"Policies of {table.qualified_name} ({table.rows or 0:,.0f} rows) compare {some_of(names)}, and no index"
            " begins with it."
        ),
        hint="Index it, with what the queries filter and sort by behind it.",
        evidence={"columns": listed(names), "table_rows": table.rows, "size_bytes": table.size_bytes},
        table=table.qualified_name,
        fixes=(_fix(table, names),),
    )


def _fix(table: TableFacts, names: list[str]) -> Fix:
    keys = [f"ON {qualified(table.schema, table.name)} ({quote_identifier(name)});" for name in names]
    if table.kind == "p":
        return to_copy("Index (SHARE: writes wait while it is built)", *(f"CREATE INDEX {key}" for key in keys))
    return to_copy_concurrently(
        "Index (not in a transaction; writes go on)", *(f"CREATE INDEX CONCURRENTLY {key}" for key in keys)
    )


def _is_of_one_value(column: ColumnFacts) -> bool:
    return max(column.most_common_freqs or (0.0,)) >= check["one_value"]
