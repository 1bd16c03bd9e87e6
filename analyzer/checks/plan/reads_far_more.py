"""Join of tables that reads a thousand times more rows than it returns.

Rows that are read and then dropped, by a filter or by a join that finds no partner, cost nearly as much as those that
are returned. To verify, follow the row counts of the plan from its leaves up and see where they fall. To fix it, find
the condition that drops the most and serve it first: an index on it (with the join's column), the condition written
inside a subquery, EXISTS instead of a join that is made distinct later. Leave it alone where the statement is fast
enough, or where few rows have to be found by going through all. Statements that group, count or limit their rows are
not reported.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import JOINS, SCANS_OF_TABLES, rounded
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan

REDUCES = ("Aggregate", "Group", "Unique", "WindowAgg", "Limit", "SetOp", "ModifyTable", "Recursive Union")

# of the join, the scan or the subquery that reads them
EXPLAINS_IT = (
    "PL003", "PL004", "PL017", "PL021", "PL022", "PL031", "PL032", "PL033", "PL041", "PL042", "PL105", "PL109",
)  # fmt: skip

check = Check(
    __name__,
    code="PL043",
    title="Join reads far more rows than it returns",
    severity=Severity.INFO,
    gives_way_to=EXPLAINS_IT,
    read_ratio=Threshold(1000, "rows read / returned", "judgement"),
    rows_read=Threshold(100_000, "rows", "measured: 5 ms and more, cached, on PostgreSQL 13 to 18"),
)


@check.on(Plan)
def reads_far_more(plan: Plan) -> Iterator[Finding]:
    returned = plan.root.total_actual_rows_bounds
    if not plan.root.loops or returned is None or len(plan.nodes) < 3:
        return
    types = {node.node_type for node in plan}
    if not types.intersection(JOINS) or types.intersection(REDUCES):
        return
    scans = [n for n in plan if n.node_type in SCANS_OF_TABLES and n.loops]
    read = sum((scan.total_rows_scanned_bounds or (0.0, 0.0))[0] for scan in scans)
    if read < check["rows_read"] or read < check["read_ratio"] * max(1.0, returned[1]):
        return
    most = max(scans, key=lambda scan: scan.total_rows_scanned or 0.0)
    rows, given = sum(scan.total_rows_scanned or 0.0 for scan in scans), plan.root.total_actual_rows or 0.0
    yield check.finding(
        subject="the statement",
        message=(
            f"The statement read {rows:,.0f} rows to return {given:,.0f}; {most.total_rows_scanned or 0:,.0f} of"
            f" them in {most.label}."
        ),
        hint=(
            f"See which condition drops the rows of {most.label}, and serve it first: by an index on that"
            " condition and the join's column, or by a condition that reaches this table earlier."
        ),
        evidence=rounded(rows_read=rows, rows_returned=given),
        level=EvidenceLevel.EXECUTED,
        run_time_ms=run_time_ms(plan.root) if plan.has_timing else None,
    )
