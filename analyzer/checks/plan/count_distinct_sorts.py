"""count(DISTINCT ...), or another aggregate with DISTINCT, that sorts its rows on disk.

Such an aggregate cannot hash: it sorts all values, up to 15 inside the Aggregate node itself, from 16 on in a Sort
below it, and drops the repeated ones. Grouping first in a subquery can hash, run in parallel, and needs memory only
for the distinct values. Where an estimate is good enough, a HyperLogLog sketch (extension hll) is far cheaper. To
verify, compare both forms under EXPLAIN ANALYZE. Leave it alone where nearly all values are distinct: a hash of them
is as large. Of the run's time the node's own is counted.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence, time_ratio
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB, size_words

DISTINCT_CALL = re.compile(r"\w+\(\s*distinct\b", re.IGNORECASE)

check = Check(
    __name__,
    code="PL055",
    title="Aggregate with DISTINCT sorts on disk",
    severity=Severity.WARNING,
    disk=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    time=Threshold(0.30, "time / execution time", "judgement: a smaller share is not worth rewriting a query"),
)


@check.on(PlanNode, "Aggregate")
def count_distinct_sorts(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.strategy not in ("Plain", "Sorted"):
        return
    sorting = _sorting(node)
    written = sorting.exclusive_buffers.temp_written_blocks if sorting.exclusive_buffers else None
    spilled = max((sort.space_bytes or 0 for sort in sorting.sorts if sort.is_on_disk), default=0)
    disk = spilled or (written or 0) * PAGE_BYTES
    if not disk or disk < check["disk"]:
        return
    called = _distinct_call(node, context)
    if called is None:
        return
    time_ms = own_time_ms(sorting)
    ratio = time_ratio(time_ms, node)
    if ratio is not None and ratio < check["time"]:
        return
    text = context.normalized_sql or "" if node.output is None else " ".join(node.output)
    several = len(DISTINCT_CALL.findall(text)) > 1
    rows = sum(child.total_actual_rows or 0.0 for child in node.inputs)
    yield check.finding(
        node=sorting,
        subject=node.label,
        message=(
            f"{called} sorted {rows:,.0f} rows with {size_words(disk)} of temporary files to drop the repeated values."
        ),
        hint="Group by the values in a subquery first, which can hash them, then aggregate what is left"
        f"{'; each of several such aggregates needs its own' if several else ''}.",
        evidence={"sorted_rows": round(rows), "disk_bytes": disk, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=(
            Fix(
                "Distinct values first, then their number (count(x) leaves out NULL, as count(DISTINCT x) does)",
                "sql",
                "-- instead of: SELECT g, count(DISTINCT x) FROM t GROUP BY g\n"
                "SELECT g, count(x) FROM (SELECT g, x FROM t GROUP BY g, x) AS d GROUP BY g;",
            ),
        ),
    )


def _sorting(node: PlanNode) -> PlanNode:
    """The Sort below that goes on behind the group keys (16+), or the node itself (to 15)."""
    below = node.inputs[0] if len(node.inputs) == 1 else node
    if below.node_type not in ("Sort", "Incremental Sort"):
        return node
    return below if len(below.sort_keys or ()) > len(node.group_keys or ()) else node


def _distinct_call(node: PlanNode, context: Context) -> str | None:
    """The aggregate as the plan names it (VERBOSE), else that of the statement; None: it sorts for its ORDER BY."""
    if node.output is not None:
        calls = [text for text in node.output if DISTINCT_CALL.search(text)]
        return shown(calls[0], 100) if calls else None
    sql = context.normalized_sql
    return "An aggregate with DISTINCT" if sql and DISTINCT_CALL.search(sql) else None
