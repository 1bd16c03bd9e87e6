"""HashAggregate whose groups did not fit into memory.

Rows of groups that found no place are written to temporary files and grouped later, batch by batch. A hash table may
take work_mem times hash_mem_multiplier (1 up to 14, 2 from 15 on). Give this statement more of either, or group fewer
rows or columns. Where far fewer groups were planned than came, the statistics are the cause: the planner would have
sorted, or taken more care. To verify, look for "Batches: 1" under ``SET LOCAL work_mem``. Leave it alone where it is
a small part of a rare report: every session may take as much at once. Of the run's time the node's own is counted, in
the share that the files have of files and memory together.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence
from analyzer.checks.work_mem import as_sentence, hash_bytes_needed, spilled_ratio, work_mem_advice
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="PL053",
    title="HashAggregate spilled to disk",
    severity=Severity.WARNING,
    gives_way_to=("PL057", "PL058"),  # it need not be done at all
    disk=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    disk_ratio=Threshold(0.05, "files / files and memory", "judgement: what hardly did not fit costs hardly more"),
    misestimate=Threshold(10, "groups / planned groups", "judgement: below it plans seldom change"),
)

ENOUGH = ", enough for all groups at once (half of it from 15 on, where hash_mem_multiplier is 2)"


@check.on(PlanNode, "Aggregate")
def hash_aggregate_on_disk(node: PlanNode) -> Iterator[Finding]:
    spilled = [table for table in node.hash_aggregates if table.disk_bytes]
    disk = sum(table.disk_bytes for table in spilled)
    if not node.loops or not disk or disk < check["disk"] or spilled_ratio(node) < check["disk_ratio"]:
        return
    groups = ((node.total_actual_rows or 0.0) + (node.total_rows_removed_by_filter or 0.0)) / node.loops
    advice, fixes = work_mem_advice(hash_bytes_needed(node, groups), node.plan)
    own = own_time_ms(node)
    time_ms = None if own is None else own * spilled_ratio(node)
    keys = shown_keys(node, "Group Key") or "its keys"
    batches = max(table.batches for table in spilled)
    each = " in each process" if len(spilled) > 1 else ""
    evidence: dict[str, Quantity] = {
        "groups": round(groups),
        "planned_groups": None if node.plan_rows is None else round(node.plan_rows),
        "disk_bytes": disk,
        "batches": batches,
    }
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} by {keys} made {groups:,.0f} groups{each} in {batches:,} batches and used"
            f" {size_words(disk)} of temporary files."
        ),
        hint=(f"{as_sentence(advice)}{ENOUGH if fixes else ''}.{_misestimate(node, groups)}"),
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=fixes,
    )


def _misestimate(node: PlanNode, groups: float) -> str:
    # a filter above the groups makes the planned rows fewer than the planned groups
    planned = node.plan_rows
    if node.filter is not None or not planned or groups < planned * check["misestimate"]:
        return ""
    keys = node.group_keys or ()
    several = ", or CREATE STATISTICS (ndistinct) on the columns together" if keys[1:] else ""
    return (
        f" The planner expected {planned:,.0f} groups: ANALYZE the table, raise n_distinct of the column{several}, and"
        " it can plan for them."
    )
