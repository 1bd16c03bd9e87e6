"""Key that runs out of values.

An integer key ends at 2,147,483,647, a smallint one at 32,767; its sequence may end sooner. After that each insert
fails. Sequences go on with failed and rolled back inserts and with ON CONFLICT, so a table of few rows can get there.
To verify, read last_value of the sequence.

Change the column to bigint, and every column that references it; that rewrites them under an ACCESS EXCLUSIVE lock. On
a large table add a bigint column, keep it in step by a trigger, fill it in batches, and swap them. A sequence that
ends before its column: ALTER SEQUENCE ... AS bigint, or NO MAXVALUE, which is done at once.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import listed, some_of
from analyzer.findings import Finding, Quantity, Severity
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.key_space import KeySpace, integer_type, key_spaces

check = Check(
    __name__,
    code="SC019",
    title="Key near its end",
    severity=Severity.WARNING,
    warning=Threshold(0.5, "last value / most", "judgement: a change of a large table's key takes months to plan"),
    critical=Threshold(0.8, "last value / most", "judgement: what is left may go in one busy season"),
)
SOON_DAYS = 365  # judgement: what ends within a year is to be planned now


@check.on(TableFacts)
def key_near_its_end(table: TableFacts, context: Context) -> Iterator[Finding]:
    facts = context.facts
    if facts is None or table.kind not in "rp":
        return
    if facts.sequences is None:
        raise NotRun("needs the sequences")
    spaces = key_spaces(facts, table)
    used = [(space, space.used_ratio) for space in spaces]
    near = [(space, ratio) for space, ratio in used if ratio is not None and ratio >= check["warning"]]
    for space, ratio in near:
        yield _finding(facts, table, space, ratio)
    if not near and any(not space.sequence.is_readable for space in spaces):
        raise NotRun("needs SELECT on the sequence, for its last value")


def _finding(facts: SchemaFacts, table: TableFacts, space: KeySpace, used: float) -> Finding:
    column, sequence = space.column, space.sequence
    children = [
        f"{child.qualified_name}.{name}"
        for child in facts
        for key in child.foreign_keys
        if key.referenced_oid == table.oid and not key.is_inherited
        for name, referenced in zip(key.columns, key.referenced_columns, strict=True)
        if referenced == column.name and (of := child.column(name)) is not None and integer_type(of) != "bigint"
    ]
    days = _days_left(table, space)
    ends = f" At {table.inserted_rows_per_day:,.0f} inserted rows a day it ends in {days:,.0f} days." if days else ""
    also = f" Of the same width: {some_of(children)}." if children and integer_type(column) != "bigint" else ""
    evidence: dict[str, Quantity] = {
        "last_value": sequence.last_value, "most": space.most, "used_ratio": round(used, 4),
        "days_left": None if days is None else round(days), "referencing_columns": listed(children) or None,
    }  # fmt: skip
    return check.finding(
        subject=column.name,
        message=(
            f"{table.qualified_name}.{column.name} ({column.type_name}) is at {sequence.last_value:,} of"
            f" {space.most:,}, {used:.0%}.{ends}{also}"
        ),
        hint=_hint(space),
        severity=Severity.CRITICAL if used >= check["critical"] else Severity.WARNING,
        evidence=evidence,
        table=table.qualified_name,
    )


def _hint(space: KeySpace) -> str:
    if space.most < space.sequence.max_value or integer_type(space.column) != "bigint":
        return "Plan the change to bigint, of this column and of those that reference it."
    return "Let the sequence go on: ALTER SEQUENCE ... AS bigint NO MAXVALUE."


def _days_left(table: TableFacts, space: KeySpace) -> float | None:
    """By the rows inserted a day, where they are known: each takes one value at least."""
    if not table.inserted_rows_per_day or space.sequence.last_value is None:
        return None
    left = (space.most - space.sequence.last_value) / space.sequence.increment
    days = left / table.inserted_rows_per_day
    return days if days <= 100 * SOON_DAYS else None
