"""Time of the last change that no UPDATE sets.

A column named updated_at is for whoever copies, caches or checks what changed. Here the UPDATEs that were recorded in
the last day set other columns and not this one, and no trigger of the table could: as far as these tell, the rows keep
the time of before. What functions set is not recorded. To verify, look at what the statements set and at psql's \\d of
the table.

Set it in each UPDATE, or by a trigger BEFORE UPDATE (moddatetime of the extension of that name does no more). ORMs set
it where an object is saved, not where rows are updated by a query. Leave it alone where what is set is no change that
anybody has to know of, such as a counter of views.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.columns import type_of
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.words.lists import and_list, some_of

check = Check(
    __name__,
    code="SC060",
    title="Time of the last change is not set",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    updated_rows=Threshold(10_000, "rows", "judgement: of a table that is hardly updated nobody asks what changed"),
)
NAMES = {
    "updated", "updated_at", "updated_on", "updatedat", "date_updated", "modified", "modified_at", "modified_on",
    "modifiedat", "date_modified", "last_modified", "last_updated", "changed_at",
}  # fmt: skip
MOMENTS = {"timestamp with time zone", "timestamp without time zone", "date"}


@check.on(TableFacts)
def change_time_not_set(table: TableFacts, context: Context) -> Iterator[Finding]:
    are_set = (context.columns_set or {}).get(table.qualified_name, frozenset())
    if table.kind != "r" or table.activity.updated_rows < check["updated_rows"]:
        return
    names = [column.name for column in table.columns if _is_of_change(column) and column.name not in are_set]
    if not names:
        return
    if table.triggers is None:
        raise NotRun("needs the tables' triggers")
    if any("UPDATE" in trigger.events and trigger.enabled != "D" for trigger in table.triggers):
        return
    if not are_set:
        raise NotRun("needs recorded UPDATEs of the table")
    others = sorted(are_set)
    yield check.finding(
        subject=table.name,
        message=(
            f"Recorded UPDATEs of {table.qualified_name} set {some_of(others)} and not {and_list(names)}, nor does a"
            f" trigger: as far as these tell, {'it keeps the time' if len(names) == 1 else 'they keep the times'} of"
            " before."
        ),
        hint="Set it in each UPDATE, or by a trigger BEFORE UPDATE.",
        evidence={"columns": listed(names), "columns_set": listed(others), "updated_rows": table.activity.updated_rows},
        table=table.qualified_name,
    )


def _is_of_change(column: ColumnFacts) -> bool:
    return column.name.lower() in NAMES and type_of(column) in MOMENTS and not column.is_generated
