"""Execution time that lies outside the plan's nodes: triggers, serialization, JIT's first start, unread CTEs.

Execution Time is the root node, what runs when it is done (data-modifying CTEs nobody reads, AFTER triggers, foreign
keys), turning the result into what a client gets (SERIALIZE), and a rest: the executor's start and end, and the first
use of JIT in a session, which loads LLVM.
"""

from analyzer.plans.node import Plan, Trigger

ROUNDING_MS = 0.001  # of a sum of times with three decimals


def after_triggers(plan: Plan) -> tuple[Trigger, ...]:
    """AFTER triggers run when the root node is done, BEFORE ones inside ModifyTable; EXPLAIN does not say which.

    Constraint triggers (every foreign key) are AFTER. Another one is where its time has room, the longest first: inside
    is ModifyTable's own time, outside what no node accounts for. With room in both it is taken for AFTER: nothing else
    would explain that much time outside, unless JIT does.
    """
    fired = [trigger for trigger in plan.triggers if trigger.constraint_name is not None]
    inside = max((node.exclusive_time_ms or 0.0 for node in plan if node.node_type == "ModifyTable"), default=0.0)
    outside = (_without_triggers_ms(plan) or 0.0) - sum(trigger.time_ms or 0.0 for trigger in fired)
    others = [trigger for trigger in plan.triggers if trigger.constraint_name is None]
    for trigger in sorted(others, key=lambda trigger: -(trigger.time_ms or 0.0)):
        time_ms = trigger.time_ms or 0.0
        if time_ms <= inside + ROUNDING_MS and (plan.jit is not None or time_ms > outside + ROUNDING_MS):
            inside -= time_ms
        else:
            fired.append(trigger)
            outside -= time_ms
    return tuple(fired)


def _without_triggers_ms(plan: Plan) -> float | None:
    """Execution time outside the root node, of data-modifying CTEs nobody reads and of serialization."""
    if plan.execution_time_ms is None or plan.root.total_time_ms is None:
        return None
    nodes = plan.root.total_time_ms + (plan.after_root_time_ms or 0.0)
    return plan.execution_time_ms - nodes - (plan.serialization_time_ms or 0.0)


def outside_nodes_time_ms(plan: Plan) -> float | None:
    """Execution time that no node, no trigger and no serialization accounts for; None without times.

    A data-modifying CTE that nobody reads runs when the root is done; its nodes have that time.
    """
    rest = _without_triggers_ms(plan)
    if rest is None:
        return None
    return max(0.0, rest - sum(trigger.time_ms or 0.0 for trigger in after_triggers(plan)))


def jit_time_ms(plan: Plan) -> float | None:
    """Time compiling, summed over processes, so it may exceed the execution time; None without JIT or timing."""
    timing = (plan.jit or {}).get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    return float(total) if isinstance(total, int | float) else None
