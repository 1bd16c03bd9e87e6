"""A statement that can give no row: the planner found its condition false before it read anything.

``One-Time Filter: false`` stands where conditions contradict each other (status = 'a' and status = 'b'), compare with
NULL (= NULL is never true, IS NULL is meant), or where a program wrote WHERE false for an empty list. The plan says
nothing then of how the statement runs with other values. To verify, look at the values that the statement was explained
with. Leave it alone where the program means to get nothing; it could spare the call. A branch of a UNION or a partition
that is left out this way is not reported: that is what constraints are for. It is not about time.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.node import SUBPLANS

check = Check(__name__, code="PL099", title="The condition is never true", severity=Severity.INFO)


@check.on(PlanNode, "Result")
def condition_is_false(node: PlanNode) -> Iterator[Finding]:
    if node.expression("One-Time Filter") != "false" or node.parent_relationship in SUBPLANS:
        return
    # one of several branches: the others give the rows
    if any(len(above.inputs) > 1 or above.parent_relationship in SUBPLANS for above in node.ancestors()):
        return
    yield check.finding(
        subject=node.label,
        message="The planner found the statement's condition false or NULL whatever the tables hold: it reads nothing.",
        hint=(
            "See whether conditions contradict each other or a value is NULL: = NULL is never true, IS NULL is."
            " If a tool put NULL in for the parameters, this is not the plan the statement runs with."
        ),
        evidence={"reads_nothing": True},
        level=EvidenceLevel.PLANNED,
    )
