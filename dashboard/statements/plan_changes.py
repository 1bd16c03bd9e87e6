"""Two plans node by node, for a page: what stayed with its figures before and after, what is gone and what came."""

from dataclasses import dataclass

from analyzer.plans import Plan, PlanNode
from analyzer.plans.node_changes import node_changes

MOST_ROWS = 400


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one node in one of the plans; ``number``: the node's, in EXPLAIN's order from 1."""

    number: int
    own_ms: float | None
    rows: float | None
    blocks: int | None
    is_executed: bool


@dataclass(frozen=True, slots=True)
class ShownChange:
    """``before`` None: the node came; ``after`` None: it is gone."""

    node: PlanNode
    before: Figures | None
    after: Figures | None
    indent: str

    @property
    def sides(self) -> tuple[Figures, ...]:
        return tuple(side for side in (self.before, self.after) if side is not None)


@dataclass(frozen=True, slots=True)
class ShownChanges:
    rows: tuple[ShownChange, ...]
    left_out: int
    has_times: bool
    has_rows: bool
    has_blocks: bool


def shown_changes(before: Plan, after: Plan) -> ShownChanges | None:
    """None for plans too large to pair."""
    changes = node_changes(before, after)
    if changes is None:
        return None
    numbers = {id(node): number for plan in (before, after) for number, node in enumerate(plan, start=1)}

    def figures(node: PlanNode | None) -> Figures | None:
        if node is None:
            return None
        own_ms = None if node.exclusive_time_ms is None else max(0.0, node.exclusive_time_ms)
        return Figures(numbers[id(node)], own_ms, node.total_actual_rows, node.touched_blocks, node.loops != 0)

    rows = [
        ShownChange(c.node, figures(c.before), figures(c.after), "\u2007" * (2 * min(c.node.depth, 40)))
        for c in changes[:MOST_ROWS]
    ]
    sides = [side for row in rows for side in row.sides]
    return ShownChanges(
        rows=tuple(rows),
        left_out=len(changes) - len(rows),
        has_times=any(side.own_ms is not None for side in sides),
        has_rows=any(side.rows is not None for side in sides),
        has_blocks=any(side.blocks is not None for side in sides),
    )
