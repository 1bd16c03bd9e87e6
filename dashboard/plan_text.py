"""A plan as an indented text: for readers without scripts, screen readers and mails."""

from typing import Any

from analyzer.plans import PlanError, PlanNode, parse_plan
from dashboard.templatetags.quantities import count, duration

MOST_NODES = 400


def plan_text(plan: Any) -> str:
    """One line per node: label, time of its own, rows; "" when the plan cannot be read."""
    try:
        nodes = list(parse_plan(plan).nodes)
    except (PlanError, KeyError, TypeError, ValueError):
        return ""
    lines = [_line(node) for node in nodes[:MOST_NODES]]
    if len(nodes) > MOST_NODES:
        lines.append(f"... and {len(nodes) - MOST_NODES} more")
    return "\n".join(lines)


def _line(node: PlanNode) -> str:
    said = []
    if node.loops == 0:
        said.append("never executed")
    elif node.exclusive_time_ms is not None:
        said.append(f"{duration(max(0.0, node.exclusive_time_ms))} of its own")
    if node.loops:
        said.append(f"{count((node.actual_rows or 0) * node.loops)} rows, {count(node.plan_rows)} a loop expected")
        if node.loops > 1:
            said.append(f"{count(node.loops)} loops")
    elif node.plan_rows is not None:
        said.append(f"{count(node.plan_rows)} rows expected, cost {count(node.total_cost)}")
    text = f"{'  ' * node.depth}{'-> ' if node.depth else ''}{node.label}  ({'; '.join(said)})"
    for name, condition in node.conditions.items():
        text += f"\n{'  ' * node.depth}     {name}: {condition}"
    return text
