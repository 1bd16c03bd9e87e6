"""A plan as a table for a terminal and as JSON for scripts (documented in docs/cli.md)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analyzer.plans.exclusive import own_share
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.outside import jit_time_ms, outside_nodes_time_ms
from analyzer.plans.redact import redact_expression
from analyzer.plans.shape import shape_of

COLUMNS = ("own ms", "±", "share", "rows planned", "rows actual", "loops", "hit", "read", "temp", "node")
UNKNOWN = "-"


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Stable names, units in them; ``null`` is unknown. Conditions carry no literals."""
    return {
        "is_analyzed": plan.is_analyzed,
        "shape": shape_of(plan),
        "query_id": plan.query_id,
        "planning_time_ms": plan.planning_time_ms,
        "execution_time_ms": plan.execution_time_ms,
        "outside_nodes_time_ms": _rounded(outside_nodes_time_ms(plan)),
        "jit_time_ms": jit_time_ms(plan),
        "triggers": [asdict(trigger) for trigger in plan.triggers],
        "nodes": [_node_as_json(node) for node in plan],
    }


def _node_as_json(node: PlanNode) -> dict[str, Any]:
    return {
        "label": node.label,
        "node_type": node.node_type,
        "depth": node.depth,
        "parent_relationship": node.parent_relationship,
        "subplan_name": node.subplan_name,
        "table": node.table or node.relation_name,
        "index_name": node.index_name,
        "is_parallel_aware": node.is_parallel_aware,
        "conditions": {name: redact_expression(text) for name, text in node.conditions.items()},
        "total_cost": node.total_cost,
        "plan_rows": node.plan_rows,
        "actual_rows": node.actual_rows,
        "loops": node.loops,
        "total_actual_rows": node.total_actual_rows,
        "total_rows_removed_by_filter": node.total_rows_removed_by_filter,
        "estimate_factor": _rounded(node.estimate_factor),
        "estimate_direction": node.estimate_direction,
        "total_time_ms": _rounded(node.total_time_ms),
        "exclusive_time_ms": _rounded(node.exclusive_time_ms),
        "exclusive_time_error_ms": _rounded(node.exclusive_time_error_ms, 4),
        "buffers": node.buffers._asdict() if node.buffers else None,
        "exclusive_buffers": node.exclusive_buffers._asdict() if node.exclusive_buffers else None,
    }


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def plan_as_text(plan: Plan) -> list[str]:
    """Lines of a table, then what lies outside the nodes."""
    rows = [COLUMNS, *(_row(node, plan) for node in plan)]
    used = [i for i, _ in enumerate(COLUMNS) if any(row[i] != UNKNOWN for row in rows[1:])]
    lines = _aligned([[row[i] for i in used] for row in rows])
    return [*lines, "", *outside_lines(plan)]


def _row(node: PlanNode, plan: Plan) -> tuple[str, ...]:
    own = node.exclusive_buffers
    name = f"Parallel {node.label}" if node.is_parallel_aware else node.label
    subplan = f"{node.subplan_name}: " if node.subplan_name else ""
    arrow = "  " * node.depth + ("-> " if node.parent else "")
    if node.loops == 0:
        times = (UNKNOWN, UNKNOWN, UNKNOWN)
        name += " (never executed)"
    else:
        times = (_ms(node.exclusive_time_ms), _ms(node.exclusive_time_error_ms, 3), _share(node, plan))
    temp = None
    if own and own.temp_read_blocks is not None and own.temp_written_blocks is not None:
        temp = own.temp_read_blocks + own.temp_written_blocks
    return (
        *times,
        _count(node.plan_rows),
        _count(node.actual_rows) if node.loops else UNKNOWN,
        _count(node.loops),
        _count(own.shared_hit_blocks if own else None),
        _count(own.shared_read_blocks if own else None),
        _count(temp),
        f"{arrow}{subplan}{name}",
    )


def _share(node: PlanNode, plan: Plan) -> str:
    share = own_share(node, plan.execution_time_ms or plan.root.total_time_ms)
    return UNKNOWN if share is None else f"{share:.0%}"


def _ms(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{max(0.0, value):,.{digits}f}"


def _count(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in rows
    ]


def outside_lines(plan: Plan) -> list[str]:
    """Planning, execution, triggers, JIT: what belongs to no node, a line each."""
    outside, jit = outside_nodes_time_ms(plan), jit_time_ms(plan)
    lines = []
    if plan.planning_time_ms is not None:
        lines.append(f"Planning {plan.planning_time_ms:,.2f} ms")
    if plan.execution_time_ms is not None:
        sending = " as auto_explain logged it, with sending the rows" if plan.is_time_logged else ""
        lines.append(f"Execution {plan.execution_time_ms:,.2f} ms{sending}")
    if outside is not None:
        lines.append(f"of it outside the nodes {outside:,.2f} ms")
    if jit is not None:
        lines.append(f"JIT {jit:,.2f} ms over all processes")
    parts = [", ".join(lines)] if lines else []
    parts += [
        f"Trigger {t.name}: {t.calls:,} calls" + ("" if t.time_ms is None else f", {t.time_ms:,.2f} ms")
        for t in plan.triggers
    ]
    if not plan.is_analyzed:
        parts.append("Planned only: EXPLAIN without ANALYZE knows no times and no actual rows.")
    elif not plan.has_timing:
        parts.append("Times are unknown: the plan was made with TIMING OFF.")
    return parts


def nested_json(plan: Plan) -> dict[str, Any]:
    """EXPLAIN's JSON object again, of a plan that was read from whatever format."""
    made: dict[int, dict[str, Any]] = {}
    for node in plan:
        made[id(node)] = dict(node.raw)
        if node.parent is not None:
            made[id(node.parent)].setdefault("Plans", []).append(made[id(node)])
    times = {} if plan.execution_time_ms is None else {"Execution Time": plan.execution_time_ms}
    return {"Plan": made[id(plan.root)], **times, **plan.raw}
