"""Rows kept to be read again that did not fit into work_mem.

Materialize, WITH queries, window functions, functions in FROM and recursive queries keep rows for a second reading;
more than work_mem of them go to temporary files, which are read again each time. To verify, look for ``Storage:
Disk`` (18) or for temporary blocks of the node itself. To fix it, keep fewer columns and rows (a condition inside the
WITH query), or give this statement more work_mem. Leave it alone in a rare report: work_mem counts for every sort and
hash of every session at once. The time is what writing and reading the temporary files took.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, time_evidence
from analyzer.checks.temp_files import temp_blocks, temp_time_ms, temp_written_bytes
from analyzer.checks.work_mem import work_mem_advice, work_mem_bytes
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="PL040",
    title="Rows kept for a second reading went to disk",
    severity=Severity.WARNING,
    gives_way_to=("PL025",),
    moved=Threshold(10 * MB, "bytes written and read", "judgement: less stays in the kernel's cache"),
    memory_factor=Threshold(1.5, "memory / file", "measured: 1.1 to 1.4 for rows of 16 to 100 bytes"),
)


@check.on(
    PlanNode, "Materialize", "CTE Scan", "WindowAgg", "Recursive Union", "Function Scan", "Table Function Scan",
)  # fmt: skip
def rows_kept_on_disk(node: PlanNode) -> Iterator[Finding]:
    if not node.loops:
        return
    blocks, storage, written = temp_blocks(node), node.storage, temp_written_bytes(node)
    if storage is not None and not storage.is_on_disk:
        return
    moved = blocks * PAGE_BYTES if blocks is not None else None
    kept = max(written or 0, (storage.maximum_bytes or 0) if storage is not None else 0)
    if max(moved or 0, kept) < check["moved"] or not kept or (moved is not None and moved == 0):
        return
    time_ms = temp_time_ms(node)
    work_mem = work_mem_bytes(kept * check["memory_factor"], node.plan, is_hash=False)
    advice, fixes = work_mem_advice(work_mem, node.plan)
    evidence: dict[str, Quantity] = {"kept_bytes": kept, "work_mem_needed_bytes": work_mem}
    again = ""
    if moved is not None:
        evidence["temp_bytes"] = moved
        again = f" and moved {size_words(moved)} to and from it" if moved > kept * 1.1 else ""
    yield check.finding(
        subject=node.label,
        message=f"{node.label} kept {size_words(kept)} of rows in a temporary file{again}.",
        hint=f"Keep fewer columns or rows; or {advice}." if fixes else f"Keep fewer columns or rows: {advice}.",
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )
