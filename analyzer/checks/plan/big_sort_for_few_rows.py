"""Sort of many rows of which LIMIT takes a few.

All rows are read and compared to find the first ones ("top-N heapsort" keeps only these, but sees them all). An index
in the order of the sort gives the first rows at once and stops. Columns that the conditions want equal come first in
it, then those of ORDER BY with the same ASC or DESC. What is computed of one row (``lower(name)``, ``data ->> 'ts'``)
can be in an index as an expression, where its functions are IMMUTABLE; distances (``<->``) have indexes of their own
kind, GiST, or HNSW of pgvector. No index has the order of sums, or of two tables together: there, leave rows out before
the sort, or keep what is summed in a table of its own. To verify, look for a Limit directly above an Index Scan,
without Sort. Leave it alone where the statement runs rarely, or where few rows pass the other conditions: the index
would be read far to find them. Where no index has the order it is reported only if the sort itself takes a good part of
the run. What is counted of the run's time is the sort's own and, of one table, its scan's, less the share of the rows
that LIMIT takes. The sorts of a table's partitions are one finding.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown_keys, time_evidence, time_ratio
from analyzer.checks.order import IndexInOrder, index_in_order, is_limited, sorts_of_partitions
from analyzer.checks.other_order import ON_THE_WAY, STOPS, other_order
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL051",
    title="Many rows sorted to return a few",
    severity=Severity.WARNING,
    gives_way_to=("PL060",),
    sorted_rows=Threshold(10_000, "rows", "measured: fewer are read and compared in about 2 ms on PostgreSQL 18"),
    factor=Threshold(100, "sorted / returned", "judgement: nearer to all rows an index saves little"),
    time_ratio=Threshold(0.25, "sort's time / execution time", "judgement: of a sort that no index can spare"),
    part_time_ratio=Threshold(0.10, "sort's time / execution time", "judgement: where one gives a part of its order"),
)


@check.on(PlanNode, "Sort")
def big_sort_for_few_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or len(node.inputs) != 1 or not is_limited(node):
        return
    sorts = sorts_of_partitions(node)
    rows, taken = _sorted(sorts), _taken(sorts)
    if sorts[0] is not node or rows is None or taken is None:
        return
    least, read = rows
    if least < check["sorted_rows"] or least < taken * check["factor"]:
        return
    index = index_in_order(node)
    other = None if index is not None else other_order(node, context.facts)
    if (index is None and other is None) or (index is not None and index.exists(context.facts)):
        return
    scan = index.scan if index is not None else other.scan if other is not None else None
    time_ms = _time_ms(sorts, scan, taken / read)
    if scan is None:
        least_ratio = check["part_time_ratio"] if other is not None and other.is_in_part else check["time_ratio"]
        if (time_ratio(time_ms, node) or 0.0) < least_ratio or _is_on_disk(sorts):
            return
    of_partitions = index is not None and index.of_partitions
    runs = f" in {node.loops:,} runs" if node.loops / node.processes > 1 else ""
    who = node.label if len(sorts) == 1 else f"{node.label} and {len(sorts) - 1} more like it"
    yield check.finding(
        subject=node.label,
        message=(
            f"{who} by {shown_keys(node, 'Sort Key')} took in {read:,.0f} rows{runs} for the {taken:,.0f} that LIMIT"
            " takes."
        ),
        hint=_hint(index) if index is not None else other.hint if other is not None else "",
        evidence={"sorted_rows": round(read), "returned_rows": round(taken), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=None if scan is None or of_partitions else table_of(scan, context.facts),
        fixes=index.fixes(context) if index is not None else (),
        also_at=tuple(map(place, (*sorts[1:], *_served(sorts, index)))),
    )


def _served(sorts: Sequence[PlanNode], index: IndexInOrder | None) -> list[PlanNode]:
    """The scan whose condition the index serves as well."""
    return [index.scan] if index is not None and index.is_certain and index.scan in sorts[0].inputs else []


def _sorted(sorts: Sequence[PlanNode]) -> tuple[float, float] | None:
    """Rows that came in: at least, and as printed."""
    bounds = [sort.inputs[0].total_actual_rows_bounds for sort in sorts if sort.inputs]
    read = sum(sort.inputs[0].total_actual_rows or 0.0 for sort in sorts if sort.inputs)
    least = sum(each[0] for each in bounds if each is not None)
    return None if None in bounds or not read else (least, read)


def _taken(sorts: Sequence[PlanNode]) -> float | None:
    """Each process gives as many; where the LIMIT is above their Gather it may take more than one of them has left."""
    node = sorts[0]
    given = [sort.total_actual_rows for sort in sorts]
    limit = next((above for above in node.ancestors() if above.node_type == "Limit"), None)
    rows = limit.total_actual_rows if limit is not None and limit.processes < node.processes else None
    each = sum(rows for rows in given if rows is not None) / node.processes
    return None if None in given else max(each, rows or 0.0)


def _is_on_disk(sorts: Sequence[PlanNode]) -> bool:
    """Then more memory is what helps: see PL050."""
    return any(space.is_on_disk for sort in sorts for space in sort.sorts)


def _time_ms(sorts: Sequence[PlanNode], scan: PlanNode | None, taken_ratio: float) -> float | None:
    nodes = list(sorts)
    if scan is not None and sorts[0].inputs[0] in (scan, scan.parent):
        nodes = [node for sort in sorts for node in sort.walk()]
    own = own_time_ms(*nodes)
    return None if own is None else own * (1 - min(1.0, taken_ratio))


def _hint(index: IndexInOrder) -> str:
    said = f"An index on {index.table} ({index.columns}) {STOPS}"
    return f"{said}." if index.is_certain else f"{said}{ON_THE_WAY}. Have the advisor try it."
