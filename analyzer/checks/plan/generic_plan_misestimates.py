"""Generic plan that expects far fewer rows than these values have.

After five runs a prepared statement may get a plan for any values, shown by $1 in its conditions. It assumes that
values are spread evenly; for a value that is much more frequent it chooses the wrong scan or join. Plans made for
each value (plan_cache_mode = force_custom_plan) know them from the statistics, and cost planning on each run. To
verify, compare EXPLAIN ANALYZE EXECUTE under both settings for this value and for a rare one. Leave it alone where
both plans are the same, or where planning takes longer than is lost. What suffering nodes took is counted of the
run's time, as an upper bound; without any the finding is informational.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.misestimated import (
    cost_ms,
    misestimate_evidence,
    misestimates_of,
    rows_in_words,
    statement_parameters,
)
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import read_condition

check = Check(
    __name__,
    code="PL075",
    title="Generic plan of a prepared statement misjudges its values",
    severity=Severity.WARNING,
    factor=Threshold(10, "actual / planned rows", "judgement: below it plans seldom change"),
    rows=Threshold(1_000, "rows", "judgement: of fewer no plan is wrong by much"),
)


@check.on(Plan)
def generic_plan_misestimates(plan: Plan) -> Iterator[Finding]:
    for wrong in misestimates_of(plan):
        node = wrong.table_node
        came = wrong.estimate.actual_rows * (node.loops or 0)
        if wrong.direction != "under" or wrong.factor < check["factor"] or came < check["rows"]:
            continue
        parameters = _parameters(plan, node)
        if not parameters:
            continue
        time_ms = cost_ms(wrong.sufferers)
        names = ", ".join(f"${number}" for number in sorted(parameters))
        yield check.finding(
            node=node,
            subject=node.label,
            message=f"{node.label} {rows_in_words(wrong)}: its plan was made for any value of {names}.",
            hint="Let the planner see the values: a plan for each run, in this transaction or for the role.",
            evidence=misestimate_evidence(wrong, time_ms),
            level=EvidenceLevel.EXECUTED,
            severity=Severity.WARNING if wrong.sufferers else Severity.INFO,
            time_ms=time_ms,
            run_time_ms=run_time_ms(node),
            table=node.table,
            fixes=(Fix("A plan for each value", "sql", "SET LOCAL plan_cache_mode = force_custom_plan;"),),
        )


def _parameters(plan: Plan, node: PlanNode) -> frozenset[int]:
    read = [read_condition(text) for text in node.conditions.values()]
    numbers = [condition.parameters for condition in read if condition is not None]
    return statement_parameters(plan, frozenset().union(*numbers))
