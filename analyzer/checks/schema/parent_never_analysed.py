"""Partitioned table that was never analysed.

Autovacuum analyses the partitions and never the table above them, up to 18. A plan that reads several partitions asks
for the statistics of the whole: how many different values a column has over all, which are common. Without them it
guesses. To verify, pg_stats has no row with inherited = true for it.

ANALYZE the partitioned table after loads and on a schedule, as often as its data change in kind; it analyses the
partitions too. Leave it alone where every statement reads a single partition.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="SC058",
    title="Partitioned table never analysed",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "judgement: of fewer rows no plan is wrong by much"),
)


@check.on(TableFacts)
def parent_never_analysed(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind != "p" or table.parent_oid is not None or not table.partitions or context.facts is None:
        return
    parts = [context.facts.table(oid) for oid in table.partitions]
    rows = max(table.rows or 0.0, sum(part.activity.live_rows for part in parts if part is not None))
    if rows < check["rows"]:
        return
    if not context.facts.statistics_readable:
        raise NotRun("needs SELECT on the tables, to see their columns' statistics")
    if not table.is_readable or any(column.null_frac is not None for column in table.columns):
        return
    if table.storage is not None and table.storage.analyzed_at is not None:
        return  # from 14 on it is on record: this login may not read the statistics
    yield check.finding(
        subject=table.name,
        message=(
            f"{table.qualified_name} (partitions: {len(table.partitions)}, rows: {rows:,.0f}) was never analysed as a"
            " whole, which autovacuum does not do."
        ),
        hint="Analyse it on a schedule.",
        evidence={"partitions": len(table.partitions), "table_rows": rows},
        table=table.qualified_name,
        fixes=(
            Fix(
                "Statistics of the whole and of each partition (SHARE UPDATE EXCLUSIVE: reads and writes go on)",
                "sql",
                f"ANALYZE {qualified(table.schema, table.name)};",
            ),
        ),
    )
