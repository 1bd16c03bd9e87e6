"""What an executed plan tells about its LIMIT."""

from analyzer.plans.node import Plan


def rows_before_limit(plan: Plan) -> float | None:
    """Rows that the statement's own LIMIT had to choose from; None without one, or where reading stopped early."""
    if plan.root.node_type != "Limit":
        return None
    for sort in plan.root.inputs:
        if sort.node_type == "Sort" and sort.inputs and sort.inputs[0].loops:
            return sort.inputs[0].total_actual_rows
    return None
