"""Rows sorted on disk only to be grouped.

A GroupAggregate, Group or Unique takes its rows in the order of its keys. Where all of them are sorted for that, and
on disk, more work_mem helps twice: the sort stays in memory or, when the planner thinks that the groups fit, a
HashAggregate needs no sort at all. An index on the group keys gives the order for nothing. To verify, run the
statement with ``SET LOCAL work_mem`` and look for HashAggregate or "quicksort". Leave it alone in a rare report. Of
the run's time the sort's own is counted.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence, time_ratio
from analyzer.checks.order import index_in_order
from analyzer.checks.work_mem import SORT_FACTOR, as_sentence, work_mem_advice
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.words.sizes import MB, size_words

DISTINCT_ON = re.compile(r"\bdistinct\s+on\b", re.IGNORECASE)

check = Check(
    __name__,
    code="PL054",
    title="Sorted on disk only to group",
    severity=Severity.WARNING,
    gives_way_to=("PL057", "PL058"),  # nothing need be grouped
    disk=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    time=Threshold(0.30, "sort's time / execution time", "judgement: a smaller share is the sort's own business"),
    rows_per_group=Threshold(2, "rows / group", "judgement: a hash of nearly as many groups as rows is no smaller"),
)

SORTED_OR_HASHED = ". They are then sorted there, or hashed where the planner expects the groups to fit"


@check.on(PlanNode, "Aggregate", "Group", "Unique")
def sort_on_disk_to_group(node: PlanNode, context: Context) -> Iterator[Finding]:
    sort = node.inputs[0] if len(node.inputs) == 1 else None
    if not node.loops or sort is None or sort.node_type != "Sort" or not _only_groups(node, sort, context):
        return
    disk = max((space.space_bytes or 0 for space in sort.sorts if space.is_on_disk), default=0)
    rows, groups = sort.total_actual_rows, node.total_actual_rows
    if not disk or disk < check["disk"] or rows is None or groups is None:
        return
    groups += node.total_rows_removed_by_filter or 0.0
    time_ms = own_time_ms(sort)
    ratio = time_ratio(time_ms, sort)
    if rows < groups * check["rows_per_group"] or (ratio is not None and ratio < check["time"]):
        return
    advice, fixes = work_mem_advice(disk * SORT_FACTOR, node.plan)
    index = index_in_order(sort)
    by_index = (
        f" An index on {index.table} ({index.columns}) would give the order." if index and index.is_certain else ""
    )
    yield check.finding(
        node=sort,
        subject=node.label,
        message=(
            f"{rows:,.0f} rows were sorted by {shown_keys(sort, 'Sort Key')}, with {size_words(disk)} of temporary"
            f" files, only to make {groups:,.0f} groups of them."
        ),
        hint=(
            f"{as_sentence(advice)}{SORTED_OR_HASHED if fixes else ''}.{by_index}"
        ),
        evidence={
            "sorted_rows": round(rows), "groups": round(groups), "disk_bytes": disk, **time_evidence(time_ms, sort),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(sort),
        fixes=(*fixes, *(index.fixes(context) if index else ())),
    )  # fmt: skip


def _only_groups(node: PlanNode, sort: PlanNode, context: Context) -> bool:
    """Not a sort that goes on behind the groups' keys: that is for an aggregate with DISTINCT or ORDER BY (16+)."""
    keys, groups = sort.sort_keys, node.group_keys
    if node.node_type == "Unique":  # DISTINCT ON cannot hash: its first row of each group depends on the order
        output, sql = sort.output, context.normalized_sql
        if output is not None and keys is not None and len(output) > len(keys):
            return False
        return sql is not None and not DISTINCT_ON.search(sql)
    is_sorted = node.node_type == "Group" or node.strategy == "Sorted"
    is_plain = not any("(DISTINCT" in text or " ORDER BY " in text for text in node.output or ())
    return is_sorted and is_plain and keys is not None and groups is not None and len(keys) == len(groups)
