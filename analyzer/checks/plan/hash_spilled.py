"""Hash join whose hash table did not fit into memory.

It is then built in batches: all but one batch of both sides are written to temporary files and read back. To verify,
look for ``Batches`` above 1 and temporary blocks at the Hash and its join. To fix it, give this statement more memory
(work_mem times hash_mem_multiplier is what a hash table may take; the processes of a Parallel Hash share the sum of
theirs); read fewer columns or rows into the hash; or see why so many rows were expected to fit. Leave it alone where it
costs little: cached temporary files are cheap, and work_mem counts for every sort and hash of every session at once.
The time is what writing and reading the temporary files took.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, time_evidence
from analyzer.checks.temp_files import temp_blocks, temp_time_ms
from analyzer.checks.work_mem import work_mem_advice, work_mem_bytes
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="PL034",
    title="Hash table spilled to disk",
    severity=Severity.WARNING,
    gives_way_to=("PL035", "PL036"),
    spilled=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    memory_factor=Threshold(1.2, "memory / batches * peak", "judgement: batches are never equally large"),
)


@check.on(PlanNode, "Hash")
def hash_spilled(node: PlanNode) -> Iterator[Finding]:
    table, join = node.hash_table, node.parent
    if not node.loops or table is None or table.batches < 2 or join is None:
        return
    blocks, peak = temp_blocks(join, node), table.peak_memory_bytes
    spilled = blocks * PAGE_BYTES if blocks is not None else (peak or 0) * (table.batches - 1)
    if spilled < check["spilled"]:
        return
    time_ms = temp_time_ms(join, node)
    evidence: dict[str, Quantity] = {"hash_batches": table.batches}
    if blocks is not None:
        evidence["temp_bytes"] = spilled
    if peak is not None:
        evidence["peak_memory_bytes"] = peak
    hint = "See whether fewer rows or columns can go into the hash"
    fixes: tuple[Fix, ...] = ()
    if (needed := needed_bytes(node, check["memory_factor"])) is not None:
        work_mem = work_mem_bytes(needed, node.plan, is_hash=True)
        evidence["work_mem_needed_bytes"] = work_mem
        advice, fixes = work_mem_advice(work_mem, node.plan)
        hint = f"{hint}; {advice}"
    moved = f", {size_words(spilled)} of temporary files written and read" if blocks is not None else ""
    yield check.finding(
        subject=node.label,
        message=f"The hash table of {join.label} was built in {table.batches:,} batches{moved}.",
        hint=f"{hint}.",
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )


def needed_bytes(node: PlanNode, factor: float) -> float | None:
    """Memory, for each process, that holds the hash table whole; None where EXPLAIN printed no size."""
    table = node.hash_table
    if table is None or table.peak_memory_bytes is None:
        return None
    processes = node.processes if node.is_parallel_aware else 1.0
    return table.peak_memory_bytes * table.batches * factor / processes
