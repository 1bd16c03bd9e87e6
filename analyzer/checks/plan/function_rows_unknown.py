"""Function that gives many more rows than the planner takes for it, and is joined.

Of a set-returning function the planner knows nothing but its ROWS, which is 1,000 unless somebody said otherwise (100
or 10 for some of PostgreSQL's own), so a join planned for that may run its inner side a hundred times too often. To
verify, compare rows and actual rows of the Function Scan. To fix it: ``ALTER FUNCTION ... ROWS n`` with what it
usually gives; a planner support function where that depends on the arguments; or a temporary table, with ANALYZE, in
between. Leave it alone where the join above takes little of the statement. The time is that of the join's inner side
where it ran once for each row, else the join's own.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import JOINS, SAME_ROWS, rounded, side
from analyzer.checks.node import own_time_ms, place, run_time_ms, time_evidence, time_ratio
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.estimates import estimate_of
from analyzer.schema.quoting import quote_identifier

PASSES_ON = SAME_ROWS | {"Subquery Scan", "Result", "ProjectSet", *JOINS}

check = Check(
    __name__,
    code="PL019",
    title="Planner does not know how many rows a function gives",
    severity=Severity.WARNING,
    factor=Threshold(10, "actual / planned rows", "judgement: below it plans seldom change"),
    rows=Threshold(1000, "rows", "judgement: fewer cost little in any join"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth a change"),
)


@check.on(PlanNode, "Function Scan", "Table Function Scan")
def function_rows_unknown(node: PlanNode) -> Iterator[Finding]:
    estimate = estimate_of(node)
    bounds = node.total_actual_rows_bounds
    if estimate is None or bounds is None or estimate.direction != "under":
        return
    if estimate.least_factor < check["factor"] or bounds[0] < check["rows"]:
        return
    join = _join_above(node)
    if join is None:
        return
    time_ms = _cost_ms(join, node)
    if node.plan is not None and node.plan.has_timing and (time_ratio(time_ms, node) or 0) < check["time_ratio"]:
        return
    function = node.expression("Function Name")
    rows = _round_number(node.actual_rows or 0)
    name = f"{function}()" if function else "The function"
    fixes: tuple[Fix, ...] = ()
    if function:
        schema = f"{quote_identifier(node.schema)}." if node.schema else ""
        code = f"ALTER FUNCTION {schema}{quote_identifier(function)} ROWS {rows};"
        fixes = (
            Fix("Say how many rows it usually gives (with its argument types where it is overloaded)", "sql", code),
        )
    yield check.finding(
        subject=node.label,
        message=(
            f"{name} gave {node.actual_rows:,.0f} rows where the planner took {node.plan_rows:,.0f} for it, and chose"
            f" the {join.label} above for that."
        ),
        hint=(
            f"Say what it usually gives: ROWS {rows} in the function's definition; or write its rows into a temporary"
            " table, ANALYZE that and join it."
        ),
        evidence={
            **rounded(planned_rows=node.plan_rows, actual_rows=node.actual_rows),
            "estimate_factor": round(estimate.factor, 1),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        also_at=(place(join),),
    )


def _join_above(node: PlanNode) -> PlanNode | None:
    for ancestor in node.ancestors():
        if ancestor.node_type in JOINS:
            return ancestor
        if ancestor.node_type not in PASSES_ON:
            return None
    return None


def _cost_ms(join: PlanNode, function: PlanNode) -> float | None:
    inner = side(join, "Inner")
    if join.node_type == "Nested Loop" and inner is not None and not any(n is function for n in inner.walk()):
        return inner.total_time_ms
    return own_time_ms(join)


def _round_number(rows: float) -> int:
    """Two digits that matter: it is a usual number, not this run's."""
    digits = max(0, len(str(int(rows))) - 2)
    return max(1, int(round(rows, -digits)))
