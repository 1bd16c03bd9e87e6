"""What a sequential scan read and kept, over all loops, processes and partitions."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzer.plans.exclusive import MOST_ERROR_RATIO
from analyzer.plans.labels import GENERATED_SUFFIX
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.parallel import runs_of
from analyzer.schema.facts import SchemaFacts, TableFacts


@dataclass(frozen=True, slots=True)
class Scanned:
    """Rows over all loops; EXPLAIN rounds them per loop, so ``least_read`` and ``most_kept`` are the safe ends."""

    read: float
    least_read: float
    kept: float
    most_kept: float
    runs: float  # loops, but processes that share a run count once
    time_ms: float | None  # wall-clock, with what comparing the rows in the join took
    time_error_ms: float
    condition: str | None

    @property
    def certain_time_ms(self) -> float | None:
        """None when rounding hides it."""
        if not self.time_ms or self.time_ms < 0 or self.time_error_ms > self.time_ms * MOST_ERROR_RATIO:
            return None
        return self.time_ms

    def keeps_few(self, rows_read: float, kept_ratio: float) -> bool:
        """Of ``rows_read`` or more no larger share; judged on the ends that speak for the scan."""
        return self.least_read >= rows_read and self.most_kept <= self.least_read * kept_ratio


def scanned(node: PlanNode, *, join_runs: float) -> Scanned | None:
    """None when the node never ran. From ``join_runs`` on, a nested loop's join filter counts as the scan's own."""
    rows, bounds = node.total_actual_rows, node.total_actual_rows_bounds
    removed, removed_bounds = node.total_rows_removed_by_filter, node.total_rows_removed_by_filter_bounds
    if not node.loops or rows is None or removed is None or bounds is None or removed_bounds is None:
        return None
    runs = runs_of(node)
    join = _join_that_filters(node) if runs >= join_runs else None
    discarded, least_discarded, condition = 0.0, 0.0, node.filter
    if join is not None:
        discarded = join.total_rows_removed_by_join_filter or 0.0
        least_discarded = (join.total_rows_removed_by_join_filter_bounds or (0.0, 0.0))[0]
        condition = join.expression("Join Filter")
    time_ms, error_ms = node.exclusive_time_ms, node.exclusive_time_error_ms or 0.0
    if join is not None:
        join_ms = join.exclusive_time_ms
        time_ms = None if time_ms is None or join_ms is None else time_ms + join_ms
        error_ms += join.exclusive_time_error_ms or 0.0
    return Scanned(
        read=rows + removed,
        least_read=bounds[0] + removed_bounds[0],
        kept=max(0.0, rows - discarded),
        most_kept=max(0.0, bounds[1] - least_discarded),
        runs=runs,
        time_ms=time_ms,
        time_error_ms=error_ms,
        condition=condition,
    )


def _join_that_filters(node: PlanNode) -> PlanNode | None:
    """The nested loop that reads this scan again for each outer row and throws most of its rows away."""
    join = node.parent
    if join is None or join.node_type != "Nested Loop" or node.parent_relationship != "Inner":
        return None
    return join if join.expression("Join Filter") else None


def together(parts: Iterable[Scanned]) -> Scanned:
    """Scans of one table's partitions as one."""
    every = list(parts)
    if len(every) == 1:
        return every[0]
    times = [part.time_ms for part in every]
    return Scanned(
        read=sum(part.read for part in every),
        least_read=sum(part.least_read for part in every),
        kept=sum(part.kept for part in every),
        most_kept=sum(part.most_kept for part in every),
        runs=max(part.runs for part in every),
        time_ms=None if None in times else sum(time for time in times if time is not None),
        time_error_ms=sum(part.time_error_ms for part in every),
        condition=every[0].condition,
    )


def partitioned_table(node: PlanNode, facts: SchemaFacts | None) -> TableFacts | None:
    """The table at the top of which the scanned one is a partition; None when it is none, or unknown."""
    if facts is None or node.relation_name is None:
        return None
    table = facts.find_table(node.relation_name, node.schema)
    top = None
    while table is not None and table.parent_oid is not None:
        table = top = facts.table(table.parent_oid)
    return top


def partition_scans(node: PlanNode, table: TableFacts, facts: SchemaFacts) -> Iterator[PlanNode]:
    """Scans of ``table``'s partitions that belong with ``node``, executed as it: under the same alias in the query."""
    same = [node] if node.plan is None else node.plan.once(_scans_by_name)[node.node_type, alias_in_query(node)]
    return (other for other in same if partitioned_table(other, facts) is table)


def _scans_by_name(plan: Plan) -> dict[tuple[str, str], list[PlanNode]]:
    """Executed scans of tables, by node type and the name that the query gives the table."""
    nodes: defaultdict[tuple[str, str], list[PlanNode]] = defaultdict(list)
    for node in plan:
        if node.relation_name and node.loops:
            nodes[node.node_type, alias_in_query(node)].append(node)
    return dict(nodes)


def scans_like(node: PlanNode) -> list[PlanNode]:
    """Of a partition's scan all those like it, below the same Append, of the same table's, without the schema; else
    the node alone.
    """
    return [node] if node.plan is None else node.plan.once(_scans_of_partitions).get(node, [node])


def _scans_of_partitions(plan: Plan) -> dict[PlanNode, list[PlanNode]]:
    """By scan of a partition, those like it. Partitions may be a thousand, so it is made once.

    PostgreSQL numbers the aliases of partitions from 1 (``event e`` is e_1, e_2); where one has no number they are
    the parts of a UNION ALL.
    """
    below: defaultdict[tuple[PlanNode, str], list[PlanNode]] = defaultdict(list)
    for node in plan:
        if node.relation_name and node.alias:
            append = next((a for a in node.ancestors() if a.node_type in ("Append", "Merge Append")), None)
            if append is not None:
                below[append, alias_in_query(node)].append(node)
    partitions: dict[PlanNode, list[PlanNode]] = {}
    for (_, alias), nodes in below.items():
        if len({n.relation_name for n in nodes}) < 2 or any(n.alias == alias for n in nodes):
            continue
        for node_type in {n.node_type for n in nodes}:
            same = [n for n in nodes if n.node_type == node_type and n.loops]
            partitions.update(dict.fromkeys(same, same))
    return partitions


def alias_in_query(node: PlanNode) -> str:
    """``e`` for the ``e_3`` that PostgreSQL made up for the third partition of ``event e``."""
    return GENERATED_SUFFIX.sub("", node.alias or "")
