"""Plan and PlanNode: what EXPLAIN printed, and what follows from it by arithmetic.

Per-loop means (rows, times, rows removed) keep PostgreSQL's name; ``total_`` stands for all loops. Below a
Gather loops count the processes too, so a total of rows is right and a total of time would be a sum over
processes: ``exclusive_time_ms`` and ``total_time_ms`` are wall-clock estimates (see ``exclusive.py``).

Long: what EXPLAIN printed of a step and what follows from it are the words that all checks speak.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from analyzer.errors import BadInput
from analyzer.plans import details
from analyzer.plans.buffers import Buffers

Made = TypeVar("Made")

# Expressions that decide which rows a node keeps or how it finds them.
CONDITION_KEYS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond", "Filter", "Join Filter",
    "One-Time Filter", "Order By", "Run Condition", "Conflict Filter",
)  # fmt: skip

# "Parent Relationship" of what hangs on a node and brings it no rows; InitPlans are printed before its inputs
SUBPLANS = ("InitPlan", "SubPlan")


class PlanError(BadInput):
    """The text is no plan, or a plan that contradicts itself; its text says where, in one sentence."""


def raw_inputs(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of a node as EXPLAIN (FORMAT JSON) has it: those below it whose rows it takes, in their order."""
    return [child for child in node.get("Plans", ()) if child.get("Parent Relationship") not in SUBPLANS]


@dataclass(eq=False, slots=True, repr=False)
class PlanNode:
    """One step of a plan. What plain EXPLAIN, TIMING OFF or a missing BUFFERS leaves out is ``None``."""

    node_type: str  # "Seq Scan"
    raw: Mapping[str, Any]  # this node's JSON without "Plans"
    label: str  # as PostgreSQL's text names it, the same on every run: "Seq Scan on shop_order o"
    depth: int = 0
    parent: "PlanNode | None" = None
    parent_relationship: str | None = None  # Outer, Inner, InitPlan, SubPlan, Subquery, Member
    children: list["PlanNode"] = field(default_factory=list)

    relation_name: str | None = None
    schema: str | None = None  # only with VERBOSE
    alias: str | None = None
    index_name: str | None = None
    join_type: str | None = None
    subplan_name: str | None = None  # "InitPlan 1", "CTE x"
    is_parallel_aware: bool = False

    startup_cost: float | None = None  # planner units, no time
    total_cost: float | None = None
    plan_rows: float | None = None  # estimated, per loop; per process below a Gather
    plan_width_bytes: int | None = None

    loops: int | None = None  # 0: never executed; None: not analyzed
    actual_rows: float | None = None  # mean per loop
    actual_startup_time_ms: float | None = None  # mean per loop; None with TIMING OFF
    actual_total_time_ms: float | None = None  # mean per loop
    rows_removed_by_filter: float | None = None  # mean per loop
    rows_removed_by_join_filter: float | None = None  # mean per loop; pairs of rows
    rows_are_fractional: bool = False  # 18+ prints actual rows with two decimals

    buffers: Buffers | None = None  # of the node and all below, over all loops
    workers: tuple[Mapping[str, Any], ...] = ()  # per worker, with VERBOSE

    plan: "Plan | None" = None  # the plan it belongs to

    # set by exclusive.py
    processes: float = 1.0  # that share this node's loops below a Gather, leader included
    total_time_ms: float | None = None  # wall-clock estimate over all loops, children included
    exclusive_time_ms: float | None = None  # less the children's; may fall below 0 within the error
    exclusive_time_error_ms: float | None = None  # bound of what rounding per loop can hide, either way
    exclusive_buffers: Buffers | None = None
    is_after_root: bool = False  # in a data-modifying CTE nobody reads: run after the root node ended

    @property
    def inputs(self) -> list["PlanNode"]:
        """The children whose rows it takes."""
        return [child for child in self.children if child.parent_relationship not in SUBPLANS]

    @property
    def filter(self) -> str | None:
        return self.expression("Filter")

    @property
    def conditions(self) -> dict[str, str]:
        """Every condition printed, by its name in EXPLAIN: ``{"Index Cond": "(id = 5)"}``."""
        return {key: text for key in CONDITION_KEYS if (text := self.expression(key)) is not None}

    def expression(self, key: str) -> str | None:
        value = self.raw.get(key)
        return value if isinstance(value, str) else None

    @property
    def output(self) -> tuple[str, ...] | None:
        """Its columns, only with VERBOSE."""
        return details.texts(self.raw, "Output")

    @property
    def sort_keys(self) -> tuple[str, ...] | None:
        return details.texts(self.raw, "Sort Key")

    @property
    def group_keys(self) -> tuple[str, ...] | None:
        return details.texts(self.raw, "Group Key")

    @property
    def has_grouping_sets(self) -> bool:
        return "Grouping Sets" in self.raw

    @property
    def strategy(self) -> str | None:
        """Of an Aggregate or SetOp: Plain, Sorted, Hashed, Mixed."""
        return self.expression("Strategy")

    @property
    def sorts(self) -> tuple[details.SortSpace, ...]:
        """One for each process that sorted."""
        return details.sorts(self.raw, self.workers)

    @property
    def hash_table(self) -> details.HashTable | None:
        return details.hash_table(self.raw)

    @property
    def hash_aggregates(self) -> tuple[details.HashAggregate, ...]:
        """One for each process that grouped by hashing."""
        return details.hash_aggregates(self.raw, self.workers)

    @property
    def memoizes(self) -> tuple[details.Memoize, ...]:
        """One for each process' cache."""
        return details.memoizes(self.raw, self.workers)

    @property
    def heap_blocks(self) -> details.HeapBlocks | None:
        return details.heap_blocks(self.raw, self.workers)

    @property
    def wal(self) -> details.Wal | None:
        return details.wal(self.raw)

    @property
    def storage(self) -> details.Storage | None:
        return details.storage(self.raw)

    def count(self, key: str) -> float | None:
        """A number EXPLAIN printed under ``key`` for the node: "Heap Fetches", "Workers Launched"."""
        value = self.raw.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def table(self) -> str | None:
        """schema.table, unquoted; None without a table or its schema (printed only with VERBOSE)."""
        return f"{self.schema}.{self.relation_name}" if self.schema and self.relation_name else None

    @property
    def total_actual_rows(self) -> float | None:
        """Rows given over all loops and processes: the middle of ``total_actual_rows_bounds``."""
        return None if self.actual_rows is None or self.loops is None else self.actual_rows * self.loops

    @property
    def total_actual_rows_bounds(self) -> tuple[float, float] | None:
        """Least and most rows that print so: whole rows per loop up to 17, two decimals from 18."""
        return self._bounds(self.actual_rows, 0.005 if self.rows_are_fractional else 0.5)

    @property
    def total_rows_removed_by_filter(self) -> float | None:
        """Rows read and thrown away by Filter, over all loops; 0 for an executed node without one."""
        return self._removed(self.rows_removed_by_filter)

    @property
    def total_rows_removed_by_filter_bounds(self) -> tuple[float, float] | None:
        """As for rows; whole rows per loop in every version."""
        return self._removed_bounds(self.rows_removed_by_filter)

    @property
    def total_rows_removed_by_join_filter(self) -> float | None:
        """Pairs of rows thrown away by Join Filter, over all loops; 0 for an executed node without one."""
        return self._removed(self.rows_removed_by_join_filter)

    @property
    def total_rows_removed_by_join_filter_bounds(self) -> tuple[float, float] | None:
        return self._removed_bounds(self.rows_removed_by_join_filter)

    @property
    def total_rows_removed_by_index_recheck(self) -> float | None:
        """Rows a bitmap's or a lossy index's entries led to and Recheck threw away, over all loops; 0 without."""
        return self._removed(self.count("Rows Removed by Index Recheck"))

    @property
    def total_rows_scanned(self) -> float | None:
        """Rows a scan looked at over all loops: given, and thrown away by Filter and Recheck."""
        given, filtered = self.total_actual_rows, self.total_rows_removed_by_filter
        rechecked = self.total_rows_removed_by_index_recheck
        return None if given is None or filtered is None or rechecked is None else given + filtered + rechecked

    @property
    def total_rows_scanned_bounds(self) -> tuple[float, float] | None:
        """Least and most rows looked at that print so."""
        given, filtered = self.total_actual_rows_bounds, self.total_rows_removed_by_filter_bounds
        rechecked = self._removed_bounds(self.count("Rows Removed by Index Recheck"))
        if given is None or filtered is None or rechecked is None:
            return None
        return given[0] + filtered[0] + rechecked[0], given[1] + filtered[1] + rechecked[1]

    @property
    def touched_blocks(self) -> int | None:
        """Accesses to blocks of tables and indexes by this node itself, shared and local; None without BUFFERS."""
        return self.exclusive_buffers.touched_blocks if self.exclusive_buffers is not None else None

    def _removed(self, mean: float | None) -> float | None:
        return None if self.loops is None or self.actual_rows is None else (mean or 0) * self.loops

    def _removed_bounds(self, mean: float | None) -> tuple[float, float] | None:
        if self.loops is None or self.actual_rows is None:
            return None
        return (0.0, 0.0) if mean is None else self._bounds(mean, 0.5)

    def _bounds(self, mean: float | None, error: float) -> tuple[float, float] | None:
        if mean is None or self.loops is None:
            return None
        if self.loops <= 1:  # a mean of one is exact
            return (mean * self.loops, mean * self.loops)
        return (max(0.0, mean - error) * self.loops, (mean + error) * self.loops)

    @property
    def estimate_factor(self) -> float | None:
        """How far actual rows per loop lie from ``plan_rows``, 1 or more; see ``estimate_direction``."""
        if self.plan_rows is None or self.actual_rows is None or not self.loops:
            return None
        planned, actual = max(self.plan_rows, 1.0), max(self.actual_rows, 1.0)
        return max(planned / actual, actual / planned)

    @property
    def estimate_direction(self) -> str | None:
        """``under``: more rows came than planned; ``over``: fewer; None: as planned, or unknown."""
        if self.estimate_factor is None or self.estimate_factor == 1:
            return None
        if self.plan_rows is None or self.actual_rows is None:
            return None
        return "under" if self.actual_rows > self.plan_rows else "over"

    def ancestors(self) -> Iterator["PlanNode"]:
        """From the parent up to the root."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator["PlanNode"]:
        """This node and all below, pre-order as EXPLAIN prints them; no recursion: plans can be deep."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def __repr__(self) -> str:
        return f"<PlanNode {self.label}>"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger's share over all calls; a BEFORE trigger's time is inside ModifyTable too, an AFTER's not."""

    name: str
    relation: str | None
    constraint_name: str | None  # set for foreign keys, which are always AFTER
    calls: int
    time_ms: float | None


@dataclass(eq=False, repr=False)
class Plan:
    """One plan; iterating gives its nodes in pre-order."""

    root: PlanNode
    raw: Mapping[str, Any]  # what stands beside "Plan"
    planning_time_ms: float | None = None
    execution_time_ms: float | None = None
    planning_buffers: Buffers | None = None
    triggers: tuple[Trigger, ...] = ()
    jit: Mapping[str, Any] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    query_id: str | None = None  # signed 64 bit, as text: it does not fit JavaScript's numbers
    serialization_time_ms: float | None = None  # 17+ with SERIALIZE
    after_root_time_ms: float | None = None  # exclusive times that lie outside the root node
    _made: dict[Callable[["Plan"], Any], Any] = field(default_factory=dict, init=False)

    @cached_property
    def nodes(self) -> tuple[PlanNode, ...]:
        return tuple(self.root.walk())

    def __iter__(self) -> Iterator[PlanNode]:
        return iter(self.nodes)

    @cached_property
    def places(self) -> dict[int, tuple[str, int]]:
        """By id() of a node: where it is ("0.1": the second input of the root's first), and which one of its label."""
        places: dict[int, str] = {id(self.root): ""}
        seen: Counter[str] = Counter()
        found: dict[int, tuple[str, int]] = {}
        for node in self.nodes:
            seen[node.label] += 1
            above = places[id(node)]
            found[id(node)] = above, seen[node.label]
            for number, child in enumerate(node.children):
                places[id(child)] = f"{above}.{number}" if above else str(number)
        return found

    @property
    def is_analyzed(self) -> bool:
        """EXPLAIN ANALYZE: the statement ran, rows and loops are known (times too, unless TIMING OFF)."""
        return self.root.loops is not None

    @property
    def query_text(self) -> str | None:
        """The statement that auto_explain logged beside the plan."""
        text = self.raw.get("Query Text")
        return text if isinstance(text, str) else None

    @property
    def has_timing(self) -> bool:
        return self.root.actual_total_time_ms is not None

    def once(self, make: Callable[["Plan"], Made]) -> Made:
        """What ``make`` makes of this plan, made at the first call."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    @property
    def is_time_logged(self) -> bool:
        """``execution_time_ms`` is auto_explain's duration: what it took to send the rows is in it, too."""
        return self.execution_time_ms is not None and self.raw.keys().isdisjoint(("Execution Time", "Total Runtime"))

    def __repr__(self) -> str:
        return f"<Plan {self.root.label}, {len(self.nodes)} nodes>"
