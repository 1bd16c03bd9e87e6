"""Sequence near its end that fills no integer key: numbers of invoices, of a text, of several tables.

At its last value each nextval() fails: "reached maximum value of sequence". A smallint one ends at 32,767, an integer
one at 2,147,483,647, one with MAXVALUE (or MINVALUE, where it counts down) there. Keys that a sequence fills are told
by SC019, and one that begins anew (CYCLE) has no end. To verify, \\d of the sequence and its last_value.

Let it go on: ALTER SEQUENCE ... AS bigint NO MAXVALUE, which is done at once; where its numbers are kept has to take
larger ones, and so has what prints them. Leave it alone where the end is meant.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.grouping import MOST_NAMES, left_out, listed, to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.key_space import key_spaces
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of
from analyzer.words.shares import share_words

check = Check(
    __name__,
    code="SC042",
    title="Sequence near its end",
    severity=Severity.WARNING,
    warning=Threshold(0.5, "taken / all values", "judgement: as of keys (SC019)"),
    critical=Threshold(0.8, "taken / all values", "judgement: as of keys (SC019)"),
)


@check.on(SchemaFacts)
def sequence_near_its_end(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.sequences is None:
        raise NotRun("needs the sequences")
    of_keys = {space.sequence.oid for table in facts for space in key_spaces(facts, table)}
    others = [s for s in facts.sequences if s.oid not in of_keys and not s.is_cycled]
    near = sorted((s for s in others if _taken(s) >= check["warning"]), key=_taken, reverse=True)
    if near:
        yield _finding(facts, near)
    elif any(not sequence.is_readable for sequence in others):
        raise NotRun("needs SELECT on the sequences, for their last values")


def _finding(facts: SchemaFacts, near: list[SequenceFacts]) -> Finding:
    names = [sequence.qualified_name for sequence in near]
    worst, count = near[0], len(near)
    said = [f"{s.qualified_name} is at {s.last_value:,} of {_end(s):,}, {share_words(_taken(s))}" for s in near]
    return check.finding(
        about=facts.database,
        subject="sequences",
        message=f"{some_of(said)}.",
        hint="See that what keeps and prints its numbers takes larger ones, then let it go on.",
        severity=Severity.CRITICAL if _taken(worst) >= check["critical"] else Severity.WARNING,
        evidence={"sequences": listed(names), "sequence_count": count, "used_ratio": round(_taken(worst), 4)},
        members=tuple(names),
        fixes=tuple(_fixes(near)),
    )


def _fixes(near: list[SequenceFacts]) -> Iterator[Fix]:
    shown = near[:MOST_NAMES]
    names = [f"ALTER SEQUENCE {qualified(s.schema, s.name)} AS" for s in shown]
    rest = left_out(len(shown), len(near))
    yield to_copy(
        "Done at once, nothing is rewritten",
        *(f"{name} bigint NO {_limit(s)};" for name, s in zip(names, shown, strict=True)), *rest,
    )  # fmt: skip
    yield to_copy(
        "The way back, until it is past its old end",
        *(f"{name} {s.type_name} {_limit(s)} {_end(s)};" for name, s in zip(names, shown, strict=True)), *rest,
    )  # fmt: skip


def _limit(sequence: SequenceFacts) -> str:
    return "MAXVALUE" if sequence.increment > 0 else "MINVALUE"


def _end(sequence: SequenceFacts) -> int:
    return sequence.max_value if sequence.increment > 0 else sequence.min_value


def _taken(sequence: SequenceFacts) -> float:
    """Share of the values from the first to the last; 0 of one that was never used, or whose value is not shown."""
    if sequence.last_value is None or sequence.max_value == sequence.min_value:
        return 0.0
    first = sequence.min_value if sequence.increment > 0 else sequence.max_value
    return abs(sequence.last_value - first) / (sequence.max_value - sequence.min_value)
