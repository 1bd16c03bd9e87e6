"""Foreign table whose rows are fetched to be thrown away on this server.

A condition that postgres_fdw cannot send is checked here, after the rows came over the network: a function or type that
is not built in, a collation that differs, a function that is not IMMUTABLE. To verify, look at ``Remote SQL`` (EXPLAIN
VERBOSE): the condition is not in its WHERE. To fix it, write the condition with built-in types and operators; list an
extension that both servers have in the foreign server's option ``extensions``; or filter in a view on the other side.
``fetch_size`` (100 rows by default) makes what has to come cheaper. Leave it alone where nearly all rows are wanted.
The time is that of the foreign scan, in proportion to the rows thrown away.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

LOCAL_FILES = ("Foreign File", "Foreign Program")  # file_fdw has nowhere to send a condition to

check = Check(
    __name__,
    code="PL021",
    title="Rows of a foreign table are filtered on this server",
    severity=Severity.WARNING,
    rows_removed=Threshold(1000, "rows", "judgement: ten fetches of postgres_fdw's default size"),
    kept_ratio=Threshold(0.50, "kept / fetched", "judgement: above it most of the rows had to come anyway"),
)


@check.on(PlanNode, "Foreign Scan")
def foreign_scan_filters_here(node: PlanNode, context: Context) -> Iterator[Finding]:
    filter_, kept, removed = node.filter, node.total_actual_rows_bounds, node.total_rows_removed_by_filter_bounds
    if not node.loops or filter_ is None or kept is None or removed is None:
        return
    fetched = kept[0] + removed[0]
    if removed[0] < check["rows_removed"] or kept[1] > fetched * check["kept_ratio"]:
        return
    if any(name in node.raw for name in LOCAL_FILES):
        return
    own_ms, rows = own_time_ms(node), node.total_rows_removed_by_filter or 0.0
    time_ms = None if own_ms is None else own_ms * rows / (rows + (node.total_actual_rows or 0.0))
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} fetched {rows + (node.total_actual_rows or 0):,.0f} rows and threw {rows:,.0f} of them away"
            f" here, by {shown(filter_)}."
        ),
        hint=(
            "Make the condition one that the other server can check: built-in types, operators and immutable functions,"
            " the same collation; what belongs to an extension of both sides with the foreign server's option"
            " extensions. What still has to come is cheaper with a larger fetch_size."
        ),
        evidence={**rounded(rows_removed=rows, rows_kept=node.total_actual_rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )
