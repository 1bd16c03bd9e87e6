"""Triggers that a statement fired, those of one name on a table's partitions as one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.plans.node import Plan, PlanNode, Trigger
from analyzer.plans.outside import after_triggers

MADE_FOR_KEY = re.compile(r"RI_ConstraintTrigger(?:_([ac]))?")


@dataclass(frozen=True, slots=True)
class Fired:
    """``name``: the constraint's where it belongs to one. ``node`` wrote the rows that fired it."""

    name: str
    relation: str | None
    calls: int
    time_ms: float | None  # None with TIMING OFF
    is_foreign_key: bool | None  # None: a constraint's, and the text format leaves out whose
    is_child_side: bool  # looks up the parent of a row that came or changed: always by an index
    is_after: bool
    node: PlanNode


def fired(plan: Plan) -> list[Fired]:
    """In the order printed, partitions together."""
    writes = [n for n in plan if n.node_type == "ModifyTable"]
    groups: dict[tuple[str, bool | None, bool], list[Trigger]] = {}
    for trigger, is_key in zip(plan.triggers, _are_keys(plan), strict=False):
        name, child_side = trigger.constraint_name or trigger.name, _is_child_side(trigger, writes)
        groups.setdefault((name, is_key, child_side), []).append(trigger)
    after = frozenset(id(trigger) for trigger in after_triggers(plan))
    return [
        _together(*group, parts, plan, writes, is_after=any(id(part) in after for part in parts))
        for group, parts in groups.items()
    ]


def _together(
    name: str,
    is_key: bool | None,
    child_side: bool,
    parts: list[Trigger],
    plan: Plan,
    writes: list[PlanNode],
    *,
    is_after: bool,
) -> Fired:
    times = [part.time_ms for part in parts]
    known = [time for time in times if time is not None]
    relation = parts[0].relation
    on_it = [n for n in writes if n.relation_name == relation]
    return Fired(
        name=name,
        relation=relation,
        calls=sum(part.calls for part in parts),
        time_ms=sum(known) if len(known) == len(times) else None,
        is_foreign_key=is_key,
        is_child_side=child_side,
        is_after=is_after,
        node=next(iter(on_it or writes), plan.root),
    )


def _are_keys(plan: Plan) -> Iterator[bool | None]:
    """A constraint trigger that somebody wrote has its constraint's name; the text format prints that alone."""
    for trigger, raw in zip(plan.triggers, plan.raw.get("Triggers", ()), strict=False):
        if trigger.constraint_name is None:
            yield False
        else:
            printed = raw.get("Trigger Name")
            yield bool(MADE_FOR_KEY.match(printed)) if isinstance(printed, str) else None


def _is_child_side(trigger: Trigger, writes: list[PlanNode]) -> bool:
    """A key's trigger on the referencing table ("c") or the referenced one ("a"); by the statement where unprinted."""
    named = MADE_FOR_KEY.match(trigger.name)
    if named and named[1]:
        return named[1] == "c"
    operations = {n.raw.get("Operation") for n in writes if n.relation_name == trigger.relation}
    return (operations or {n.raw.get("Operation") for n in writes}) == {"Insert"}
