"""Where the planner's rows and the rows that came part company, and which nodes suffer from it.

A wrong estimate is passed on: a join of wrong inputs is wrong too. So a misestimate is told of the lowest node that is
wrong while what it reads is right; the nodes above that are wrong in the same direction are its consequences. Rows are
compared per loop, as both are printed; below a Gather that is per process. Where EXPLAIN rounds (whole rows per loop
up to 17) the end that speaks for the planner counts. What was not read to its end says nothing (``cut_short.py``).

Long: what is wrong, what follows from that and who suffers is told of the same nodes by the same measure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analyzer.plans.cut_short import Comparable, comparable, readers
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.parallel import is_shared
from analyzer.plans.payers import GATHERS, is_cte, is_lazy, subplan_users_of, without_subqueries_ms

WRONG_FACTOR = 10.0  # below it plans seldom change: the factor that explain.depesz.com and PEV2 mark
RIGHT_FACTOR = 3.0  # inputs within it do not explain a node that is wrong
WRONG_ROWS = 100.0  # over all loops, planned or actual: fewer cost nothing either way

Direction = Literal["under", "over"]
# They give the rows of their input: where one is wrong and its input is not, the figures do not mean what they seem to.
PASS_ON = frozenset(
    ("Sort", "Incremental Sort", "Hash", "Materialize", "Gather", "Gather Merge", "Limit", "LockRows", "Append",
     "Merge Append", "ModifyTable", "BitmapAnd", "BitmapOr", "WindowAgg", "WorkTable Scan")
)  # fmt: skip
PASS_ON_WITHOUT_FILTER = frozenset(("Subquery Scan", "CTE Scan", "Result"))
SAME_ROWS = frozenset(("Sort", "Incremental Sort", "Hash", "Materialize"))  # read once, whole: their inputs' rows

SufferingKind = Literal[
    "inner_runs",  # a Nested Loop that runs its inner side once for each row of an outer side that has more
    "hash_batches",  # a Hash whose rows did not fit into memory
    "hash_on_larger_side",  # a Hash Join that put the larger input into memory
    "sort_on_disk",
    "aggregate_on_disk",  # a hashed Aggregate with more groups or more rows than planned
    "memoize_evictions",
]
LARGER_SIDE_FACTOR = 5.0  # judgement: below it building and probing cost about the same
LARGER_SIDE_ROWS = 10_000.0  # a smaller hash table takes under a millisecond to build


@dataclass(frozen=True, slots=True)
class Estimate:
    """A node's rows as planned and as they came, per loop (per process below a Gather); ``factor`` is 1 or more."""

    planned_rows: float
    actual_rows: float
    factor: float  # of the figures as printed
    least_factor: float  # of the actual rows that print so and lie nearest to the planned ones
    direction: Direction | None  # under: more rows came than planned; None: as planned


@dataclass(frozen=True, slots=True)
class AffectedNode:
    """A node that would have been planned otherwise; ``time_ms`` is what it cost, None without times."""

    node: PlanNode
    kind: SufferingKind
    planned: float | None  # what the planner took for it: runs of the inner side, rows into the hash, sort, groups
    actual: float
    time_ms: float | None  # of ``inner_runs`` all runs of the inner side, else the node's own (with its Hash Join's)


@dataclass(frozen=True, slots=True)
class Misestimate:
    """``node`` is the lowest that is wrong by ten times or more; what it reads is not."""

    node: PlanNode
    estimate: Estimate
    inputs_factor: float  # how wrong the worst of its inputs is in any direction; 1 without inputs
    consequences: tuple[PlanNode, ...]  # wrong by ten times or more in the same direction, the nearest first
    sufferers: tuple[AffectedNode, ...]  # the costliest first

    @property
    def factor(self) -> float:
        return self.estimate.factor

    @property
    def direction(self) -> Direction:
        return "under" if self.estimate.direction == "under" else "over"

    @property
    def table_node(self) -> PlanNode:
        """The node that names the table: of a Bitmap Index Scan the Bitmap Heap Scan above it, else ``node``."""
        heaps = (a for a in self.node.ancestors() if a.node_type == "Bitmap Heap Scan")
        return next(heaps, self.node) if self.node.node_type == "Bitmap Index Scan" else self.node


def estimate_of(node: PlanNode) -> Estimate | None:
    """What is printed, comparable or not; None without estimate (COSTS OFF), without ANALYZE, or never executed.

    Where a Gather had fewer workers than planned, each process got more rows: nobody erred, and it is taken off.
    """
    child = node
    for above in node.ancestors():
        if above.node_type in GATHERS and not is_lazy(child):
            return _estimate_below(node, above)
        child = above
    return _estimate_below(node, None)


def _estimate_below(node: PlanNode, gather: PlanNode | None) -> Estimate | None:
    if node.node_type == "BitmapOr":
        return _of_bitmap_or(node)
    bounds = node.total_actual_rows_bounds
    if node.plan_rows is None or node.actual_rows is None or bounds is None or not node.loops:
        return None
    scale = _processes_ratio(node, gather) if gather is not None else 1.0
    least, most = (bound / node.loops * scale for bound in bounds)
    return _estimate(node.plan_rows, node.actual_rows * scale, least, most)


def _estimate(planned: float, actual: float, least: float, most: float) -> Estimate:
    """The planner says 1 for "hardly any": neither that nor less than one row counts as an error."""
    planned_or_1, actual_or_1 = max(planned, 1.0), max(actual, 1.0)
    nearest = max(1.0, min(max(planned_or_1, least), most))
    return Estimate(
        planned_rows=planned,
        actual_rows=actual,
        factor=max(planned_or_1 / actual_or_1, actual_or_1 / planned_or_1),
        least_factor=max(planned_or_1 / nearest, nearest / planned_or_1),
        direction=None if planned_or_1 == actual_or_1 else "under" if actual_or_1 > planned_or_1 else "over",
    )


def _of_bitmap_or(node: PlanNode) -> Estimate | None:
    """EXPLAIN counts no rows for it: at most those of its arms came."""
    arms = [estimate_of(child) for child in node.children if not is_lazy(child)]
    known = [arm for arm in arms if arm is not None]
    if not known or len(known) < len(arms) or node.plan_rows is None:
        return None
    actual = sum(arm.actual_rows for arm in known)
    return _estimate(sum(arm.planned_rows for arm in known), actual, actual, actual)


def _processes_ratio(node: PlanNode, gather: PlanNode) -> float:
    """Below 1 where fewer processes than planned shared a partial node's rows: each got more, and nobody erred."""
    planned = gather.count("Workers Planned")
    processes = (node.loops or 0) / (gather.loops or 1)
    if not planned or processes >= planned or not is_shared(node):
        return 1.0
    leader = max(0.0, 1.0 - 0.3 * planned)  # get_parallel_divisor(): the leader has its workers' rows to read
    return processes / (planned + leader)


def misestimates(
    plan: Plan, *, wrong_factor: float = WRONG_FACTOR, wrong_rows: float = WRONG_ROWS
) -> tuple[Misestimate, ...]:
    """Every place where an error of ``wrong_factor`` or more begins, in the plan's order; () without ANALYZE."""
    if not plan.is_analyzed:
        return ()
    judged = _Judged(plan, wrong_factor)
    return tuple(
        Misestimate(
            node=node,
            estimate=estimate,
            inputs_factor=inputs_factor,
            consequences=consequences,
            sufferers=tuple(sorted(_sufferers((node, *consequences)), key=lambda s: -(s.time_ms or 0.0)))
            if estimate.direction == "under"
            else tuple(_larger_sides((node, *consequences))),
        )
        for node in plan
        if (estimate := judged.wrong(node)) is not None
        and max(estimate.planned_rows, estimate.actual_rows) * (node.loops or 0) >= wrong_rows
        and (inputs_factor := judged.inputs_factor(node)) is not None
        for consequences in [judged.consequences(node)]
    )


class _Judged:
    """A plan's estimates, and which of them can be held against the planner."""

    def __init__(self, plan: Plan, wrong_factor: float) -> None:
        self.wrong_factor = wrong_factor
        payers = subplan_users_of(plan)
        self.scans = payers.scans
        self.comparable: Comparable = comparable(plan)
        self.definitions = {scan: cte for cte, scans in self.scans.items() for scan in scans}
        self.gathers = dict(zip(plan, payers.gathers, strict=True))
        self._estimates: dict[PlanNode, Estimate | None] = {}

    def estimate(self, node: PlanNode) -> Estimate | None:
        if node not in self._estimates:
            self._estimates[node] = _estimate_below(node, self.gathers[node])
        return self._estimates[node]

    def wrong(self, node: PlanNode) -> Estimate | None:
        if self._is_near(node):
            return None
        estimate = self.estimate(node)
        return estimate if estimate and self._factor(node) >= self.wrong_factor else None

    def _is_near(self, node: PlanNode) -> bool:
        """Of most nodes that is seen at once; False says nothing."""
        planned, actual = node.plan_rows, node.actual_rows
        if planned is None or actual is None or self.gathers[node] is not None or node.node_type == "BitmapOr":
            return False
        planned, actual = max(planned, 1.0), max(actual, 1.0)
        return planned < actual * self.wrong_factor and actual < planned * self.wrong_factor

    def _factor(self, node: PlanNode) -> float:
        """The least that can be said; 1 when the node's rows do not tell."""
        estimate = self.estimate(node)
        if estimate is None or estimate.direction is None:
            return 1.0
        return estimate.least_factor if self._tells(node, estimate.direction) else 1.0

    def _tells(self, node: PlanNode, direction: Direction) -> bool:
        if node.node_type == "BitmapOr":
            return True  # by its arms
        if direction == "under" and _has_dead_entries(node):
            return False
        tells = self.comparable.may_be_under if direction == "under" else self.comparable.may_be_over
        return tells(node)

    def inputs_factor(self, node: PlanNode) -> float | None:
        """Of the worst input; None when an error of ``node`` would not be its own."""
        is_filter = node.filter is not None
        if node.node_type in PASS_ON or (node.node_type in PASS_ON_WITHOUT_FILTER and not is_filter):
            return None
        inputs = list(self._inputs(node))
        estimate = self.estimate(node)
        if estimate is not None and estimate.direction == "over" and any(self._is_empty(i) for i in inputs):
            return None  # none of no rows: the planner never plans fewer than one
        worst = max(map(self._factor, inputs), default=1.0)
        return None if worst >= self.wrong_factor else worst

    def _is_empty(self, node: PlanNode) -> bool:
        return node.node_type not in ("BitmapAnd", "BitmapOr") and not (node.loops and node.actual_rows)

    def _inputs(self, node: PlanNode) -> Iterator[PlanNode]:
        """What it reads rows of, as they were before being sorted, hashed or kept."""
        if node in self.definitions:
            yield from self._as_read(self.definitions[node])
        for child in node.children:
            if not is_lazy(child) and child.parent_relationship != "SubPlan":
                yield from self._as_read(child)

    def _as_read(self, node: PlanNode) -> Iterator[PlanNode]:
        while node.node_type in SAME_ROWS or node.node_type == "BitmapAnd":
            below = [c for c in node.children if not is_lazy(c) and c.parent_relationship != "SubPlan"]
            if not below:
                break
            for other in below[1:]:
                yield from self._as_read(other)
            node = below[0]
        yield node

    def consequences(self, start: PlanNode) -> tuple[PlanNode, ...]:
        """Upwards while the nodes are wrong in the same direction, or do not tell."""
        estimate = self.estimate(start)
        sufferers: dict[PlanNode, None] = {}
        waiting, seen = list(readers(start, self.scans)), {start}
        while waiting:
            node = waiting.pop(0)
            above = self.estimate(node)
            if node in seen or (above is not None and self._ends(node, above, estimate)):
                continue
            seen.add(node)
            if above is not None and self._factor(node) >= self.wrong_factor:
                sufferers[node] = None
            waiting += readers(node, self.scans)
        return tuple(sufferers)

    def _ends(self, node: PlanNode, above: Estimate, below: Estimate | None) -> bool:
        tells = self._tells(node, "over") and self._tells(node, "under")
        same = below is not None and above.direction == below.direction
        return tells and (above.least_factor <= RIGHT_FACTOR or not same)


def _has_dead_entries(node: PlanNode) -> bool:
    """A Bitmap Index Scan that counts entries of rows which its heap scan did not find: deleted, or changed since."""
    heap = node.parent
    if node.node_type != "Bitmap Index Scan" or heap is None or heap.node_type != "Bitmap Heap Scan":
        return False
    entries, visible = node.total_actual_rows_bounds, heap.total_rows_scanned_bounds
    return entries is not None and visible is not None and visible[1] * 2 < entries[0]


def _sufferers(wrong: tuple[PlanNode, ...]) -> Iterator[AffectedNode]:
    """Of nodes with more rows than planned."""
    for node in wrong:
        parent = node.parent
        rows = node.total_actual_rows or 0.0
        if parent is not None and parent.node_type == "Nested Loop" and node.parent_relationship == "Outer":
            yield from _inner_side(parent, node, rows)
        own = _own_ms(node)
        if any(sort.is_on_disk for sort in node.sorts):
            yield AffectedNode(node, "sort_on_disk", node.plan_rows, rows, own)
        table = node.hash_table
        if table is not None and table.batches > 1:
            join = _own_ms(parent) if parent is not None else None
            yield AffectedNode(node, "hash_batches", node.plan_rows, rows, None if own is None else own + (join or 0.0))
        if any(groups.batches > 1 or groups.disk_bytes for groups in node.hash_aggregates):
            yield AffectedNode(node, "aggregate_on_disk", node.plan_rows, rows, own)
    yield from _larger_sides(wrong)


def _inner_side(loop: PlanNode, outer: PlanNode, rows: float) -> Iterator[AffectedNode]:
    inner = next((c for c in loop.children if c.parent_relationship == "Inner"), None)
    if inner is None or not inner.loops or inner.loops < WRONG_FACTOR:
        return
    yield AffectedNode(loop, "inner_runs", outer.plan_rows, rows, without_subqueries_ms(inner))
    evictions = sum(cache.evictions for cache in inner.memoizes)
    if evictions:
        yield AffectedNode(inner, "memoize_evictions", outer.plan_rows, rows, inner.total_time_ms)


def _larger_sides(wrong: tuple[PlanNode, ...]) -> Iterator[AffectedNode]:
    """Hash Joins that hash the larger input because it was taken for the smaller one."""
    joins = dict.fromkeys(
        join
        for node in wrong
        for join in ([node.parent] if node.parent is not None and not is_cte(node) else [])
        if join.node_type == "Hash Join"
    )
    for join in joins:
        outer = next((c for c in join.children if c.parent_relationship == "Outer"), None)
        inner = next((c for c in join.children if c.parent_relationship == "Inner"), None)
        if outer is None or inner is None or outer.plan_rows is None or inner.plan_rows is None:
            continue
        probed, hashed = outer.total_actual_rows or 0.0, inner.total_actual_rows or 0.0
        was_smaller = inner.plan_rows <= outer.plan_rows
        if was_smaller and hashed >= LARGER_SIDE_ROWS and hashed >= probed * LARGER_SIDE_FACTOR:
            own, hash_own = _own_ms(join), _own_ms(inner)
            time_ms = None if own is None or hash_own is None else own + hash_own
            yield AffectedNode(inner, "hash_on_larger_side", inner.plan_rows, hashed, time_ms)


def _own_ms(node: PlanNode) -> float | None:
    return None if node.exclusive_time_ms is None else max(0.0, node.exclusive_time_ms)
