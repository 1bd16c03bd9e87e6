"""Memoize whose cache is too small, so that rows are thrown out before they are asked for again.

The cache may take work_mem times hash_mem_multiplier; what does not fit pushes older keys out (evictions), and one
key's rows that do not fit at all are not kept (overflows). To verify, look at Evictions and Overflows. To fix it,
give this statement more memory, or mend the number of distinct keys the planner counted on (ANALYZE, n_distinct),
after which it may choose another join. Leave it alone where the hits are still many. The time is Memoize's own; the
inner side's runs that a larger cache would save come on top.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence
from analyzer.checks.work_mem import as_sentence, work_mem_advice, work_mem_bytes
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL039",
    title="Memoize's cache is too small",
    severity=Severity.WARNING,
    evicted_ratio=Threshold(0.50, "evictions / misses", "judgement: half of what was kept was kept for nothing"),
    lookups=Threshold(1000, "lookups", "judgement: fewer cost little either way"),
    hit_ratio=Threshold(0.90, "hits / lookups", "judgement: above it the cache does its work all the same"),
)


@check.on(PlanNode, "Memoize")
def memoize_thrashes(node: PlanNode) -> Iterator[Finding]:
    caches = node.memoizes if node.loops else ()
    hits, misses = sum(c.hits for c in caches), sum(c.misses for c in caches)
    evictions, overflows = sum(c.evictions for c in caches), sum(c.overflows for c in caches)
    if hits + misses < check["lookups"] or hits >= (hits + misses) * check["hit_ratio"]:
        return
    if not overflows and (not evictions or evictions < misses * check["evicted_ratio"]):
        return
    keys = shown_keys(node, "Cache Key") or "its key"
    evidence: dict[str, Quantity] = {
        "cache_hits": hits,
        "cache_misses": misses,
        "cache_evictions": evictions,
        "cache_overflows": overflows,
    }
    # all misses as different keys: the most it can take, in each process
    needed = max(
        (
            (c.peak_memory_bytes or 0) * c.misses / max(1, c.misses - c.evictions)
            for c in caches
        ),
        default=0.0,
    )  # fmt: skip
    hint = "ANALYZE the table the keys come from"
    fixes: tuple[Fix, ...] = ()
    if needed and not overflows:
        work_mem = work_mem_bytes(needed, node.plan, is_hash=True)
        evidence["work_mem_needed_bytes"] = work_mem
        advice, fixes = work_mem_advice(work_mem, node.plan)
        hint = f"Keys that repeat fit if all do: {advice} (the most it can take)" if fixes else as_sentence(advice)
    elif overflows:
        hint = "Rows of single keys are more than the cache holds: see whether a Hash Join is cheaper (more work_mem)"
    time_ms = own_time_ms(node)
    yield check.finding(
        subject=node.label,
        message=(
            f"Memoize on {keys} missed {misses:,} of {hits + misses:,} lookups; {evictions:,} kept entries were thrown"
            f" out to make room, {overflows:,} did not fit at all."
        ),
        hint=f"{hint}. If nearly all keys differ, mend the planner's count of them instead: ANALYZE, n_distinct.",
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )
