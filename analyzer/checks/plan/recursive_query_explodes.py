"""WITH RECURSIVE that makes very many rows, or goes through very many rounds.

Each round joins what the last one found. Rows multiply where a node can be reached on several ways: UNION instead of
UNION ALL drops what the same round, or an earlier one, found already, and CYCLE (14+) stops at a cycle. Many rounds
of a row each are a loop written in SQL: generate_series() or a window function does that at once. In each round the
join needs an index on the column that leads to the next (the parent's id). To verify, count the rows by depth. Leave
it alone where the tree really is so large. All time of the Recursive Union is shown, an upper bound of what can be
saved.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode

SCANNED_RATIO = 0.10  # judgement: a table that is read faster needs no index for this

check = Check(
    __name__,
    code="PL062",
    title="Recursive query makes very many rows or rounds",
    severity=Severity.WARNING,
    rows=Threshold(100_000, "rows", "judgement: few trees are so large; measured: 0.1 s and more on PostgreSQL 18"),
    rounds=Threshold(1_000, "rounds", "judgement: no tree is so deep"),
)


@check.on(PlanNode, "Recursive Union")
def recursive_query_explodes(node: PlanNode) -> Iterator[Finding]:
    step = next((child for child in node.inputs if child.parent_relationship == "Inner"), None)
    bounds = node.total_actual_rows_bounds
    if not node.loops or step is None or bounds is None:
        return
    rounds = (step.loops or 0) / node.loops
    if bounds[0] < check["rows"] and rounds < check["rounds"]:
        return
    rows = node.total_actual_rows or 0.0
    time_ms = node.total_time_ms if node.actual_total_time_ms is not None else None
    evidence: dict[str, Quantity] = {"rows": round(rows), "rounds": round(rounds)}
    name = (node.subplan_name or "").removeprefix("CTE ")
    yield check.finding(
        subject=f"{node.label} {name}".strip(),
        message=f"The recursion{f' of {name}' if name else ''} made {rows:,.0f} rows in {rounds:,.0f} rounds.",
        hint=_hint(node, step, rows, rounds),
        evidence={**evidence, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )


def _hint(node: PlanNode, step: PlanNode, rows: float, rounds: float) -> str:
    runs = node.loops or 1
    if rounds >= check["rounds"] and rows / runs <= rounds * 2:
        said = (
            "With about one row a round this is a loop: generate_series(), a window function or a loop outside may do."
        )
    else:
        said = "Use UNION instead of UNION ALL where the same rows come again, and CYCLE (14+) against cycles."
    whole_ms = node.total_time_ms or 0.0
    scans = [
        below
        for below in step.walk()
        if below.node_type == "Seq Scan"
        and (below.loops or 0) > 1
        and (own_time_ms(below) or 0.0) >= whole_ms * SCANNED_RATIO
    ]
    table = next((scan.relation_name for scan in scans if scan.relation_name), None)
    by_index = f" {table} is read whole in every round: index the column that leads to the next rows." if table else ""
    return f"{said}{by_index}"
