"""Execution time that lies outside the plan's nodes: triggers, serialization, JIT's first start, unread CTEs."""

from analyzer.plans.node import Plan, Trigger


def is_after_trigger(trigger: Trigger, plan: Plan) -> bool:
    """AFTER triggers run when the root node is done, BEFORE ones inside ModifyTable, and EXPLAIN does not say which.

    Constraint triggers (every foreign key) are AFTER; any other is taken for BEFORE if ModifyTable can hold it.
    """
    if trigger.constraint_name is not None:
        return True
    writes = [n.exclusive_time_ms or 0.0 for n in plan if n.node_type == "ModifyTable"]
    return (trigger.time_ms or 0.0) > max(writes, default=0.0)


def outside_nodes_time_ms(plan: Plan) -> float | None:
    """Execution time that no node and no trigger accounts for; None without times.

    A data-modifying CTE that nobody reads runs when the root is done; its nodes have that time.
    """
    if plan.execution_time_ms is None or plan.root.total_time_ms is None:
        return None
    triggers = sum(t.time_ms or 0.0 for t in plan.triggers if is_after_trigger(t, plan))
    known = plan.root.total_time_ms + (plan.after_root_time_ms or 0.0) + triggers + (plan.serialization_time_ms or 0.0)
    return max(0.0, plan.execution_time_ms - known)


def jit_time_ms(plan: Plan) -> float | None:
    """Time compiling, summed over processes, so it may exceed the execution time; None without JIT or timing."""
    timing = (plan.jit or {}).get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    return float(total) if isinstance(total, int | float) else None
