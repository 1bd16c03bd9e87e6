"""Statement that reads whole large tables to make a few rows of sums, and does nothing else that could be mended.

Every row counts in the result, so no index spares reading them, but for ``min`` and ``max`` of an indexed column. It is
said only where no other check explains the time. To verify, compare the rows that the scans gave with those of the
Aggregate. To make it shorter: keep the result, in a materialized view or a table of sums by day that is kept up to
date; ask for fewer rows, by a range of time; let workers share the scan. Leave it alone in a report that runs rarely.
It is informational, however long it takes. The time is the Aggregate's with all below it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded, tables_below
from analyzer.checks.node import run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode

WHOLE = ("Seq Scan", "Index Only Scan", "Index Scan")
ABOVE = (
    "Limit",
    "Sort",
    "Incremental Sort",
    "Gather",
    "Gather Merge",
    "Result",
    "Subquery Scan",
    "Unique",
    "WindowAgg",
)
MOST_NAMED = 3

check = Check(
    __name__,
    code="PL106",
    title="Whole tables are read for a few rows of sums",
    severity=Severity.INFO,
    gives_way_to=tuple(f"PL{number:03}" for number in range(1, 109) if number != 106),
    rows=Threshold(100_000, "rows", "measured: cached, 10 to 20 ms a scan on PostgreSQL 15"),
    groups_ratio=Threshold(0.05, "rows given / read", "judgement: more are a list, not sums"),
    run_time=Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    time_ratio=Threshold(0.50, "time / execution time", "judgement: it is what the statement does"),
)


@check.on(Plan)
def sums_over_whole_tables(plan: Plan, context: Context) -> Iterator[Finding]:
    node = plan.root
    while node.node_type in ABOVE and len(node.inputs) == 1:
        node = node.inputs[0]
    run_ms, given = run_time_ms(node), node.total_actual_rows
    if node.node_type != "Aggregate" or not node.loops or given is None or (run_ms or 0.0) < check["run_time"]:
        return
    scans = [scan for scan in tables_below(node) if scan.loops]
    whole = [scan for scan in scans if _is_whole(scan)]
    read = sum(scan.total_rows_scanned or 0.0 for scan in whole)
    if _rows_summed(node) * 2 < max((scan.total_actual_rows or 0.0 for scan in whole), default=0.0):
        return
    if read < check["rows"] or read < 0.9 * sum(scan.total_rows_scanned or 0.0 for scan in scans):
        return
    if given > read * check["groups_ratio"] or (time_ratio(node.total_time_ms, node) or 0.0) < check["time_ratio"]:
        return
    tables = list(dict.fromkeys(scan.relation_name or "" for scan in whole))
    names = ", ".join(tables[:MOST_NAMED]) + (f" and {len(tables) - MOST_NAMED} more" if tables[MOST_NAMED:] else "")
    rows = "one row" if given == 1 else f"{given:,.0f} rows"
    yield check.finding(
        subject="Statement",
        message=f"The statement read {read:,.0f} rows, all of {names}, and made {rows} of them.",
        hint=(
            "Each of them counts in the result, so no index spares reading them (but for min and max of an indexed"
            " column). Where it is asked often, keep the result: a materialized view, or sums by day in a table; or"
            " ask for fewer rows, by a range of time."
        ),
        evidence={**rounded(rows_read=read, rows_given=given), **time_evidence(node.total_time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=node.total_time_ms,
        run_time_ms=run_ms,
        at_most=Severity.INFO,
        table=table_of(whole[0], context.facts) if len(tables) == 1 else None,
    )


def _rows_summed(top: PlanNode) -> float:
    """Rows that come into the Aggregate, below its partial ones."""
    node = top
    while len(node.inputs) == 1 and (node is top or node.node_type == "Aggregate" or node.node_type in ABOVE):
        node = node.inputs[0]
    return node.total_actual_rows or 0.0


def _is_whole(scan: PlanNode) -> bool:
    """Read once, from its first row to its last, to keep most of them."""
    kept, read = scan.total_actual_rows, scan.total_rows_scanned
    if scan.node_type not in WHOLE or kept is None or read is None or "Index Cond" in scan.conditions:
        return False
    return kept * 2 >= read and (scan.loops or 0) <= scan.processes
