"""How many rows a plan fetches one by one through an index, for the rows of another step."""

from collections.abc import Iterator

from analyzer.plans.node import Plan, PlanNode

LOOK_UPS = ("Index Scan", "Index Only Scan")


def rows_looked_up(plan: Plan) -> float:
    """The most, as estimated, that the inner side of one Nested Loop brings by an index scan; 0 without one."""
    return max((rows for node in plan for rows in _of_loop(node)), default=0.0)


def _of_loop(node: PlanNode) -> Iterator[float]:
    if node.node_type == "Nested Loop" and len(node.children) == 2:
        outer, inner = node.children
        if inner.node_type in LOOK_UPS and outer.plan_rows is not None:
            yield outer.plan_rows * max(1.0, inner.plan_rows or 1.0)
