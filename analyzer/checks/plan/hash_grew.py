"""Hash table that was planned smaller than it became, and had to be split up while it was built.

When more comes than planned, the number of batches is doubled and rows already in memory are written out. That says
that the build side was estimated too low (rows or their width), or that one key holds so many rows that splitting does
not help. To verify, compare rows and actual rows of the build side, and count the rows of its most frequent key. To fix
it, mend the estimate (ANALYZE, extended statistics); join a key that holds most rows apart from the others; more memory
makes the hash fit. Leave it alone where it costs little. The time is what writing and reading the temporary files took.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import below_same_rows, rounded
from analyzer.checks.node import run_time_ms, time_evidence
from analyzer.checks.plan.hash_spilled import needed_bytes
from analyzer.checks.scan import table_of, table_sql
from analyzer.checks.temp_files import temp_blocks, temp_time_ms
from analyzer.checks.work_mem import work_mem_advice, work_mem_bytes
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.plans.estimates import estimate_of
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB

check = Check(
    __name__,
    code="PL035",
    title="Hash table outgrew its plan",
    severity=Severity.WARNING,
    gives_way_to=("PL036",),
    growth=Threshold(2, "batches / planned batches", "manual: batches are doubled each time"),
    spilled=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    memory_factor=Threshold(1.2, "memory / batches * peak", "judgement: batches are never equally large"),
    estimate_factor=Threshold(1.5, "actual / planned rows", "judgement: a smaller error does not double a hash table"),
)


@check.on(PlanNode, "Hash")
def hash_grew(node: PlanNode, context: Context) -> Iterator[Finding]:
    table, join = node.hash_table, node.parent
    if not node.loops or table is None or join is None or not table.original_batches:
        return
    if table.batches < 2 or table.batches < table.original_batches * check["growth"]:
        return
    blocks, peak = temp_blocks(join, node), table.peak_memory_bytes
    if (blocks * PAGE_BYTES if blocks is not None else (peak or 0) * table.batches) < check["spilled"]:
        return
    estimate, built = estimate_of(node), below_same_rows(node)
    is_low = (
        estimate is not None and estimate.direction == "under" and estimate.least_factor >= check["estimate_factor"]
    )
    time_ms = temp_time_ms(join, node)
    evidence: dict[str, Quantity] = {
        "hash_batches": table.batches,
        "planned_hash_batches": table.original_batches,
        **rounded(planned_rows=node.plan_rows, actual_rows=node.actual_rows),
    }
    fixes: tuple[Fix, ...] = ()
    name = table_sql(built)
    if is_low:
        why = f"planned for {node.plan_rows:,.0f} rows, it got {node.actual_rows:,.0f}"
        hint = f"Mend the estimate of {built.label}" + (f": ANALYZE {name}, extended statistics" if name else "")
        if name is not None:
            fixes = (Fix("Statistics of the table as it is now", "sql", f"ANALYZE {name};"),)
    else:
        why = "its rows came as planned, so they are wider than planned, or a few keys hold most of them"
        hint = "Count the rows of the most frequent key of the hashed side: join that key apart from the others"
    if (needed := needed_bytes(node, check["memory_factor"])) is not None:
        work_mem = work_mem_bytes(needed, node.plan, is_hash=True)
        evidence["work_mem_needed_bytes"] = work_mem
        advice, more = work_mem_advice(work_mem, node.plan)
        hint, fixes = f"{hint}; or {advice}" if more else f"{hint}; {advice}", (*fixes, *more)
    yield check.finding(
        subject=node.label,
        message=(
            f"The hash table of {join.label} was planned for {table.original_batches:,}"
            f" {'batch' if table.original_batches == 1 else 'batches'} and needed {table.batches:,}: {why}."
        ),
        hint=f"{hint}.",
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(built, context.facts),
    )
