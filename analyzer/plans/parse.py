"""EXPLAIN (FORMAT JSON) of PostgreSQL 13 to 18 -> ``Plan``.

Several plans stand in one output when a rule rewrites the statement into several. Nothing recurses: a plan
may be deeper than Python's stack.
"""

import re
from collections.abc import Mapping
from typing import Any

from analyzer.plans.buffers import COUNTERS, FIELDS, TIME_POSITIONS, Buffers
from analyzer.plans.exclusive import set_exclusive
from analyzer.plans.labels import GENERATED_SUFFIX, label
from analyzer.plans.logged import LOGGED_DURATION
from analyzer.plans.node import Plan, PlanError, PlanNode, Trigger
from analyzer.plans.read_plan import read_plan

LARGEST = 1e300  # so neither NaN nor infinity, nor an integer beyond what a float holds
COUNTER_NAMES = frozenset(printed for printed, _ in COUNTERS)
NOTHING_PRINTED: list[None] = [None] * len(FIELDS)
EXECUTION_TIMES = ("Execution Time", "Total Runtime", LOGGED_DURATION)  # the second to 9.3
APPENDS = ("Append", "Merge Append")
TEMPORARY = re.compile(r"\Apg_temp_\d+\Z")  # to 14 with the session's number


def parse_plan(source: object) -> Plan:
    """The one plan in ``source``: JSON text or bytes, or its decoded value; a bare node will do, too."""
    plans = parse_plans(source)
    if len(plans) != 1:
        raise PlanError(f"There are {len(plans)} plans where one was expected: give them to parse_plans.")
    return plans[0]


def parse_plans(source: object) -> list[Plan]:
    """Every plan in ``source``, in the order printed."""
    value = read_plan(source)
    entries = value if isinstance(value, list) else [value]
    if not entries:
        raise PlanError("The plan is an empty JSON array: EXPLAIN printed nothing, or a rule left nothing to run.")
    is_ours = isinstance(source, str | bytes | bytearray | memoryview)  # nobody else has the decoded value
    plans = []
    for entry in entries:
        if entry in ("Utility Statement", ["Utility Statement"]):
            raise PlanError("EXPLAIN was of a utility statement, which has no plan.")
        if not isinstance(entry, dict):
            raise PlanError('The JSON holds no plan: an object with "Plan" was expected in the array.')
        plans.append(_plan(entry, is_ours=is_ours))
    return plans


def _plan(entry: Mapping[str, Any], *, is_ours: bool) -> Plan:
    if "Plan" in entry:
        tree, beside = entry["Plan"], {k: v for k, v in entry.items() if k != "Plan"}
    elif "Node Type" in entry:
        tree, beside = entry, {}
    else:
        raise PlanError('The JSON holds no plan: neither "Plan" nor "Node Type" is in it.')
    root = _tree(tree, is_ours=is_ours)
    planning = beside.get("Planning")
    serialization = beside.get("Serialization")
    settings = beside.get("Settings")
    jit, triggers = beside.get("JIT"), beside.get("Triggers")
    plan = Plan(
        root=root,
        raw=beside,
        planning_time_ms=_number(beside, "Planning Time"),
        execution_time_ms=next((_number(beside, name) for name in EXECUTION_TIMES if name in beside), None),
        planning_buffers=_buffers(planning) if isinstance(planning, Mapping) else None,
        triggers=tuple(map(_trigger, triggers)) if isinstance(triggers, list) else (),
        jit=jit if isinstance(jit, Mapping) else None,
        settings={str(k): str(v) for k, v in settings.items()} if isinstance(settings, Mapping) else {},
        query_id=None if beside.get("Query Identifier") is None else str(beside["Query Identifier"]),
        serialization_time_ms=_number(serialization, "Time") if isinstance(serialization, Mapping) else None,
    )
    for node in plan:
        node.plan = plan
    _set_labels(plan)
    set_exclusive(plan)
    return plan


def _tree(tree: object, *, is_ours: bool) -> PlanNode:
    root, below = _node(tree, None, is_ours=is_ours)
    waiting: list[tuple[PlanNode, Any]] = [(root, below)]
    while waiting:
        parent, below = waiting.pop()
        if not isinstance(below, list):
            raise PlanError(f'"Plans" of {parent.label} is no array.')
        for child_raw in below:
            child, below_child = _node(child_raw, parent, is_ours=is_ours)
            parent.children.append(child)
            waiting.append((child, below_child))
    return root


def _node(raw: object, parent: PlanNode | None, *, is_ours: bool) -> tuple[PlanNode, Any]:
    """The node and what is printed for those below it, which ``raw`` keeps where it is somebody else's."""
    if not isinstance(raw, Mapping):
        raise PlanError(f"A node {_where(parent)} of the plan is no JSON object.")
    node_type = raw.get("Node Type")
    if not isinstance(node_type, str):
        raise PlanError(f'A node {_where(parent)} of the plan has no "Node Type".')
    own = raw if is_ours and isinstance(raw, dict) else dict(raw)
    below = own.pop("Plans", [])
    workers = own.get("Workers")
    loops = _count(own, "Actual Loops")
    rows, total_time = _number(own, "Actual Rows"), _number(own, "Actual Total Time")
    for key, value in (("Actual Loops", loops), ("Actual Rows", rows), ("Actual Total Time", total_time)):
        if value is not None and value < 0:
            raise PlanError(f'"{key}" of {node_type} is {own[key]}, which is below zero.')
    node = PlanNode(
        node_type=node_type,
        raw=own,
        label=label(own),
        depth=parent.depth + 1 if parent else 0,
        parent=parent,
        parent_relationship=_text(own, "Parent Relationship"),
        relation_name=_text(own, "Relation Name"),
        schema=TEMPORARY.sub("pg_temp", schema) if (schema := _text(own, "Schema")) else None,
        alias=_text(own, "Alias"),
        index_name=_text(own, "Index Name"),
        join_type=_text(own, "Join Type"),
        subplan_name=_text(own, "Subplan Name"),
        is_parallel_aware=own.get("Parallel Aware") is True,
        startup_cost=_number(own, "Startup Cost"),
        total_cost=_number(own, "Total Cost"),
        plan_rows=_number(own, "Plan Rows"),
        plan_width_bytes=_count(own, "Plan Width"),
        loops=loops,
        actual_rows=rows,
        actual_startup_time_ms=_number(own, "Actual Startup Time"),
        actual_total_time_ms=total_time,
        rows_removed_by_filter=_number(own, "Rows Removed by Filter"),
        rows_removed_by_join_filter=_number(own, "Rows Removed by Join Filter"),
        # 18 prints "Disabled" on every node; JSON that went through JavaScript may have lost the ".00"
        rows_are_fractional=isinstance(own.get("Actual Rows"), float) or ("Disabled" in own and loops is not None),
        buffers=_buffers(own),
        workers=tuple(w for w in workers if isinstance(w, Mapping)) if isinstance(workers, list) else (),
    )
    return node, below


def _where(parent: PlanNode | None) -> str:
    return f"below {parent.label}" if parent else "at the top"


def _set_labels(plan: Plan) -> None:
    """Leave out the aliases PostgreSQL made up for partitions: they depend on how many were pruned."""
    scans: dict[str, int] = {}
    for node in plan:
        if node.relation_name and node.node_type != "ModifyTable":
            scans[node.relation_name] = scans.get(node.relation_name, 0) + 1
    below_append: set[int] = set()
    for node in plan:
        if node.parent and (node.parent.node_type in APPENDS or id(node.parent) in below_append):
            below_append.add(id(node))
            if node.alias and GENERATED_SUFFIX.search(node.alias) and scans.get(node.relation_name or "") == 1:
                node.label = label(node.raw, is_only_scan_in_append=True)


def _buffers(raw: Mapping[str, Any]) -> Buffers | None:
    if COUNTER_NAMES.isdisjoint(raw):
        return None
    counters: list[Any] = [None] * len(FIELDS)
    for printed, position in COUNTERS:
        if printed not in raw:
            continue
        value = raw[printed]
        if value.__class__ is int and -LARGEST <= value <= LARGEST:
            counters[position] = float(value) if position in TIME_POSITIONS else value
        else:
            counters[position] = _number(raw, printed) if position in TIME_POSITIONS else _count(raw, printed)
    return Buffers(*counters) if counters != NOTHING_PRINTED else None


def _trigger(raw: object) -> Trigger:
    if not isinstance(raw, Mapping):
        raise PlanError('"Triggers" of the plan holds something that is no JSON object.')
    return Trigger(
        name=_text(raw, "Trigger Name") or _text(raw, "Constraint Name") or "?",
        relation=_text(raw, "Relation"),
        constraint_name=_text(raw, "Constraint Name"),
        calls=_count(raw, "Calls") or 0,
        time_ms=_number(raw, "Time"),
    )


def _text(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is None or isinstance(value, str):
        return value
    raise PlanError(f'"{key}" of {raw.get("Node Type", "the plan")} is {value!r}, which is no text.')


def _number(raw: Mapping[str, Any], key: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    # no bool, which is an int to isinstance
    if (value.__class__ is float or value.__class__ is int) and -LARGEST <= value <= LARGEST:
        return float(value)
    raise PlanError(f'"{key}" of {raw.get("Node Type", "the plan")} is {value!r}, which is no number.')


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    if value is None or (value.__class__ is int and -LARGEST <= value <= LARGEST):
        return value
    number = _number(raw, key)
    return None if number is None else round(number)
