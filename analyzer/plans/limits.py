"""What an executed plan tells about its LIMIT."""

from analyzer.plans.node import Plan


def rows_before_limit(plan: Plan) -> float | None:
    """Rows that the statement's own LIMIT had to choose from; None without one, or where reading stopped early."""
    node = plan.root
    if node.node_type != "Limit" or not node.children:
        return None
    node = node.children[0]
    if node.node_type != "Sort" or not node.children or not node.children[0].loops:
        return None
    return node.children[0].total_actual_rows
