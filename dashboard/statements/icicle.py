"""An icicle chart of a plan: each node as wide as the time (or cost) it takes of the root, its inputs below it.

Positions are percentages, so that the page draws it as SVG without scripts. Colour tells a node's own share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.plans import Plan, PlanNode
from analyzer.plans.exclusive import own_share

ROW_HEIGHT = 26  # pixels
MOST_LEVELS = 30
LEAST_WIDTH = 0.15  # percent: thinner is no bar any more
HOT, WARM, MILD = 0.5, 0.2, 0.05  # own share; judgement


@dataclass(frozen=True, slots=True)
class Bar:
    """``x`` and ``width`` in percent of the chart, ``y`` in pixels; ``number``: the node's in EXPLAIN's order."""

    number: int
    label: str
    x: str
    width: str
    y: int
    heat: str  # "hot", "warm", "mild", "cool", by its own share
    share: float | None  # of its own; None where rounding hides it


@dataclass(frozen=True, slots=True)
class Icicle:
    bars: tuple[Bar, ...]
    height: int  # pixels
    measure: str  # "time", or "cost" where no times are known
    left_out: int  # nodes too thin or too deep to draw


def icicle(plan: Plan) -> Icicle | None:
    """None where neither times nor costs are known."""
    measure = "time" if plan.root.total_time_ms else "cost"
    whole = _of(plan.root, measure)
    if not whole:
        return None
    numbers = {id(node): number for number, node in enumerate(plan, start=1)}
    bars: list[Bar] = []
    waiting: list[tuple[PlanNode, float, float]] = [(plan.root, 0.0, 100.0)]
    deepest = 0
    while waiting:
        node, x, width = waiting.pop()
        if width < LEAST_WIDTH or node.depth >= MOST_LEVELS:
            continue
        deepest = max(deepest, node.depth)
        share = own_share(node, whole) if measure == "time" else _own_cost(node) / whole
        bars.append(
            Bar(numbers[id(node)], node.label, f"{x:.3f}", f"{width:.3f}", node.depth * ROW_HEIGHT, _heat(share), share)
        )
        waiting += _below(node, x, width, measure)
    bars.sort(key=lambda bar: bar.number)
    return Icicle(tuple(bars), (deepest + 1) * ROW_HEIGHT, measure, len(numbers) - len(bars))


def _below(node: PlanNode, x: float, width: float, measure: str) -> Sequence[tuple[PlanNode, float, float]]:
    """The inputs side by side; narrower where they would stick out (what an InitPlan took is paid elsewhere)."""
    amounts = [_of(child, measure) for child in node.children]
    room = max(_of(node, measure), sum(amounts))
    placed = []
    for child, amount in zip(node.children, amounts, strict=True):
        part = width * amount / room if room else 0.0
        placed.append((child, x, part))
        x += part
    return placed


def _of(node: PlanNode, measure: str) -> float:
    if measure == "time":
        return max(0.0, node.total_time_ms or 0.0)
    return max(0.0, node.total_cost or 0.0)


def _own_cost(node: PlanNode) -> float:
    return max(0.0, (node.total_cost or 0.0) - sum(child.total_cost or 0.0 for child in node.children))


def _heat(share: float | None) -> str:
    share = share or 0.0
    return "hot" if share >= HOT else "warm" if share >= WARM else "mild" if share >= MILD else "cool"
