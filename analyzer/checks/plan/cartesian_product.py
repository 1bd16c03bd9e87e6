"""Join of two sides without any condition between them.

Every row of one side is paired with every row of the other: their numbers are multiplied. Mostly a condition was
forgotten, or stands where it does not join (a comma in FROM, an OR, an outer table of the wrong alias). To verify, look
at the WHERE and ON of both tables. To fix it, add the condition that says which rows belong together. Leave it alone
where all pairs are wanted (each day with each product); a side of one row, functions and VALUES lists, and tables that
another join or a common value ties together are not reported. The time is the join's own and what was done with the
second side's rows to have them again.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import aliases_of, below_same_rows, refers_to, rounded, side
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition

MADE_UP = ("Function Scan", "Values Scan", "Table Function Scan", "Result", "ProjectSet", "WorkTable Scan",
           "Foreign Scan", "Custom Scan", "Named Tuplestore Scan")  # fmt: skip
VALUE = re.compile(r"= ((?:'(?:[^']|'')*'(?:::[\w ]+)?|-?\d[\d.]*|\$\d+))(?=\)|$| )")

check = Check(
    __name__,
    code="PL031",
    title="Join without a condition between its sides",
    severity=Severity.WARNING,
    pairs=Threshold(10_000, "pairs of rows", "judgement: fewer take about a millisecond"),
)


@check.on(PlanNode, "Nested Loop")
def cartesian_product(join: PlanNode) -> Iterator[Finding]:
    bounds = join.total_actual_rows_bounds
    if not join.loops or bounds is None or bounds[0] < check["pairs"] or join.join_type not in ("Inner", "Left", None):
        return
    if "Join Filter" in join.raw:
        return
    outer, inner = side(join, "Outer"), side(join, "Inner")
    if outer is None or inner is None or (outer.actual_rows or 0) <= 1 or (inner.actual_rows or 0) <= 1:
        return
    if any(below_same_rows(part).node_type in MADE_UP for part in (outer, inner)):
        return
    if any(node.node_type in MADE_UP or node.node_type == "Memoize" for node in inner.walk()):
        return  # what it takes of the outer side may not be printed
    left, right = aliases_of(outer), aliases_of(inner)
    if refers_to(inner, left - right) or not (left - right) or _are_tied(join, outer, inner):
        return
    again = inner if inner.node_type == "Materialize" else None
    time_ms = own_time_ms(*(node for node in (join, again) if node is not None)) or own_time_ms(join)
    rows = join.total_actual_rows or 0
    outer_rows, inner_rows = (outer.total_actual_rows or 0) / (join.loops or 1), inner.actual_rows or 0
    names = f"{_name(outer)} and {_name(inner)}"
    yield check.finding(
        subject=join.label,
        message=(
            f"{join.label} pairs each of {outer_rows:,.0f} rows with each of {inner_rows:,.0f}: {rows:,.0f} rows."
            f" Nothing in the plan joins {names}."
        ),
        hint=f"Look for the condition that should join {names}. If all pairs are wanted, it is right as it is.",
        evidence={
            **rounded(outer_rows=outer_rows, inner_rows=inner_rows, pairs=rows),
            **time_evidence(time_ms, join),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
    )


def _name(part: PlanNode) -> str:
    tables = [node.alias or node.relation_name for node in part.walk() if node.relation_name or node.alias]
    return " with ".join(dict.fromkeys(name for name in tables if name)) or part.label


def _are_tied(join: PlanNode, outer: PlanNode, inner: PlanNode) -> bool:
    """By a third table joined to both, or by equality with the same value, which PostgreSQL checks on each alone."""
    if _values(outer) & _values(inner):
        return True
    groups = [set(aliases_of(outer)), set(aliases_of(inner))]
    links = [aliases for node in join.plan or () for aliases in _links(node)]
    reached = set(groups[0])
    grew = True
    while grew:
        before = len(reached)
        for link in links:
            if link & reached:
                reached |= link
        grew = len(reached) > before
    return bool(reached & groups[1])


def _values(part: PlanNode) -> set[str]:
    texts = (text for node in part.walk() for text in node.conditions.values())
    return {value for text in texts for value in VALUE.findall(text)}


def _links(node: PlanNode) -> Iterator[set[str]]:
    """Tables that each of the node's conditions names together."""
    for text in node.conditions.values():
        condition = read_condition(text) if text.count(".") > 1 else None
        if condition is not None and len(condition.aliases) > 1:
            yield set(condition.aliases)
