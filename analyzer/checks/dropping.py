"""Indexes that look needless: which of them the planner and the replicas let go, and the statements that drop them."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.checks.engine import Context, NotRun
from analyzer.checks.grouping import MOST_NAMES, left_out, to_copy, to_copy_concurrently
from analyzer.checks.statistics import idle_days, need_counted_days, need_scans_of_primary
from analyzer.findings import Fix
from analyzer.plans.compare import cost_words
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import qualified
from analyzer.schema.without_index import WithoutIndex, planned_words, proof_words
from analyzer.words.lists import and_list, some_of
from analyzer.words.visible import visible_line

OF_UNUSED = ("IX004", "IX005")  # which call indexes unused
NOT_PLANNED = "Whether a recorded statement gets dearer without {it} was not planned."


@dataclass(frozen=True, slots=True)
class DroppableIndexes:
    """Indexes that look needless, without those that a recorded statement is planned dearer without.

    ``verdict``: what the planner said, in sentences. ``statements``: how many it was asked for, None where it was not
    asked for each of the indexes. ``is_proved``: it was asked for each recorded statement that reads the table.
    """

    indexes: list[IndexFacts]
    verdict: str = ""
    statements: int | None = None
    is_proved: bool = False


def judged(indexes: Sequence[IndexFacts], context: Context, *, is_one_table: bool = True) -> DroppableIndexes:
    """By what the planner said of the recorded statements without each of them, where it was asked."""
    verdicts = {index.oid: context.without_index.get(index.oid) for index in indexes}
    needed = [verdict for verdict in verdicts.values() if verdict is not None and not verdict.may_go]
    going = [index for index in indexes if (verdict := verdicts[index.oid]) is None or verdict.may_go]
    asked = [verdict for index in going if (verdict := verdicts[index.oid]) is not None]
    is_asked = bool(going) and len(asked) == len(going)
    without = "it" if len(going) == 1 else "them"
    said = [proof_words(asked, is_one_table=is_one_table) if is_asked else NOT_PLANNED.format(it=without)]
    said += [_needed_words(needed)] if needed else []
    return DroppableIndexes(
        going,
        " ".join(said),
        max(verdict.statements for verdict in asked) if is_asked else None,
        is_asked and all(verdict.is_proved for verdict in asked),
    )


def _needed_words(needed: Sequence[WithoutIndex]) -> str:
    """Why the others stay, by the one that is missed most."""
    most = max(needed, key=lambda v: (v.cost_after or 0.0) / max(v.cost_before or 0.0, 1e-9))
    others = f"{some_of([v.name for v in needed])} {'stays' if len(needed) == 1 else 'stay'}"
    what, planned = "the check of a foreign key" if most.is_key_check else "a recorded statement", planned_words([most])
    if most.cost_before is None or most.cost_after is None:
        return f"{others}: {what} gets dearer without ({planned})."
    costs = cost_words(most.cost_before, most.cost_after)
    return f"{others}: without {most.name} {what} gets {costs} ({planned})."


def need_days_without_scan(indexes: Sequence[IndexFacts], context: Context, days: float) -> float:
    """For how many days nothing scanned, here and on the replicas; NotRun where that is not known."""
    if context.facts is not None:
        need_scans_of_primary(context.facts)
    counted = min([need_counted_days(context.facts, days), *(idle_days(index, context.facts) for index in indexes)])
    if context.replica_scans is None:
        return counted
    if unwatched := context.replica_scans.unwatched:
        names = and_list([visible_line(name) for name in unwatched])
        raise NotRun(f"needs the scans that replicas counted: add {names} as a server, not all of them are watched")
    on_replicas = context.replica_scans.counted_days
    if on_replicas is None or on_replicas < days:
        raise NotRun(f"needs {days:,.0f} days of the counters of each replica, as read within two days")
    return min(counted, on_replicas)


def replicas_scanned(index: IndexFacts, context: Context) -> bool:
    """Whether one of the replicas that are watched used it, or does not tell."""
    if context.replica_scans is None or not context.replica_scans.replicas:
        return False
    return context.replica_scans.scans.get(index.oid) != 0


def last_use_words(indexes: Sequence[IndexFacts]) -> str:
    """A sentence of those that were used once; "" where none was."""
    used = [f"{index.name} on {index.last_scan:%Y-%m-%d}" for index in indexes if index.scans and index.last_scan]
    return f" Last used: {some_of(used)}." if used else ""


def where_words(context: Context) -> str:
    """On which servers nothing scanned."""
    if context.replica_scans is None:
        return "on this server (no replica is watched)"
    return f"on this server and on {and_list(context.replica_scans.replicas)}"


def drop_indexes(indexes: Sequence[IndexFacts], table: TableFacts | None = None) -> Fix:
    """CONCURRENTLY, which the indexes of a partitioned ``table`` do not know."""
    names = [qualified(index.schema, index.name) for index in indexes[:MOST_NAMES]]
    rest = left_out(len(names), len(indexes))
    if table is not None and table.kind == "p":
        return to_copy(
            "Drop (ACCESS EXCLUSIVE on the table and its partitions, for a moment)",
            *(f"DROP INDEX {name};" for name in names),
            *rest,
        )
    return to_copy_concurrently(
        "Drop without stopping reads and writes (not in a transaction)",
        *(f"DROP INDEX CONCURRENTLY IF EXISTS {name};" for name in names),
        *rest,
    )
