"""Incremental Sort whose groups are so large that it sorts nearly everything.

Rows that come sorted by the first columns are sorted by the rest, group by group. With few and large groups little is
saved: each group must be read whole before its first row comes, and one larger than work_mem goes to disk. An index
that has the next columns of the order as well makes the sort go. To verify, look for the index alone below Limit or
at the top, without Incremental Sort. Leave it alone where groups are small on other values: only the largest count.
Of the run's time the node's own is counted.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence
from analyzer.checks.order import index_in_order
from analyzer.checks.work_mem import SORT_FACTOR, as_sentence, work_mem_advice
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="PL052",
    title="Incremental Sort of large groups",
    severity=Severity.WARNING,
    group_rows=Threshold(100_000, "rows / group", "judgement: sorting as many takes 20 ms and more"),
    disk=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
)


@check.on(PlanNode, "Incremental Sort")
def incremental_sort_of_large_groups(node: PlanNode, context: Context) -> Iterator[Finding]:
    below = node.inputs
    bounds = below[0].total_actual_rows_bounds if below else None
    if not node.loops or bounds is None:
        return
    groups = _large_groups(node)
    rows_per_group = bounds[0] / groups if groups else 0.0
    largest = max((sort.space_bytes or 0 for sort in node.sorts if sort.is_on_disk), default=0)
    written = node.exclusive_buffers.temp_written_blocks if node.exclusive_buffers is not None else None
    disk = max(largest, (written or 0) * PAGE_BYTES) if largest else 0  # of all groups, one after the other
    if disk < check["disk"] and rows_per_group < check["group_rows"]:
        return
    rows = below[0].total_actual_rows or 0.0
    index = index_in_order(node)
    if index is None and disk < check["disk"]:
        return  # no index has the whole order, and there is enough memory
    time_ms = own_time_ms(node)
    fixes: list[Fix] = list(index.fixes(context)) if index is not None else []
    presorted, keys = shown_keys(node, "Presorted Key"), shown_keys(node, "Sort Key")
    hint = f"An index on {index.table} ({index.columns}) needs no sort." if index is not None else ""
    on_disk = ""
    if disk >= check["disk"]:
        advice, more = work_mem_advice(largest * SORT_FACTOR, node.plan)
        fixes += more
        hint = f"{hint} Else {advice}." if hint and more else f"{hint} {as_sentence(advice)}.".lstrip()
        all_of_it = f", all together {size_words(disk)}" if disk > largest else ""
        on_disk = f"; the largest used {size_words(largest)} of temporary files{all_of_it}"
    evidence: dict[str, Quantity] = {"sorted_rows": round(rows), "groups": groups or None, "disk_bytes": disk or None}
    yield check.finding(
        subject=node.label,
        message=(
            f"Rows that come in the order of {presorted or 'the first columns'} are sorted by {keys}: {rows:,.0f} rows"
            f"{f' in {groups:,} large groups' if groups > 1 else ' in one group' if groups else ''}{on_disk}."
        ),
        hint=hint,
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=tuple(fixes),
    )


def _large_groups(node: PlanNode) -> int:
    """Those that were sorted one by one; small ones are sorted many at a time ("Full-sort Groups")."""
    printed = [node.raw, *node.workers]
    counts = [
        p["Pre-sorted Groups"].get("Group Count") for p in printed if isinstance(p.get("Pre-sorted Groups"), dict)
    ]
    return sum(count for count in counts if isinstance(count, int))
