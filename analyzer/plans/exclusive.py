"""Exclusive times and buffers: what a node spent itself, without what its inputs spent.

Three things make this more than a subtraction. Times are means per loop. Below a Gather the loops are
shared by several processes, so a total of times is not wall-clock time: it is divided by the number of
processes, taken from the loops, because "Workers Launched + 1" is wrong where the leader does not take
part. And an InitPlan or CTE hangs where it was planned while its time lies inside the node that first asks
for it (``payers.py``).

The algorithm was checked on 905 plans of seven versions: exclusive times add up to the root's total, and
none lies below zero by more than rounding explains. Only data-modifying CTEs nobody reads run after the
root ended.
"""

from analyzer.plans.buffers import Buffers
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.payers import cte_scans, initplan_consumers, is_initplan, is_lazy

GATHERS = ("Gather", "Gather Merge")
BITMAPS = ("Bitmap Index Scan", "BitmapAnd", "BitmapOr")
ROUNDING_MS = 0.0005  # times are printed with three decimals of a millisecond, per loop


def set_exclusive(plan: Plan) -> None:
    """Set ``processes``, ``total_time_ms`` and what is exclusive on every node that ran."""
    if not plan.is_analyzed:
        return
    scans = cte_scans(plan)
    _set_processes(plan)
    if plan.has_timing:
        _set_times(plan, scans)
    if plan.root.buffers is not None:
        _set_buffers(plan, scans)


def _set_processes(plan: Plan) -> None:
    """Pre-order, so a Gather below a Gather multiplies with the outer one's processes."""
    below: dict[PlanNode, float] = {}  # a Gather -> processes that share the loops of a node below it
    for node in plan:
        gather = _gather_above(node)
        node.processes = below[gather] if gather else 1.0
        if node.node_type in GATHERS:
            child = next((c for c in node.children if not is_lazy(c)), None)
            share = (child.loops or 0) / node.loops if child and node.loops else 1.0
            below[node] = max(1.0, share) * node.processes


def _gather_above(node: PlanNode) -> PlanNode | None:
    """The nearest Gather above; an InitPlan hung on the Gather itself is run by the leader alone."""
    child = node
    while (parent := child.parent) is not None:
        if parent.node_type in GATHERS and not is_lazy(child):
            return parent
        child = parent
    return None


def _set_times(plan: Plan, scans: dict[PlanNode, list[PlanNode]]) -> None:
    own: dict[PlanNode, float] = {}
    for node in plan:
        node.total_time_ms = (node.actual_total_time_ms or 0.0) * (node.loops or 0) / _sharing(node)
    for node in plan:
        inputs = [c for c in node.children if not is_lazy(c)]
        own[node] = _total(node) - sum(map(_total, inputs))
        roundings = ((n.loops or 0) / _sharing(n) for n in (node, *inputs))
        node.exclusive_time_error_ms = ROUNDING_MS * sum(roundings)
    _charge_ctes(own, scans)
    _charge_initplans(plan, own)
    for node in plan:
        if node.loops and node.actual_total_time_ms is not None:
            node.exclusive_time_ms = own[node]
        else:  # never executed: no time, exactly
            node.exclusive_time_ms = 0.0 if node.loops == 0 else None
    plan.after_root_time_ms = sum(own.values()) - _total(plan.root)
    if plan.after_root_time_ms <= ROUNDING_MS:
        plan.after_root_time_ms = 0.0


def _sharing(node: PlanNode) -> float:
    """Processes that share the loops; a Parallel Bitmap Heap Scan's bitmap is built by one, others wait."""
    if node.node_type in BITMAPS:
        heap = next((a for a in node.ancestors() if a.node_type not in BITMAPS), None)
        if heap is not None and heap.is_parallel_aware:
            return 1.0
    return node.processes


def _total(node: PlanNode) -> float:
    return node.total_time_ms or 0.0


def _charge_ctes(own: dict[PlanNode, float], scans: dict[PlanNode, list[PlanNode]]) -> None:
    """A CTE runs as far as its scans ask: one waits for its first row, each pays for what it pulls."""
    for cte, asking in scans.items():
        executed = [s for s in asking if s.loops]
        wall = _total(cte)
        if not executed:
            if wall:
                for node in cte.walk():
                    node.is_after_root = True
        elif cte.node_type == "ModifyTable" and len(executed) == 1:
            # what its reader did not ask for is written when the root is done
            scan = executed[0]
            own[scan] -= wall if wall <= own[scan] + _error(cte) + _error(scan) else max(0.0, own[scan])
        else:
            paid = _shares(wall, cte, executed)
            for scan in executed:
                own[scan] -= paid[scan]
            _charge_rest(wall - sum(paid.values()), cte, executed[0], own)


def _shares(wall: float, cte: PlanNode, scans: list[PlanNode]) -> dict[PlanNode, float]:
    """What each scan pays: the first that can have waited pays for that, the rest goes by what each has left."""
    paid = dict.fromkeys(scans, 0.0)
    startup = min(wall, cte.actual_startup_time_ms or 0.0)
    first = next((s for s in scans if (s.actual_startup_time_ms or 0.0) >= startup), None)
    if first is not None and len(scans) > 1:
        paid[first] = startup
    room = {s: max(0.0, _total(s) - paid[s]) for s in scans}
    rest = min(wall - sum(paid.values()), sum(room.values()))
    if sum(room.values()) > 0:
        for scan in scans:
            paid[scan] += rest * room[scan] / sum(room.values())
    return paid


def _charge_rest(rest: float, cte: PlanNode, scan: PlanNode, own: dict[PlanNode, float]) -> None:
    """More than its scans took: a Gather in the CTE was shut down by the node that owns it."""
    owner = cte.parent
    if owner is not None and rest > _error(cte) + _error(scan) and own[owner] >= rest:
        own[owner] -= rest
    else:
        own[scan] -= rest


def _charge_initplans(plan: Plan, own: dict[PlanNode, float]) -> None:
    """An InitPlan runs once, inside the first node that needs its value."""
    innermost_first = sorted((n for n in plan if is_initplan(n)), key=lambda n: -n.depth)
    for initplan in innermost_first:
        wall = _total(initplan)
        if wall:
            own[_payer(initplan, wall, own)] -= wall


def _payer(initplan: PlanNode, wall: float, own: dict[PlanNode, float]) -> PlanNode:
    owner = initplan.parent
    assert owner is not None
    needed = wall - ROUNDING_MS
    able = [c for c in initplan_consumers(initplan) if own[c] >= needed]
    if able:
        return max(able, key=lambda c: own[c])
    if own[owner] >= needed:
        return owner
    inside = set(initplan.walk())
    return max((n for n in owner.walk() if n not in inside), key=lambda n: own[n])


def _error(node: PlanNode) -> float:
    return node.exclusive_time_error_ms or 0.0


def _set_buffers(plan: Plan, scans: dict[PlanNode, list[PlanNode]]) -> None:
    own: dict[PlanNode, Buffers] = {}
    for node in plan:
        inputs = [c.buffers for c in node.children if c.buffers and not is_lazy(c)]
        own[node] = (node.buffers or Buffers()).less(inputs)
    for cte, asking in scans.items():
        left = cte.buffers or Buffers()
        for scan in asking:
            pulled = left.shared_with(own[scan])
            own[scan], left = own[scan].less([pulled]), left.less([pulled])
    for initplan in sorted((n for n in plan if is_initplan(n)), key=lambda n: -n.depth):
        spent = initplan.buffers
        if spent is None or initplan.parent is None:
            continue
        consumers = initplan_consumers(initplan)
        payer = next((c for c in (*consumers, initplan.parent) if own[c].covers(spent)), initplan.parent)
        own[payer] = own[payer].less([spent])
    for node in plan:
        node.exclusive_buffers = own[node] if node.buffers is not None else None
