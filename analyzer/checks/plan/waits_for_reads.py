"""Most of the run waited for blocks that were not in PostgreSQL's cache.

The time is what track_io_timing counts for reading blocks into shared_buffers, from disk or from the system's own cache
(much below a tenth of a millisecond for each block, it was the system's). A first run after a restart, or of a cold
part of a table, always looks like this. To verify, run it again before anything else. If it stays so, read fewer blocks
(an index, a covering index, less bloat, fewer columns out of line), or give the server more memory and shared_buffers.
Leave it alone for rare reports on old data. The waiting time is counted, that of parallel processes divided by their
number.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.durations import time_words
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="PL078",
    title="Most of the run waited for reads",
    severity=Severity.WARNING,
    ratio=Threshold(0.50, "reading / execution time", "judgement: else reading is not what to mend first"),
    read_blocks=Threshold(1_000, "blocks", "judgement: fewer may be one cold index"),
)


@check.on(Plan)
def waits_for_reads(plan: Plan) -> Iterator[Finding]:
    run_ms = run_time_ms(plan.root)
    reading = {node: ms for node in plan if (ms := _reading_ms(node)) is not None}
    blocks = sum(_read(node) for node in plan)
    if not run_ms or not reading or blocks < check["read_blocks"]:
        return
    time_ms = min(run_ms, sum(reading.values()))
    if time_ms <= 0 or time_ms < run_ms * check["ratio"]:
        return
    node = max(reading, key=lambda n: reading[n])
    evidence: dict[str, Quantity] = {
        "read_blocks": blocks,
        "read_ms": round(time_ms, 3),
        "read_ratio": round(time_ms / run_ms, 3),
    }
    each = f", {time_words(time_ms / blocks)} each" if blocks else ""
    yield check.finding(
        node=node,
        subject=node.label,
        message=(
            f"{time_words(time_ms)} of {time_words(run_ms)} went into reading {blocks:,} blocks"
            f" ({size_words(blocks * PAGE_BYTES)}{each}) that were not in shared_buffers, most of it in {node.label}."
        ),
        hint="Run it again: if the blocks stay cached, this was a cold start. Else read fewer blocks, or cache more.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_ms,
        table=node.table,
    )


def _reading_ms(node: PlanNode) -> float | None:
    own = node.exclusive_buffers
    return None if own is None or own.shared_read_time_ms is None else own.shared_read_time_ms / node.processes


def _read(node: PlanNode) -> int:
    return (node.exclusive_buffers.shared_read_blocks or 0) if node.exclusive_buffers is not None else 0
