"""Existing indexes that can go: nothing uses them, or another one does their work. Each is proved by the planner.

Never proposed: what backs a constraint, is unique, is a replica identity, gives CLUSTER its order, is a part of a
partitioned index, is invalid (a matter of its own), or is the only index that serves a foreign key's check.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.advice.planner import HypotheticalIndex
from analyzer.advice.selection.result import DroppedIndex
from analyzer.advice.shapes import shape_of_definition, shape_of_index
from analyzer.checks import Threshold
from analyzer.checks.statistics import counted_days, idle_days
from analyzer.errors import costing_only
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import supporting_index, would_serve
from analyzer.schema.index_shapes import is_for_speed_alone
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.without_index import WithoutIndex

LIMITS = {
    "unused_days": Threshold(30, "days", "judgement: a month's end and its reports lie in between"),
    "redundant_size": Threshold(2**17, "bytes", "judgement: frameworks make dozens of smaller ones, on small tables"),
    "unused_size": Threshold(2**20, "bytes", "judgement: smaller ones cost next to nothing; an application has 100"),
    "dearer": Threshold(0.01, "cost / cost", "pathnode.c: the planner itself takes costs 1 % apart as equal"),
}
UNUSED_DAYS = LIMITS["unused_days"].value
UNUSED_BYTES = LIMITS["unused_size"].value
REDUNDANT_BYTES = LIMITS["redundant_size"].value
MAX_DEARER = LIMITS["dearer"].value


@dataclass(frozen=True, slots=True)
class Proposal:
    table: TableFacts
    index: IndexFacts
    reason: str


@dataclass(frozen=True, slots=True)
class DropVerdict:
    """``added_cost``: what the workload costs more per day without the index."""

    proposal: Proposal
    without: WithoutIndex
    added_cost: float = 0.0

    def dropped(self) -> DroppedIndex:
        return DroppedIndex(
            self.proposal.table, self.proposal.index, self.proposal.reason, self.added_cost, self.without
        )


def proposals(
    facts: SchemaFacts,
    chosen: Sequence[HypotheticalIndex] = (),
    gone: frozenset[int] = frozenset(),
    replica_scans: ReplicaScans | None = None,
    faults: dict[str, str] | None = None,
) -> Iterator[Proposal]:
    """The largest first. ``chosen``: indexes to be; ``gone``: oids of those dropped already. ``faults`` gets by name
    why an index could not be looked at."""
    droppable = []
    faults = {} if faults is None else faults
    for table in facts:
        if table.kind not in ("r", "p", "m"):
            continue
        for index in table.indexes:
            if index.oid in gone or not is_for_speed_alone(index):
                continue
            with costing_only(_name(table, index), faults, "index"):
                reason = _reason(table, index, facts, chosen, gone, replica_scans)
                if reason:
                    droppable.append(Proposal(table, index, reason))
    yield from sorted(droppable, key=lambda p: (-(p.index.size_bytes or 0), p.table.qualified_name, p.index.name))


def drop_proved(
    proposals: Iterator[Proposal],
    facts: SchemaFacts,
    chosen: Sequence[HypotheticalIndex],
    gone: frozenset[int],
    judge: Callable[[Proposal, frozenset[int]], DropVerdict],
    replica_scans: ReplicaScans | None = None,
    faults: dict[str, str] | None = None,
) -> list[DropVerdict]:
    """What each is worth to the workload, those before it that may go gone. Two indexes that replace each other are
    not both dropped, and what a foreign key needs is not judged."""
    verdicts: list[DropVerdict] = []
    faults = {} if faults is None else faults
    for proposal in proposals:
        oids = gone | {verdict.proposal.index.oid for verdict in verdicts if verdict.without.may_go}
        table, index = proposal.table, proposal.index
        with costing_only(_name(table, index), faults, "index"):
            reason = _reason(table, index, facts, chosen, oids, replica_scans)
            if reason is not None and _keys_stay_served(table, index, chosen, oids):
                verdicts.append(judge(replace(proposal, reason=reason), oids | {index.oid}))
    return verdicts


def _name(table: TableFacts, index: IndexFacts) -> str:
    return f"{table.schema}.{index.name}"


def _reason(
    table: TableFacts,
    index: IndexFacts,
    facts: SchemaFacts,
    chosen: Sequence[HypotheticalIndex],
    gone: frozenset[int],
    replica_scans: ReplicaScans | None,
) -> str | None:
    if index.size_bytes is not None and index.size_bytes < REDUNDANT_BYTES:
        return None
    mine = shape_of_index(index)
    for other in table.indexes:
        if other.oid != index.oid and other.oid not in gone and other.is_usable:
            theirs = shape_of_index(other)
            if mine.is_replaced_by(theirs) and not (theirs.is_replaced_by(mine) and _keep_first(index, other)):
                same = "begins with the same columns" if mine.method == "btree" else "is the same"
                return f"{other.name} {same} and does its work."
    for new in chosen:
        if new.definition.table.oid == table.oid and mine.is_replaced_by(shape_of_definition(new.definition)):
            return f"The new index {new.definition.body()} begins with the same columns and does its work."
    if index.size_bytes is not None and index.size_bytes < UNUSED_BYTES:
        return None
    idle = _idle_days(table, index, facts)
    if facts.is_replica or idle < UNUSED_DAYS or (replica_scans is not None and replica_scans.unwatched):
        return None
    days, where = counted_days(facts), "here"
    if replica_scans is not None:
        if _scans(table, index, facts, lambda one: replica_scans.scans.get(one.oid)) != 0:
            return None
        days, where = min(days or 0.0, replica_scans.counted_days or 0.0), "here and on the replicas that are watched"
    if days is None or days < UNUSED_DAYS:
        return None
    last = "that are counted" if days <= idle else "since the last one"
    return f"No scan has used it {where} in the {min(days, idle):,.0f} days {last}."


def _keep_first(index: IndexFacts, other: IndexFacts) -> bool:
    """Of two equal ones the one that must stay is kept, else the first made."""
    return is_for_speed_alone(other) and index.oid < other.oid


def _idle_days(table: TableFacts, index: IndexFacts, facts: SchemaFacts) -> float:
    """As ``idle_days``; of a partitioned index, by what its parts counted."""
    if table.kind != "p":
        return idle_days(index, facts)
    return math.inf if _scans(table, index, facts, lambda one: one.scans) == 0 else -math.inf


def _scans(
    table: TableFacts, index: IndexFacts, facts: SchemaFacts, counted: Callable[[IndexFacts], int | None]
) -> int | None:
    """A partitioned index has no counter of its own: its parts' are added up; None where one is not known."""
    if table.kind != "p":
        return counted(index)
    total, oids = 0, {index.oid}
    parts = [t for t in facts if t.parent_oid is not None]
    while oids:
        attached = [(t, i) for t in parts for i in t.indexes if i.parent_oid in oids]
        for part, piece in attached:
            if part.kind != "p":
                scans = counted(piece)
                if scans is None:
                    return None
                total += scans
        oids = {piece.oid for part, piece in attached if part.kind == "p"}
    return total


def _keys_stay_served(
    table: TableFacts, index: IndexFacts, chosen: Sequence[HypotheticalIndex], gone: frozenset[int]
) -> bool:
    """No foreign key loses its last index; a new B-tree serves one whose columns lead it."""
    left = replace(table, indexes=tuple(i for i in table.indexes if i.oid not in gone and i.oid != index.oid))
    now = replace(table, indexes=(*left.indexes, index))
    new = [c.definition for c in chosen if c.definition.table.oid == table.oid]
    return all(
        supporting_index(now, key) is None
        or supporting_index(left, key) is not None
        or any(would_serve(key, d.method, d.plain_columns, d.predicate) for d in new)
        for key in table.foreign_keys
    )
