"""Sort of many rows of which LIMIT takes a few.

All rows are read and compared to find the first ones ("top-N heapsort" keeps only these, but sees them all). An index
in the order of the sort gives the first rows at once and stops. Columns that the conditions want equal come first in
it, then those of ORDER BY with the same ASC or DESC. To verify, look for a Limit directly above an Index Scan,
without Sort. Leave it alone where the statement runs rarely, or where few rows pass the other conditions: the index
would be read far to find them. A sort by sums, expressions or columns of two tables has no such index and is not
reported. What is counted of the run's time is the sort's own and, of one table, its scan's, less the share of the
rows that LIMIT takes.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence
from analyzer.checks.order import IndexInOrder, index_in_order, is_limited
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL051",
    title="Many rows sorted to return a few",
    severity=Severity.WARNING,
    sorted_rows=Threshold(10_000, "rows", "measured: fewer are read and compared in about 2 ms on PostgreSQL 18"),
    factor=Threshold(100, "sorted / returned", "judgement: nearer to all rows an index saves little"),
)


@check.on(PlanNode, "Sort")
def big_sort_for_few_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    below = node.inputs
    if not node.loops or len(below) != 1 or not is_limited(node):
        return
    rows, taken = below[0].total_actual_rows_bounds, node.total_actual_rows
    taken = None if taken is None else _taken(node, taken)
    if rows is None or taken is None or rows[0] < check["sorted_rows"] or rows[0] < taken * check["factor"]:
        return
    index = index_in_order(node)
    if index is None or index.exists(context.facts):
        return
    read = below[0].total_actual_rows or rows[0]
    time_ms = _time_ms(node, index, taken / read if read else 0.0)
    keys = shown_keys(node, "Sort Key")
    runs = f" in {node.loops:,} runs" if node.loops / node.processes > 1 else ""
    yield check.finding(
        subject=node.label,
        message=f"{node.label} by {keys} took in {read:,.0f} rows{runs} for the {taken:,.0f} that LIMIT takes.",
        hint=_hint(index),
        evidence={"sorted_rows": round(read), "returned_rows": round(taken), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=None if index.of_partitions else index.scan.table,
        fixes=index.fixes,
    )


def _taken(node: PlanNode, given: float) -> float:
    """Each process gives as many; where the LIMIT is above their Gather it may take more than one of them has left."""
    limit = next((above for above in node.ancestors() if above.node_type == "Limit"), None)
    rows = limit.total_actual_rows if limit is not None and limit.processes < node.processes else None
    return max(given / node.processes, rows or 0.0)


def _time_ms(node: PlanNode, index: IndexInOrder, taken_ratio: float) -> float | None:
    scans = [n for n in node.walk() if n is not node] if node.inputs[0] in (index.scan, index.scan.parent) else []
    own = own_time_ms(node, *scans)
    return None if own is None else own * (1 - min(1.0, taken_ratio))


def _hint(index: IndexInOrder) -> str:
    said = f"An index on {index.table} ({index.columns}) gives them in this order and stops after the last"
    if index.is_certain:
        return f"{said}."
    return (
        f"{said}; rows that do not pass the other conditions are read on the way, so it helps where most pass."
        " Have the advisor try it."
    )
