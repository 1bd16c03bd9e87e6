"""What the processes of a Gather did together: their work added up, how it was shared, what one would have needed."""

from analyzer.plans.node import PlanNode
from analyzer.plans.payers import GATHERS as GATHERS

LEADER_BUSY = 0.3  # costsize.c, get_parallel_divisor(): each worker takes so much of the leader's time


def divisor(workers: float) -> float:
    """Among how many processes the planner takes the rows to be shared with so many workers: 2 -> 2.4."""
    return workers + max(0.0, 1.0 - LEADER_BUSY * workers)


def part_below(gather: PlanNode) -> PlanNode | None:
    """The root of what its processes run."""
    return next(iter(gather.inputs), None)


def work_ms(gather: PlanNode) -> float | None:
    """Time of all its processes added up, waiting for each other included: at most what one alone would have needed.

    None without times.
    """
    part = part_below(gather)
    return (
        None if part is None or part.total_time_ms is None else part.total_time_ms * part.processes / gather.processes
    )


def parallel_ms(gather: PlanNode) -> float | None:
    """Time of the Gather and what is below it, without InitPlans that it computes before workers start."""
    part, own_ms = part_below(gather), gather.exclusive_time_ms
    return None if part is None or part.total_time_ms is None or own_ms is None else own_ms + part.total_time_ms


def is_shared(node: PlanNode) -> bool:
    """Whether the processes share out the rows: something parallel-aware drives it."""
    current: PlanNode | None = node
    while current is not None:
        if current.is_parallel_aware:
            return True
        below = [c for c in current.children if c.parent_relationship in ("Outer", "Member", "Subquery")]
        current = next((c for c in below if c.is_parallel_aware), below[0] if below else None)
    return False


def runs_of(node: PlanNode) -> float:
    """How often it ran: processes that share out its rows have one run together, others have each their own."""
    loops = float(node.loops or 0)
    return max(1.0, loops / node.processes) if node.processes > 1 and is_shared(node) else loops


def process_times_ms(node: PlanNode) -> tuple[float, list[float]] | None:
    """The leader's time in a node below a Gather, and each worker's; None without VERBOSE or without times."""
    if not node.workers or node.actual_total_time_ms is None or not node.loops:
        return None
    workers = [_time_ms(worker.get("Actual Total Time"), worker.get("Actual Loops")) for worker in node.workers]
    known = [time for time in workers if time is not None]
    if len(known) < len(workers):
        return None
    leader = node.actual_total_time_ms * node.loops - sum(known)
    return max(0.0, leader), known


def _time_ms(mean: object, loops: object) -> float | None:
    return mean * loops if isinstance(mean, int | float) and isinstance(loops, int | float) else None
