"""A node's own time as checks may use it: none where rounding hides it, and as a share of the statement's time."""

from analyzer.plans.node import Plan, PlanNode

MOST_ERROR_RATIO = 0.20  # rounding / own time: EXPLAIN rounds times to 1 us per loop (plan_rules.md 1.2)


def certain_time_ms(node: PlanNode, *, most_error_ratio: float = MOST_ERROR_RATIO) -> float | None:
    """The node's exclusive time; None without times and where the error bar is wider than the claim."""
    own, error = node.exclusive_time_ms, node.exclusive_time_error_ms
    if own is None or own <= 0 or (error or 0.0) > own * most_error_ratio:
        return None
    return own


def statement_time_ms(plan: Plan) -> float | None:
    """Execution Time; without it (SUMMARY OFF, auto_explain) the root's total. None without times."""
    return plan.execution_time_ms or plan.root.total_time_ms or None


def time_share(node: PlanNode, *, most_error_ratio: float = MOST_ERROR_RATIO) -> float | None:
    """Certain exclusive time as a share of the statement's, 0 to 1; None where either is unknown."""
    return share_of(certain_time_ms(node, most_error_ratio=most_error_ratio), node.plan)


def share_of(time_ms: float | None, plan: Plan | None) -> float | None:
    """Any part of a plan's time as a share of the statement's, 0 to 1."""
    whole = statement_time_ms(plan) if plan is not None else None
    return None if time_ms is None or not whole else min(1.0, max(0.0, time_ms) / whole)
