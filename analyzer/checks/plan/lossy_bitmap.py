"""A bitmap outgrew work_mem, so it remembers pages instead of rows and every row on them is checked again.

A Bitmap Heap Scan first collects where the rows are. Where that does not fit into work_mem, whole pages are kept in
place of single rows ("Lossy Heap Blocks"), and the condition is evaluated for every row of such a page. More work_mem
for this statement, or an index that finds fewer rows, ends that. To verify, run it with ``SET LOCAL work_mem`` and
look for ``lossy`` to be gone from Heap Blocks. Of a BRIN index all pages are lossy, and work_mem has no part in it.

Leave it alone where the recheck throws away few rows. Before 18 a parallel scan prints the leader's pages alone. The
time is the node's own, as much of it as the rows that the recheck threw away are of all it looked at.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import bitmap_index_scans, is_brin, share_ms, table_of
from analyzer.checks.work_mem import MORE, as_sentence, work_mem_advice
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import runs_of

check = Check(
    __name__,
    code="PL007",
    title="Bitmap too large for work_mem",
    severity=Severity.WARNING,
    lossy_ratio=Threshold(0.10, "lossy / all pages", "judgement: fewer cost little beside the rest of the scan"),
    rows_rechecked=Threshold(1_000, "rows thrown away", "judgement: fewer are checked in under a millisecond"),
    page_memory=Threshold(64, "bytes / page", "measured: a bitmap's entry for a page, PostgreSQL 13 to 18"),
)


@check.on(PlanNode, "Bitmap Heap Scan")
def lossy_bitmap(node: PlanNode, context: Context) -> Iterator[Finding]:
    blocks, removed = node.heap_blocks, node.total_rows_removed_by_index_recheck
    if not node.loops or blocks is None or not removed or blocks.lossy <= 0:
        return
    if blocks.lossy < (blocks.lossy + blocks.exact) * check["lossy_ratio"] or removed < check["rows_rechecked"]:
        return
    scans = bitmap_index_scans(node)
    if any(is_brin(scan, context.facts) for scan in scans):
        return
    looked_at = node.total_rows_scanned or removed
    time_ms = share_ms(own_time_ms(node), removed, looked_at)
    runs = runs_of(node)
    counts_all = node.processes <= 1 or any("Exact Heap Blocks" in worker for worker in node.workers)
    # up to 17 the leader's heap blocks are all that is printed; of all processes where blocks were counted
    printed = blocks.lossy + blocks.exact
    processes = 1 if counts_all or node.touched_blocks is not None else node.processes
    pages = max(printed * processes, node.touched_blocks or 0) / runs
    advice, fixes = work_mem_advice(pages * check["page_memory"] * MORE, node.plan)
    whose = "its" if counts_all else "the leader's"
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} kept {blocks.lossy:,} of {whose} {printed:,} pages as whole pages,"
            f" because its bitmap did not fit into work_mem, and threw away {removed:,.0f} of {looked_at:,.0f} rows in"
            " the recheck."
        ),
        hint=(
            f"{as_sentence(advice)}. Its bitmap covers about {pages:,.0f} pages, at {check['page_memory']:g} bytes"
            " each. An index that finds fewer rows does as well."
        ),
        evidence={
            "lossy_blocks": blocks.lossy,
            "exact_blocks": blocks.exact,
            "rows_removed_by_recheck": round(removed),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )
