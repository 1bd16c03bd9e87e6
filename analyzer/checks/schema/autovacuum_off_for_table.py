"""Autovacuum is off for a table.

Nobody removes its dead rows, freezes it before it has to be, or analyses it: the table grows with each UPDATE, and its
plans go by old statistics. It is set for a load and forgotten. To verify, psql's \\d+ shows autovacuum_enabled=off.

RESET it. Leave it alone where a job vacuums the table itself, or where it is filled and dropped.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="SC054",
    title="Autovacuum off for a table",
    severity=Severity.WARNING,
    rows=Threshold(1_000, "rows", "judgement: a smaller one is a note"),
)
OPTION = "autovacuum_enabled"
OFF = {"off", "false", "no", "0", "f", "n", "of", "fa", "fal", "fals"}  # parse_bool() takes beginnings


@check.on(TableFacts)
def autovacuum_off_for_table(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rm" or table.storage_options.get(OPTION, "on").lower() not in OFF:
        return
    activity = table.activity
    changed = activity.inserted_rows + activity.updated_rows + activity.deleted_rows
    is_small = max(table.rows or 0, activity.live_rows) < check["rows"]
    rows = f" of {table.rows:,.0f} rows" if table.rows is not None else ""
    yield check.finding(
        subject=table.name,
        message=(
            f"Autovacuum is off for {table.qualified_name}{rows}; {changed:,} were inserted, updated or deleted since"
            f" its statistics began, and {activity.dead_rows:,} are dead."
        ),
        hint="Turn it on again, unless a job of its own vacuums and analyses the table.",
        severity=Severity.INFO if is_small else Severity.WARNING,
        evidence={"table_rows": table.rows, "changed_rows": changed, "dead_rows": activity.dead_rows},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Turn it on (SHARE UPDATE EXCLUSIVE, for a moment)",
                f"ALTER TABLE {qualified(table.schema, table.name)} RESET ({OPTION});",
            ),
        ),
    )
