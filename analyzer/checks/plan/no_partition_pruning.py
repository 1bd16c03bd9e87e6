"""Query on a partitioned table that reads every partition for few rows.

PostgreSQL leaves partitions out only by conditions on the partition key itself: a function or cast around it
(``day::text = ...``, ``date_trunc('month', day) = ...``) hides it, and a condition on other columns says nothing of
where the rows are. To verify, compare the conditions with the partition key (``\\d+ table``). To fix it, write a
range on the bare key with its own type; where the caller knows the key (the day, the tenant), add it to the query.
Leave it alone where the rows really lie in all partitions: an index in each is the answer then. The time is that of
the partitions that gave no row: those a condition on the key would have left out.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison, read_condition
from analyzer.plans.payers import is_lazy
from analyzer.plans.scans import alias_in_query, partitioned_table
from analyzer.schema.facts import TableFacts

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")

check = Check(
    __name__,
    code="PL023",
    title="Every partition is read for few rows",
    severity=Severity.INFO,
    partitions=Threshold(4, "partitions read", "judgement: fewer cost little"),
    read_ratio=Threshold(0.50, "partitions read / all in the plan", "judgement"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it the query wants much of the table"),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
)


@check.on(PlanNode, "Append", "Merge Append")
def no_partition_pruning(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.count("Subplans Removed"):
        return
    partitions = [_scan(child) for child in node.children if not is_lazy(child)]
    scans = [scan for scan in partitions if scan is not None]
    executed = [scan for scan in scans if scan.loops]
    if len(scans) < len(partitions) or len(executed) < max(check["partitions"], len(scans) * check["read_ratio"]):
        return
    if not _are_partitions(scans):
        return
    read = sum((scan.total_rows_scanned_bounds or (0.0, 0.0))[0] for scan in executed)
    kept = sum((scan.total_actual_rows_bounds or (0.0, 0.0))[1] for scan in executed)
    if read < check["rows_read"] or kept > read * check["kept_ratio"]:
        return
    first = executed[0]
    conditions = [c for text in first.conditions.values() if (c := read_condition(text)) is not None]
    comparisons = [comparison for condition in conditions for comparison in condition.comparisons]
    if not comparisons:
        return
    top = partitioned_table(first, context.facts)
    key = _key(top)
    hidden = _hidden(comparisons, key)
    empty = [scan for scan in executed if (scan.total_actual_rows_bounds or (0.0, 1.0))[1] == 0]
    if key is not None and hidden is None and any(c.column and c.column.name in key for c in comparisons):
        return  # the key is compared as it is: what is left is what it lies in
    times = [scan.total_time_ms for scan in empty]
    known = [time for time in times if time is not None]
    time_ms = sum(known) if known and len(known) == len(times) else None
    name = _table_name(first, top)
    why = (
        f"{hidden} hides the partition key"
        if hidden is not None and (key is not None or empty)
        else "no condition on the partition key" + (f" ({', '.join(key)})" if key else "")
    )
    what = "Compare the bare key, with its own type: a range instead of a function or cast"
    yield check.finding(
        subject=f"{node.label} of {name}",
        message=(
            f"All {len(executed)} partitions of {name} that the plan has were read,"
            f" {sum(s.total_rows_scanned or 0 for s in executed):,.0f} rows, to keep"
            f" {sum(s.total_actual_rows or 0 for s in executed):,.0f}; {len(empty)} of them gave none: {why}."
        ),
        hint=(
            f"{what}." if "hides" in why else
            "Where the caller knows the partition key's value or range, add it to the query. Else an index in each"
            " partition has to find the rows."
        ),
        evidence={
            "partitions_read": len(executed), "partitions_empty": len(empty),
            **rounded(rows_read=sum(s.total_rows_scanned or 0 for s in executed),
                      rows_kept=sum(s.total_actual_rows or 0 for s in executed)),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=top.qualified_name if top is not None else None,
    )  # fmt: skip


def _scan(child: PlanNode) -> PlanNode | None:
    """The scan of a partition, also below a Sort (of a Merge Append)."""
    while child.node_type in ("Sort", "Incremental Sort", "Result") and len(child.children) == 1:
        child = child.children[0]
    return child if child.node_type in SCANS else None


def _are_partitions(scans: list[PlanNode]) -> bool:
    """Under one alias in the query, each another table: UNION ALL has an alias for each."""
    aliases = {alias_in_query(scan) for scan in scans}
    tables = {(scan.schema, scan.relation_name) for scan in scans}
    return len(aliases) == 1 and len(tables) == len(scans)


def _key(table: TableFacts | None) -> tuple[str, ...] | None:
    """Columns of ``RANGE (day)``; None where they are not known."""
    inside = re.search(r"\((.*)\)", table.partition_key or "") if table is not None else None
    return tuple(re.findall(r"[a-z_][\w$]*", inside[1])) if inside else None


def _hidden(comparisons: list[Comparison], key: tuple[str, ...] | None) -> str | None:
    """A comparison with something around the key; where that is not known, around any column if all are so."""
    wrapped = [c for c in comparisons if c.columns and (c.functions or c.casts or c.operators)]
    if key is not None:
        wrapped = [c for c in wrapped if any(column.name in key for column in c.columns)]
    elif len(wrapped) < len(comparisons):
        return None
    return shown(wrapped[0].text, 120) if wrapped else None


def _table_name(scan: PlanNode, top: TableFacts | None) -> str:
    return top.name if top is not None else alias_in_query(scan) or "the table"
