"""Subquery that gives all its rows before the condition outside of it drops most of them.

PostgreSQL moves a condition into a subquery so that an index can serve it, unless something in the subquery forbids
that: OFFSET (also OFFSET 0, an old way to forbid it on purpose), FOR UPDATE, a volatile function in its output, or a
security barrier view with a condition that is not LEAKPROOF. To verify, write the condition into the subquery by hand
and compare. To fix it, do that, or remove what stands in the way. Leave it alone where the condition must see the
result as it is: after LIMIT, DISTINCT ON, a window function or an aggregate (these are not reported). The time is that
of the subquery in proportion to the rows dropped: what is saved where the condition can be checked early.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import below_same_rows, rounded
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

# below these a condition would mean something else
MEANT = ("Limit", "Unique", "WindowAgg", "Aggregate", "Group", "SetOp", "ProjectSet", "Recursive Union", "Append",
         "Merge Append", "ModifyTable")  # fmt: skip

check = Check(
    __name__,
    code="PL024",
    title="Condition is checked after a subquery instead of in it",
    severity=Severity.WARNING,
    rows_removed=Threshold(1000, "rows", "judgement: fewer cost under a millisecond"),
    kept_ratio=Threshold(0.50, "kept / read", "judgement: above it the subquery had to give most rows anyway"),
)


@check.on(PlanNode, "Subquery Scan")
def subquery_fence(node: PlanNode) -> Iterator[Finding]:
    filter_, kept, removed = node.filter, node.total_actual_rows_bounds, node.total_rows_removed_by_filter_bounds
    if not node.loops or filter_ is None or kept is None or removed is None or "SubPlan" in filter_:
        return
    if removed[0] < check["rows_removed"] or kept[1] > (kept[0] + removed[0]) * check["kept_ratio"]:
        return
    inputs = [child for child in node.children if child.parent_relationship == "Subquery"]
    if len(inputs) != 1 or (below := below_same_rows(inputs[0])).node_type in MEANT:
        return
    rows, left = node.total_rows_removed_by_filter or 0.0, node.total_actual_rows or 0.0
    time_ms = None if not node.total_time_ms else node.total_time_ms * rows / (rows + left)
    why = "it locks its rows" if below.node_type == "LockRows" else "OFFSET, a volatile function or a security barrier"
    yield check.finding(
        subject=node.label,
        message=(
            f"The subquery {node.alias or ''} gave {rows + left:,.0f} rows, of which {shown(filter_)} then dropped"
            f" {rows:,.0f}.".replace("  ", " ")
        ),
        hint=(
            f"Write the condition into the subquery: something keeps PostgreSQL from moving it there ({why}). An index"
            " can serve it then."
        ),
        evidence={**rounded(rows_removed=rows, rows_kept=left), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )
