"""Condition with a list of a thousand literals or more.

Each element is parsed, planned and sent again with every call, the text has a new length each time (so that
pg_stat_statements up to 17 keeps it as a new statement), and up to 13 a filter compares every row with every element.
To verify, compare planning and execution time. To fix it, send the list as one array parameter, ``= ANY($1::int[])``,
which is one statement and one plan; or join ``unnest($1::int[])`` or a temporary table with ANALYZE, from which the
planner learns how many there are. Leave it alone in a statement run by hand.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, shown
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.words.durations import time_words

LISTS = ("= ANY", "<> ALL")
SCANNING = ("Index Cond", "Filter", "TID Cond", "Join Filter", "Hash Cond")

check = Check(
    __name__,
    code="PL020",
    title="Long list of literals in a condition",
    severity=Severity.INFO,
    elements=Threshold(1000, "elements", "judgement: from there on parsing and planning take a millisecond"),
)


@check.on(Plan)
def long_in_list(plan: Plan, context: Context) -> Iterator[Finding]:
    seen: set[str] = set()
    least = check["elements"]
    for node in plan:
        for key in SCANNING:
            text = node.raw.get(key)
            if not isinstance(text, str) or len(text) < least or not any(f"{list_} (" in text for list_ in LISTS):
                continue
            condition = read_condition(text)
            if condition is None:
                continue
            for comparison in condition.comparisons:
                elements = comparison.elements or 0
                name = str(comparison.columns[0].name) if comparison.columns else comparison.text
                if elements < least or f"{name} {elements}" in seen:
                    continue
                seen.add(f"{name} {elements}")  # a partitioned table's scans repeat it
                yield _finding(plan, node, shown(comparison.text, 120), elements, context)


def _finding(plan: Plan, node: PlanNode, text: str, elements: int, context: Context) -> Finding:
    evidence: dict[str, Quantity] = {"elements": elements}
    planned = ""
    if plan.planning_time_ms is not None:
        evidence["planning_time_ms"] = round(plan.planning_time_ms, 3)
        planned = f" Planning took {time_words(plan.planning_time_ms)}."
    return check.finding(
        node=node,
        subject=node.label,
        message=f"{text} of {node.label} holds a list of {elements:,} literals.{planned}",
        hint=(
            "Send them as one array parameter, = ANY($1::int[]) with the column's type: one statement, one text."
            " Or join unnest($1::int[]), or a temporary table after ANALYZE."
        ),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED if plan.is_analyzed else EvidenceLevel.PLANNED,
        run_time_ms=run_time_ms(node) if plan.has_timing else None,
        table=table_of(node, context.facts),
    )
