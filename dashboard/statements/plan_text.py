"""A plan as an indented text: for readers without scripts, screen readers and mails."""

from typing import Any

from analyzer.plans import PlanError, PlanNode, parse_plan
from dashboard.templatetags.quantities import count, duration

MOST_NODES = 400
MOST_CHARACTERS = 60_000  # judgement: about 30 screens
MOST_OF_A_CONDITION = 2_000


def plan_text(plan: Any) -> str:
    """One line per node: label, time of its own, rows; "" when the plan cannot be read. What is left out is said."""
    try:
        nodes = list(parse_plan(plan).nodes)
    except (PlanError, KeyError, TypeError, ValueError):
        return ""
    lines: list[str] = []
    left = MOST_CHARACTERS
    for node in nodes[:MOST_NODES]:
        line = _line(node)
        left -= len(line)
        if left < 0 and lines:
            break
        lines.append(line)
    if len(nodes) > len(lines):
        lines.append(f"... and {len(nodes) - len(lines):,} more")
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
        text += f"\n{'  ' * node.depth}     {name}: {shortened(condition)}"
    return text


def shortened(text: str) -> str:
    """What the planner says of a node repeats whole parts of the statement."""
    if len(text) <= MOST_OF_A_CONDITION:
        return text
    return f"{text[:MOST_OF_A_CONDITION]}... and {len(text) - MOST_OF_A_CONDITION:,} more characters"
