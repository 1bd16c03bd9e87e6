"""What a plan touches and computes: a second measure beside its cost, for data that lies in memory.

The planner prices the repeated inner scans of a nested loop as if nearly all their pages were at hand for nothing:
it reckons what is read from disk (costsize.c, index_pages_fetched() with loop_count and effective_cache_size). In
memory each row of another page still has to be fetched, which takes as long as some hundred operators. So the pages
are counted here again, without any cache, from what EXPLAIN prints; what is left of a step's cost is its computing.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from analyzer.plans.node import raw_inputs
from analyzer.plans.page_costs import PageCosts

Node = Mapping[str, Any]
SCANS_BY_INDEX = ("Index Scan", "Index Only Scan")
KEEPS_ROWS = ("Materialize", "Hash", "Sort", "CTE Scan", "Aggregate")  # read once, however often they are asked again
OPERATORS = (" AND ", " OR ")
# Of a row's cost, fitted with PROBE to the times of TPC-H's queries in memory, without indexes and with a set of 19.
BY_INDEX = 1.5
# Of the planner's units, beyond its price, for a row that asks a hash table which lies outside of the processor's
# caches. Measured on TPC-H, PostgreSQL 15: 0.2 microseconds in a table of 0.5 MB, 0.3 in 2.3 MB, 0.5 in 9 MB.
PROBE = 0.04
CACHED_BYTES, UNCACHED_BYTES = 250_000, 8_000_000
HASHED_ROW_BYTES = 32  # nodeHash.c: headers of HashJoinTuple and MinimalTuple
_EQUAL = re.compile(r'\((?:"?[\w$]+"?\.)?"?([\w$]+)"?\)?(?:::[\w ]+)? = ')


@dataclass(frozen=True, slots=True)
class RelationSize:
    """``table_pages``: of the table that an index is on; ``distinct``: its columns in order, each with its number of
    values (None: not known). ``correlation``: how far reading the index on from some place follows the order of the
    table's rows, 0 to 1; ``planned_correlation``: what the planner takes for it."""

    pages: float
    rows: float
    table_pages: float = 0.0
    correlation: float = 0.0
    planned_correlation: float = 0.0
    distinct: tuple[tuple[str | None, float | None], ...] = ()


JOINED = "Rows Joined / Rows"  # noted with an inner scan, see _joined()
FEW_VALUES = 100  # judgement: each then has so many rows that what follows within one value decides


def heap_order(columns: Sequence[tuple[float | None, float | None]], rows: float) -> float:
    """``correlation`` of an index on columns of which the distinct values and the correlation are known.

    Equal keys lie in the order of the table's rows, so a column of few values is followed by what the next one says.
    """
    for distinct, correlation in columns:
        if distinct is None or distinct > min(FEW_VALUES, rows / FEW_VALUES):
            return abs(correlation or 0.0)
    return 1.0 if columns else 0.0


class RelationSizes(Protocol):
    def table(self, node: Node) -> RelationSize | None: ...

    def index(self, name: str, node: Node) -> RelationSize | None: ...


@dataclass(frozen=True, slots=True)
class PlanWork:
    """``computing`` in the planner's units; pages as often as they are touched."""

    computing: float = 0.0
    scattered_pages: float = 0.0  # each somewhere else than the one before
    ordered_pages: float = 0.0  # one after the other
    look_ups: float = 0.0  # descents of an index

    def times(self, factor: float) -> "PlanWork":
        return PlanWork(
            self.computing * factor, self.scattered_pages * factor, self.ordered_pages * factor, self.look_ups * factor
        )

    def plus(self, other: "PlanWork") -> "PlanWork":
        return PlanWork(
            self.computing + other.computing,
            self.scattered_pages + other.scattered_pages,
            self.ordered_pages + other.ordered_pages,
            self.look_ups + other.look_ups,
        )


@dataclass(frozen=True, slots=True)
class WorkWeights:
    """What a page takes beside a planner's unit of computing.

    Measured on TPC-H at scale 1 in memory (PostgreSQL 15): 4 to 10 microseconds for a unit in most of its queries, 1.1
    and 1.9 for a scattered page in queries 07 and 05; a page in order is near the last one and mostly at hand.
    """

    scattered_page: float = 0.3
    ordered_page: float = 0.1

    def time(self, work: PlanWork) -> float:
        """In the planner's units, of data that lies in memory."""
        return work.computing + self.scattered_page * work.scattered_pages + self.ordered_page * work.ordered_pages


def work_of(top: Node, sizes: RelationSizes, costs: PageCosts) -> PlanWork:
    """Of one execution of the plan that EXPLAIN (FORMAT JSON) printed, by its estimates."""
    return _Reader(sizes, costs).work(top, 1.0)


@dataclass(slots=True)
class _Reader:
    sizes: RelationSizes
    costs: PageCosts

    def work(self, node: Node, loops: float) -> PlanWork:
        """Of one loop, all below included; ``loops``: how often it runs, by which the planner spreads its pages."""
        kind, children = node["Node Type"], list(node.get("Plans", ()))
        sub_plans = [c for c in children if "Subplan Name" in c]
        inputs = raw_inputs(node)
        if kind == "Nested Loop" and len(inputs) == 2:
            return self._nested_loop(node, inputs[0], inputs[1], sub_plans, loops)
        if kind == "Bitmap Heap Scan":
            own = self._bitmap_scan(node)
            return own.plus(self._below(node, sub_plans, loops, own.computing))
        if kind == "Seq Scan":
            own = self._seq_scan(node)
        elif kind in SCANS_BY_INDEX:
            own = self._index_scan(node, loops)
        else:
            below = sum(c["Total Cost"] for c in children)
            own = PlanWork(max(0.0, node["Total Cost"] - below) + (_probing(*inputs) if kind == "Hash Join" else 0.0))
        return own.plus(self._below(node, children, loops, own.computing))

    def _below(self, node: Node, children: list[Node], loops: float, own: float) -> PlanWork:
        """The children's; a step that costs less than they do (LIMIT, a merge that ends early) reads a part of them."""
        total = PlanWork()
        read = sum(c["Total Cost"] for c in children if "Subplan Name" not in c)
        share = min(1.0, node["Total Cost"] / read) if read > 0 else 1.0
        for child in children:
            if "Subplan Name" not in child:
                total = total.plus(self.work(child, loops).times(share))
            elif child.get("Parent Relationship") == "InitPlan":
                total = total.plus(self.work(child, loops))
            else:
                total = total.plus(self._sub_plan(node, child, own))
        return total

    def _sub_plan(self, node: Node, child: Node, own: float) -> PlanWork:
        """A correlated one runs for each row; its cost is in its step's, which tells how often."""
        cost = max(child["Total Cost"], self.costs.cpu_tuple)
        times = max(1.0, own / cost)
        if f"hashed {child.get('Subplan Name')}" in str(node.get("Filter", "")):
            times = 1.0
        one = self.work(child, times)
        return replace(one.times(times), computing=0.0)

    def _nested_loop(self, node: Node, outer: Node, inner: Node, sub_plans: list[Node], loops: float) -> PlanWork:
        rows = max(1.0, outer["Plan Rows"])
        inner = _joined(node, inner, rows)
        pairs = rows * max(1.0, inner["Plan Rows"])
        own = PlanWork(pairs * self.costs.cpu_tuple)
        total = own.plus(self.work(outer, loops))
        if inner["Node Type"] == "Memoize" and inner.get("Plans"):
            below = inner["Plans"][0]
            asked = self._share_missed(node, outer, below) * rows
            total = total.plus(PlanWork(rows * 10 * self.costs.cpu_operator))
            total = total.plus(self.work(below, asked * loops).times(asked))
        elif inner["Node Type"] in KEEPS_ROWS:
            total = total.plus(self.work(inner, loops)).plus(PlanWork(pairs * self.costs.cpu_operator))
        else:
            total = total.plus(self.work(inner, rows * loops).times(rows))
        for child in sub_plans:
            total = total.plus(self.work(child, loops))
        return total

    def _share_missed(self, node: Node, outer: Node, below: Node) -> float:
        """Of its look-ups, by what the planner reckons that they cost."""
        rows = max(1.0, outer["Plan Rows"])
        spent = node["Total Cost"] - outer["Total Cost"] - max(1.0, node["Plan Rows"]) * self.costs.cpu_tuple
        each = max(below["Total Cost"], self.costs.cpu_tuple)
        return float(min(1.0, max(spent / (rows * each), 1 / rows)))

    # scans

    def _seq_scan(self, node: Node) -> PlanWork:
        size = self.sizes.table(node)
        if size is None:
            return PlanWork(node["Total Cost"])
        return PlanWork(max(0.0, node["Total Cost"] - size.pages * self.costs.seq_page), 0.0, size.pages)

    def _bitmap_scan(self, node: Node) -> PlanWork:
        """Pages in their order, some left out; the rows are those of the bitmap below."""
        size = self.sizes.table(node)
        rows, work = 0.0, PlanWork()
        for index in _bitmap_indexes(node):
            known = self.sizes.index(index["Index Name"], index)
            share = index["Plan Rows"] / max(1.0, known.rows) if known else 0.0
            leaves = share * known.pages if known else 0.0
            work = work.plus(PlanWork(index["Plan Rows"] * self.costs.cpu_index_tuple, 0.0, leaves, 1.0))
            rows = max(rows, index["Plan Rows"]) if rows else index["Plan Rows"]
        pages = size.pages if size else rows
        fetched = pages * -math.expm1(-rows / pages) if pages else 0.0
        is_dense = pages > 0 and fetched > pages / 2
        computing = rows * (self.costs.cpu_tuple + _operators(node, "Recheck Cond", "Filter") * self.costs.cpu_operator)
        return work.plus(PlanWork(computing, 0.0 if is_dense else fetched, fetched if is_dense else 0.0))

    def _index_scan(self, node: Node, loops: float) -> PlanWork:
        known = self.sizes.index(node["Index Name"], node)
        if known is None:
            return PlanWork(node["Total Cost"], max(1.0, node["Plan Rows"]))
        only = node["Node Type"] == "Index Only Scan"
        rows = max(1.0, node["Plan Rows"])
        if "Filter" in node:
            equal = _rows_of_equal(node, known, node.get(JOINED, 1.0))
            rows = max(rows, self._rows_fetched(node, known, loops, only) if equal is None else equal)
        leaves = max(0.0, rows / max(1.0, known.rows) * known.pages - 1)
        computing = self._computing(node, rows, known, BY_INDEX)
        if only:
            return PlanWork(computing, 0.0, leaves, 1.0)
        ordered = rows / max(1.0, known.rows) * known.table_pages
        square = known.correlation**2
        scattered = min(rows, self._distinct(rows, known)) * (1 - square)
        return PlanWork(computing, scattered, leaves + square * ordered, 1.0)

    def _distinct(self, rows: float, known: RelationSize) -> float:
        """Rows of one value lie in the index as they lie in the table: two on one page are one touch."""
        return known.table_pages * -math.expm1(-rows / known.table_pages) if known.table_pages else rows

    def _computing(self, node: Node, rows: float, known: RelationSize, by_index: float = 1.0) -> float:
        """``by_index``: how much dearer a row is than the planner says."""
        costs = self.costs
        keys = _operators(node, "Index Cond")
        descent = costs.cpu_operator * (math.log2(max(2.0, known.rows)) + 50 * (self._height(known) + 1))
        each = costs.cpu_index_tuple + keys * costs.cpu_operator
        each += costs.cpu_tuple + _operators(node, "Filter") * costs.cpu_operator
        return descent + rows * each * by_index

    def _height(self, known: RelationSize | None) -> float:
        return max(0.0, math.ceil(math.log(max(1.0, known.pages), 250))) if known else 1.0

    def _rows_fetched(self, node: Node, known: RelationSize, loops: float, only: bool) -> float:
        """Rows found by the index before its filter: as many as the planner's price is for, sought by halves."""
        low, high = 1.0, max(2.0, known.rows)
        for _ in range(40):
            middle = math.sqrt(low * high)
            if self._price(node, middle, known, loops, only) < node["Total Cost"]:
                low = middle
            else:
                high = middle
        return high

    def _price(self, node: Node, rows: float, known: RelationSize, loops: float, only: bool) -> float:
        """As cost_index() does."""
        share = rows / max(1.0, known.rows)
        price = self._computing(node, rows, known)
        price += math.ceil(share * known.pages) * self.costs.random_page / (loops if loops > 1 else 1)
        if only:
            return price
        pages = known.table_pages
        most = self._fetched(rows * loops, pages) / loops * self.costs.random_page
        least = self._fetched(share * pages * loops, pages) / loops * self.costs.random_page
        if loops <= 1:
            least = self.costs.random_page + max(0.0, math.ceil(share * pages) - 1) * self.costs.seq_page
        return price + most + known.planned_correlation**2 * (least - most)

    def _fetched(self, rows: float, pages: float) -> float:
        """index_pages_fetched(), Mackert and Lohman's formula."""
        pages, cache = max(1.0, pages), max(1.0, self.costs.cache_pages)
        if pages <= cache:
            return min(2 * pages * rows / (2 * pages + rows), pages)
        limit = 2 * pages * cache / (2 * pages - cache)
        if rows <= limit:
            return 2 * pages * rows / (2 * pages + rows)
        return cache + (rows - limit) * (pages - cache) / pages


def _probing(outer: Node, inner: Node) -> float:
    table_bytes = max(1.0, inner["Plan Rows"] * (inner.get("Plan Width", 0) + HASHED_ROW_BYTES))
    share = math.log(table_bytes / CACHED_BYTES) / math.log(UNCACHED_BYTES / CACHED_BYTES)
    return float(outer["Plan Rows"] * PROBE * min(1.0, max(0.0, share)))


def _joined(node: Node, inner: Node, loops: float) -> Node:
    """The inner scan with no more rows a loop than the join has: a key's join is estimated closer than a look-up, which
    goes by the number of values that ANALYZE saw."""
    if node.get("Join Type", "Inner") != "Inner" or "Join Filter" in node or inner["Node Type"] not in SCANS_BY_INDEX:
        return inner
    rows = max(1.0, inner["Plan Rows"])
    share = min(1.0, node["Plan Rows"] / loops / rows)
    return {**inner, "Plan Rows": max(1.0, rows * share), JOINED: share}


def _bitmap_indexes(node: Node) -> Iterator[Node]:
    for child in node.get("Plans", ()):
        if child["Node Type"] == "Bitmap Index Scan":
            yield child
        elif child["Node Type"] in ("BitmapAnd", "BitmapOr"):
            yield from _bitmap_indexes(child)


def _rows_of_equal(node: Node, known: RelationSize, share: float) -> float | None:
    """How many rows the index finds by equality of its first columns; None where another condition decides."""
    condition = str(node.get("Index Cond", ""))
    compared = set(_EQUAL.findall(condition))
    rows, left = known.rows, condition.count(" AND ") + 1
    for name, distinct in known.distinct:
        if name not in compared or not distinct:
            break
        rows, left = rows / distinct, left - 1
    return max(1.0, rows * share) if left == 0 else None


def _operators(node: Node, *keys: str) -> int:
    """Conditions, about."""
    texts = [str(node[key]) for key in keys if key in node]
    return sum(1 + sum(text.count(word) for word in OPERATORS) for text in texts)
