"""Exclusive times and buffers: what a node spent itself, without what its inputs spent.

Three things make this more than a subtraction. Times are means per loop. Below a Gather the loops are
shared by several processes, so a total of times is not wall-clock time: it is divided by the number of
processes, taken from the loops, because "Workers Launched + 1" is wrong where the leader does not take
part. And an InitPlan or CTE hangs where it was planned while its time lies inside the node that first asks
for it (``payers.py``).

The algorithm was checked on 905 plans of seven versions: exclusive times add up to the root's total, and
none lies below zero by more than rounding explains. Only data-modifying CTEs nobody reads run after the
root ended. Everything is linear in the nodes, however deep they lie.
"""

from dataclasses import dataclass, field

from analyzer.plans.buffers import Buffers
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.payers import GATHERS, SubplanUsers, is_lazy, subplan_users_of

# Rounding / time: with more a time says nothing. Judgement; EXPLAIN rounds times to 1 us per loop
MOST_ERROR_RATIO = 0.20
MOST_SHARE_ERROR_RATIO = 0.05  # of the whole run; judgement: less does not change where to look

BITMAPS = ("Bitmap Index Scan", "BitmapAnd", "BitmapOr")
ROUNDING_MS = 0.0005  # times are printed with three decimals of a millisecond, per loop
MOST_PAYERS = 20  # of an InitPlan whose consumer is unknown and that fits nowhere


def set_exclusive(plan: Plan) -> None:
    """Set ``processes``, ``total_time_ms`` and what is exclusive on every node that ran."""
    if not plan.is_analyzed:
        return
    payers = subplan_users_of(plan)
    _set_processes(payers)
    charged: dict[PlanNode, PlanNode] = {}  # an InitPlan -> who paid its time
    if plan.has_timing:
        times = _Times(payers)
        charged = times.charged
        plan.after_root_time_ms = times.set()
    if plan.root.buffers is not None:
        _set_buffers(payers, charged)


def own_share(node: PlanNode, whole_ms: float | None) -> float | None:
    """The node's own time in a run, 0 to 1; None where it is unknown or lost in what rounding per loop may hide."""
    own_ms, error_ms = node.exclusive_time_ms, node.exclusive_time_error_ms or 0.0
    if own_ms is None or not whole_ms or not node.loops:
        return None
    own_ms = max(0.0, own_ms)
    if error_ms > max(own_ms * MOST_ERROR_RATIO, whole_ms * MOST_SHARE_ERROR_RATIO):
        return None
    return min(1.0, own_ms / whole_ms)


def _set_processes(payers: SubplanUsers) -> None:
    """Pre-order, so a Gather below a Gather multiplies with the outer one's processes."""
    below: dict[PlanNode, float] = {}  # a Gather -> processes that share the loops of a node below it
    for position, node in enumerate(payers.nodes):
        gather = payers.gathers[position]
        node.processes = below[gather] if gather else 1.0
        if node.node_type in GATHERS:
            child = next((c for c in node.children if not is_lazy(c)), None)
            share = (child.loops or 0) / node.loops if child and node.loops else 1.0
            below[node] = max(1.0, share) * node.processes


def _sharing(node: PlanNode) -> float:
    """Processes that share the loops; a Parallel Bitmap Heap Scan's bitmap is built by one, others wait."""
    if node.node_type in BITMAPS and node.processes != 1:
        heap = next((a for a in node.ancestors() if a.node_type not in BITMAPS), None)
        if heap is not None and heap.is_parallel_aware:
            return 1.0
    return node.processes


@dataclass(slots=True)
class _Times:
    """Own times by position in the plan, while they are worked out."""

    payers: SubplanUsers
    own: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    rounding: list[float] = field(default_factory=list)  # of a node's total, children included
    charged: dict[PlanNode, PlanNode] = field(default_factory=dict)

    def set(self) -> float:
        """Sets the nodes' times; what lies outside the root node is returned."""
        nodes, at = self.payers.nodes, self.payers.at
        for node in nodes:
            loops = (node.loops or 0) / _sharing(node)
            total = (node.actual_total_time_ms or 0.0) * loops
            node.total_time_ms = total
            self.own.append(total)
            self.rounding.append(ROUNDING_MS * loops)
        self.error = list(self.rounding)
        for position, node in enumerate(nodes):
            if node.parent is not None and not is_lazy(node):
                above = at[node.parent]
                self.own[above] -= node.total_time_ms or 0.0
                self.error[above] += self.rounding[position]
        self._charge_ctes()
        for initplan in self.payers.initplans:
            self._charge_initplan(initplan)
        self._widen()
        for position, node in enumerate(nodes):
            node.exclusive_time_error_ms = self.error[position]
            if node.loops and node.actual_total_time_ms is not None:
                node.exclusive_time_ms = self.own[position]
            else:  # never executed: no time, exactly
                node.exclusive_time_ms = 0.0 if node.loops == 0 else None
        after_root = sum(self.own) - (nodes[0].total_time_ms or 0.0)
        return after_root if after_root > ROUNDING_MS else 0.0

    def _pay(self, payer: PlanNode, time_ms: float, part: PlanNode) -> None:
        """``part``'s rounding comes along with its time."""
        position = self.payers.at[payer]
        self.own[position] -= time_ms
        if time_ms:
            self.error[position] += self.rounding[self.payers.at[part]]

    def _own(self, node: PlanNode) -> float:
        return self.own[self.payers.at[node]]

    def _error(self, node: PlanNode) -> float:
        return self.error[self.payers.at[node]]

    def _charge_ctes(self) -> None:
        """A CTE runs as far as its scans ask: one waits for its first row, each pays for what it pulls."""
        for cte, asking in self.payers.scans.items():
            executed = [s for s in asking if s.loops]
            wall = cte.total_time_ms or 0.0
            if not wall:
                continue
            if not executed and cte.node_type != "ModifyTable":
                self._charge_initplan(cte)  # somebody read it whom the plan does not show
            elif not executed:
                self._set_after_root(cte)
            elif cte.node_type == "ModifyTable" and len(executed) == 1:
                # what its reader did not ask for is written when the root is done
                scan = executed[0]
                fits = wall <= self._own(scan) + self._error(cte) + self._error(scan)
                self._pay(scan, wall if fits else max(0.0, self._own(scan)), cte)
            else:
                paid = _shares(wall, cte, executed)
                for scan in executed:
                    self._pay(scan, paid[scan], cte)
                self._charge_rest(wall - sum(paid.values()), cte, executed[0])

        for cte, asking in reversed(self.payers.scans.items()):  # one that only such a CTE reads is run by it
            executed = [s for s in asking if s.loops]
            if executed and all(scan.is_after_root for scan in executed):
                self._set_after_root(cte)

    def _set_after_root(self, cte: PlanNode) -> None:
        start = self.payers.at[cte]
        for node in self.payers.nodes[start : self.payers.end[start]]:
            node.is_after_root = True

    def _charge_rest(self, rest: float, cte: PlanNode, scan: PlanNode) -> None:
        """More than its scans took: a Gather in the CTE was shut down by the node that owns it."""
        owner = cte.parent
        if owner is not None and rest > self._error(cte) + self._error(scan) and self._own(owner) >= rest:
            self._pay(owner, rest, cte)
        else:
            self._pay(scan, rest, cte)

    def _charge_initplan(self, initplan: PlanNode) -> None:
        """An InitPlan runs once, inside the first node that needs its value."""
        wall, owner = initplan.total_time_ms or 0.0, initplan.parent
        if not wall or owner is None:
            return
        needed = wall - ROUNDING_MS
        consumers = sorted(self.payers.consumers(initplan), key=self._own, reverse=True)
        able = [c for c in (*consumers[:1], owner) if self._own(c) >= needed]
        payer = able[0] if able else self._largest(initplan, owner, 1)[0]
        missing = wall - self._own(payer) - self._error(payer) - self._error(initplan)
        self.charged[initplan] = payer
        if missing <= 0:
            self._pay(payer, wall, initplan)
            return
        # the clock says otherwise, or the value was computed in several places: nobody below 0
        for node in dict.fromkeys((*consumers, owner, *self._largest(initplan, owner, MOST_PAYERS))):
            part = min(wall, max(0.0, self._own(node)))
            self._pay(node, part, initplan)
            wall -= part
        self._pay(payer, wall, initplan)

    def _largest(self, initplan: PlanNode, owner: PlanNode, count: int) -> list[PlanNode]:
        """Below its owner and outside of itself, by own time."""
        at, end = self.payers.at, self.payers.end
        before = range(at[owner], at[initplan])
        behind = range(end[at[initplan]], end[at[owner]])
        if count == 1:
            tops = [max(part, key=self.own.__getitem__) for part in (before, behind) if part]
        else:
            tops = sorted((*before, *behind), key=self.own.__getitem__, reverse=True)[:count]
        return [self.payers.nodes[p] for p in sorted(tops, key=self.own.__getitem__, reverse=True)]

    def _widen(self) -> None:
        """Inputs that took longer than the node they ran in show a coarser clock than rounding alone.

        Seen on servers to 9.6 and on Windows, whose clock ticks every 15 ms: node and inputs are uncertain by that.
        """
        for position, node in enumerate(self.payers.nodes):
            excess = -self.own[position] - self.error[position]
            if excess > 0:
                self.error[position] += excess
                for child in node.children:
                    self.error[self.payers.at[child]] += excess


def _shares(wall: float, cte: PlanNode, scans: list[PlanNode]) -> dict[PlanNode, float]:
    """What each scan pays: the first that can have waited pays for that, the rest goes by what each has left."""
    paid = dict.fromkeys(scans, 0.0)
    startup = min(wall, cte.actual_startup_time_ms or 0.0)
    first = next((s for s in scans if (s.actual_startup_time_ms or 0.0) >= startup), None)
    if first is not None and len(scans) > 1:
        paid[first] = startup
    room = {s: max(0.0, (s.total_time_ms or 0.0) - paid[s]) for s in scans}
    rest = min(wall - sum(paid.values()), sum(room.values()))
    if sum(room.values()) > 0:
        whole = sum(room.values())
        for scan in scans:
            paid[scan] += rest * room[scan] / whole
    return paid


def _set_buffers(payers: SubplanUsers, charged: dict[PlanNode, PlanNode]) -> None:
    none = Buffers()
    own: dict[PlanNode, Buffers] = {}
    for node in payers.nodes:
        inputs = [c.buffers for c in node.children if c.buffers is not None and not is_lazy(c)]
        mine = node.buffers or none
        own[node] = mine.less(inputs) if inputs else mine
    for cte, asking in payers.scans.items():
        left = cte.buffers or none
        for scan in asking:
            pulled = left.shared_with(own[scan])
            own[scan], left = own[scan].less([pulled]), left.less([pulled])
        # a Gather in the CTE was shut down by the node that owns it
        if cte.parent is not None and cte.node_type != "ModifyTable" and any(left) and own[cte.parent].covers(left):
            own[cte.parent] = own[cte.parent].less([left])
    for initplan in payers.initplans:
        spent, owner = initplan.buffers, initplan.parent
        if spent is None or owner is None or not any(spent):
            continue
        likely = [charged[initplan]] if initplan in charged else []
        candidates = [*likely, *payers.consumers(initplan), owner]
        payer = next((c for c in candidates if own[c].covers(spent)), candidates[0])
        own[payer] = own[payer].less([spent])
    for node in payers.nodes:
        mine = own[node]
        if node.buffers is not None:
            node.exclusive_buffers = mine if mine is node.buffers else mine.not_negative()
