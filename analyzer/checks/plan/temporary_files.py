"""Temporary files that no other finding explains.

What does not fit into work_mem goes to disk and is read back: rows kept to be read again (CTE, Materialize, window
functions, functions that return sets), many small hash tables or sorts. Other findings tell of sorts, hashes and
groups with what each needs; this one adds up what is left. To verify, run the statement with ``SET LOCAL work_mem``
raised and look at "temp written". Leave it alone in a rare report. Of the run's time what is counted as temporary I/O
(15+, with track_io_timing), else none.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.checks.work_mem import work_mem_advice
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB, size_words

MEMORY_FACTOR = 2.0  # judgement: rows in memory take more than in the files

check = Check(
    __name__,
    code="PL077",
    title="Temporary files",
    severity=Severity.WARNING,
    gives_way_to=("PL034", "PL035", "PL040", "PL050", "PL052", "PL053", "PL054", "PL055"),
    written=Threshold(10 * MB, "bytes", "judgement: less stays in the kernel's cache"),
)


@check.on(Plan)
def temporary_files(plan: Plan) -> Iterator[Finding]:
    buffers = plan.root.buffers
    written = (buffers.temp_written_blocks or 0) * PAGE_BYTES if buffers is not None else 0
    if buffers is None or not written or written < check["written"]:
        return
    writer = max(plan, key=_written)
    most = _written(writer) * PAGE_BYTES
    times = [ms for ms in (buffers.temp_read_time_ms, buffers.temp_write_time_ms) if ms is not None]
    time_ms = sum(times) / max(1.0, writer.processes) if times else None
    advice, fixes = work_mem_advice(most * MEMORY_FACTOR, plan)
    evidence: dict[str, Quantity] = {
        "temp_written_bytes": written,
        "temp_read_bytes": (buffers.temp_read_blocks or 0) * PAGE_BYTES,
        "of_one_node_bytes": most,
    }
    yield check.finding(
        subject=writer.label,
        message=f"{size_words(written)} of temporary files were written, {size_words(most)} of them by {writer.label}.",
        hint=f"Keep fewer rows or columns there{'; or' if fixes else ':'} {advice}.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(plan.root),
        fixes=fixes,
    )


def _written(node: PlanNode) -> int:
    return (node.exclusive_buffers.temp_written_blocks or 0) if node.exclusive_buffers is not None else 0
