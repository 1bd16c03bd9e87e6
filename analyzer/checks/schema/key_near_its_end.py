"""Key that runs out of values.

An integer key ends at 2,147,483,647, a smallint one at 32,767; its sequence may end sooner. After that each insert
fails. Sequences go on with failed and rolled back inserts and with ON CONFLICT, so a table of few rows can get there.
To verify, read last_value of the sequence. Where its values were seen for a week, what is left is judged by their pace
as well: an early key is found where it ends within a year even at the slow end of the pace's error bar.

Change the column to bigint, and every column that references it; that rewrites them under an ACCESS EXCLUSIVE lock. On
a large table add a bigint column, keep it in step by a trigger, fill it in batches, and swap them. A sequence that
ends before its column: ALTER SEQUENCE ... AS bigint, or NO MAXVALUE, which is done at once.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.key_space import KeySpace, integer_type, key_spaces
from analyzer.schema.pace import Pace
from analyzer.schema.quoting import qualified
from analyzer.words.durations import months_words
from analyzer.words.lists import some_of
from analyzer.words.shares import share_words

check = Check(
    __name__,
    code="SC019",
    title="Key near its end",
    severity=Severity.WARNING,
    warning=Threshold(0.5, "last value / most", "judgement: a change of a large table's key takes months to plan"),
    critical=Threshold(0.8, "last value / most", "judgement: what is left may go in one busy season"),
    nearly_full=Threshold(0.95, "last value / most", "judgement: from there on no pace makes up for the room"),
    begun=Threshold(0.1, "last value / most", "judgement: before that the pace is of a first load"),
    ends_in=Threshold(365, "days", "judgement: what ends within a year is to be planned now"),
    ends_soon=Threshold(90, "days", "judgement: the change itself takes weeks on a large table"),
    lasts=Threshold(1825, "days", "judgement: what lasts five years at the fast end of its pace can wait"),
)
FARTHEST_DAYS = 36_500
HARDLY = 0.01  # judgement: of the room; a hundred such spans are left


@check.on(TableFacts)
def key_near_its_end(table: TableFacts, context: Context) -> Iterator[Finding]:
    facts = context.facts
    if facts is None or table.kind not in "rp":
        return
    if facts.sequences is None:
        raise NotRun("needs the sequences")
    spaces = key_spaces(facts, table)
    near = False
    for space in spaces:
        severity = _severity(space)
        if severity is not None:
            near = True
            yield _finding(facts, table, space, severity)
    if not near and any(not space.sequence.is_readable for space in spaces):
        raise NotRun("needs SELECT on the sequence, for its last value")


def _severity(space: KeySpace) -> Severity | None:
    used, reached = space.used_ratio, space.reached
    if space.is_used_up:
        return Severity.CRITICAL
    if used is None or used < check["begun"]:
        return None
    latest = reached.latest_days if reached is not None else None
    if latest is not None and latest <= check["ends_soon"]:
        return Severity.CRITICAL
    if used >= check["critical"]:
        can_wait = used < check["nearly_full"] and space.lasts(check["lasts"])
        return Severity.WARNING if can_wait else Severity.CRITICAL
    is_near = used >= check["warning"] or (latest is not None and latest <= check["ends_in"])
    return Severity.WARNING if is_near else None


def _finding(facts: SchemaFacts, table: TableFacts, space: KeySpace, severity: Severity) -> Finding:
    column, sequence, used = space.column, space.sequence, space.used_ratio or 0.0
    children = [
        f"{child.qualified_name}.{name}"
        for child in facts
        for key in child.foreign_keys
        if key.referenced_oid == table.oid and not key.is_inherited
        for name, referenced in zip(key.columns, key.referenced_columns, strict=True)
        if referenced == column.name and (of := child.column(name)) is not None and integer_type(of) != "bigint"
    ]
    days, ends = _end(table, space)
    also = f" Of the same width: {some_of(children)}." if children and integer_type(column) != "bigint" else ""
    evidence: dict[str, Quantity] = {
        "last_value": sequence.last_value, "most": space.most, "used_ratio": round(used, 4),
        "days_left": None if days is None else round(days),
        "values_per_day": round(sequence.pace.per_day) if sequence.pace and sequence.pace.per_day is not None else None,
        "referencing_columns": listed(children) or None,
    }  # fmt: skip
    return check.finding(
        subject=column.name,
        message=(
            f"{table.qualified_name}.{column.name} ({column.type_name}) is at {sequence.last_value:,} of"
            f" {space.most:,}, {share_words(1 if space.is_used_up else used)}.{ends}{also}"
        ),
        hint=_hint(space),
        fixes=_fixes(space),
        severity=severity,
        evidence=evidence,
        table=table.qualified_name,
    )


def _fixes(space: KeySpace) -> tuple[Fix, ...]:
    sequence = space.sequence
    if _ends_by_its_column(space) or sequence.increment < 0:
        return ()
    name = qualified(sequence.schema, sequence.name)
    return (to_copy("Done at once, nothing is rewritten", f"ALTER SEQUENCE {name} AS bigint NO MAXVALUE;"),)


def _ends_by_its_column(space: KeySpace) -> bool:
    return space.most < space.sequence.max_value or integer_type(space.column) != "bigint"


def _hint(space: KeySpace) -> str:
    if _ends_by_its_column(space):
        return "Plan the change to bigint, of this column and of those that reference it."
    return "Let the sequence go on: ALTER SEQUENCE ... AS bigint NO MAXVALUE."


def _end(table: TableFacts, space: KeySpace) -> tuple[float | None, str]:
    """Days, and a sentence: by the sequence's own pace; by the inserted rows, each of which takes one value at least,
    as long as that is not known.
    """
    pace, reached = space.sequence.pace, space.reached
    if space.is_used_up:
        return 0.0, " No value is left: each insert that takes one fails."
    if reached is not None and pace is not None and reached.days <= FARTHEST_DAYS:
        return reached.days, (
            f" At {pace.per_day:,.0f} a day ({pace.days} days seen) it reaches its end in {reached.words}."
        )
    if pace is not None and pace.per_day is not None:
        return None, _unsteady(pace, space.room or 0)
    if not table.inserted_rows_per_day or space.room is None:
        return None, ""
    days = space.room / space.sequence.increment / table.inserted_rows_per_day
    if days > FARTHEST_DAYS:
        return None, ""
    return days, f" At {table.inserted_rows_per_day:,.0f} inserted rows a day it ends in {days:,.0f} days."


def _unsteady(pace: Pace, room: int) -> str:
    """Of a pace that tells no end: that there is next to none, or that it came in leaps."""
    fast = pace.high_per_day or 0.0
    if max(fast * pace.days, pace.grown or 0.0) <= room * HARDLY:
        return f" It hardly grew in the {pace.days} days seen."
    if not fast or pace.grown is None or pace.grown <= 0:
        return f" It did not grow steadily in the {pace.days} days seen."
    said = f" It grew by {pace.grown:,.0f} in the {pace.days} days seen, not steadily"
    return f"{said}; at the fast end of its pace it reaches its end in {months_words(room / fast)}."
