"""WITH query that is computed whole although one condition outside wants few of its rows.

From 12 on a WITH query that is named once is planned together with what is around it, as a subquery would be, unless it
says MATERIALIZED, has a volatile function or locks rows; up to 11 it never is. Then no condition reaches its tables and
no index can serve it. To verify, write NOT MATERIALIZED (12 and newer) or a subquery in FROM and compare. To fix it,
do that, or repeat the condition inside. Leave it alone where the query inside must not run together with the rest, or
where it ends with LIMIT, DISTINCT, a window function or an aggregate (these are not reported). The time is that of the
WITH query and its scan, in proportion to the rows dropped.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import below_same_rows, rounded
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.checks.plan.subquery_fence import MEANT
from analyzer.checks.rewrites import otherwise
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan
from analyzer.plans.payers import cte_scans
from analyzer.statements.equivalents import FENCE

check = Check(
    __name__,
    code="PL025",
    title="WITH query is computed whole for few of its rows",
    severity=Severity.WARNING,
    rows_removed=Threshold(1000, "rows", "judgement: fewer cost under a millisecond"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it much of it was wanted"),
)


@check.on(Plan)
def cte_fence(plan: Plan, context: Context) -> Iterator[Finding]:
    for cte, scans in cte_scans(plan).items():
        if len(scans) != 1 or not scans[0].loops or below_same_rows(cte).node_type in MEANT:
            continue
        scan = scans[0]
        filter_, kept, removed = scan.filter, scan.total_actual_rows_bounds, scan.total_rows_removed_by_filter_bounds
        if filter_ is None or kept is None or removed is None or "SubPlan" in filter_:
            continue
        if removed[0] < check["rows_removed"] or kept[1] > (kept[0] + removed[0]) * check["kept_ratio"]:
            continue
        rows, left = scan.total_rows_removed_by_filter or 0.0, scan.total_actual_rows or 0.0
        total_ms = scan.total_time_ms
        time_ms = None if not total_ms else total_ms * rows / (rows + left)
        name = scan.raw.get("CTE Name") or "query"
        written = otherwise(context, FENCE)
        yield check.finding(
            node=scan,
            subject=scan.label,
            message=(
                f"WITH {name} was computed whole, {(cte.total_actual_rows or 0):,.0f} rows, for the {left:,.0f} that"
                f" {shown(filter_)} keeps."
            ),
            hint=(
                f"Write WITH {name} AS NOT MATERIALIZED (...), a subquery in FROM, or the condition inside {name}: it"
                " then reaches the tables, and an index can serve it. Up to 11 only the latter two do."
                f"{written.why_not}"
            ),
            fixes=written.fixes,
            evidence={**rounded(rows_removed=rows, rows_kept=left), **time_evidence(time_ms, scan)},
            level=EvidenceLevel.EXECUTED,
            time_ms=time_ms,
            run_time_ms=run_time_ms(scan),
        )
