"""Subquery that is run again for each row of the query around it.

A subquery in the output or in a condition that asks for columns of the outer tables is run once for each of their
rows: cheap for a few rows with an index, slow for many. To verify, look at the loops of the SubPlan. To fix it, join:
a LEFT JOIN to a derived table grouped by the correlated columns (``count`` gives NULL there where the subquery gave
0: write ``coalesce``), or LATERAL where each row needs its first few; EXISTS instead of ``count(*) > 0``; an index on
the correlated columns where there is none. Leave it alone where few outer rows are left after LIMIT, or where a
grouped join would read much more than these rows need. The time is that of all its runs: the most that can be saved.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import is_correlated, rounded
from analyzer.checks.node import run_time_ms, time_evidence, time_ratio
from analyzer.checks.rewrites import otherwise
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.statements.equivalents import COUNT, SUBQUERY
from analyzer.words.durations import time_words

ROUNDING_MS = 0.0005  # of a run's time, as printed

check = Check(
    __name__,
    code="PL041",
    title="Subquery runs once for each row",
    severity=Severity.WARNING,
    runs=Threshold(25, "runs", "judgement: fewer are as cheap as reading all that a join would"),
    time_ratio=Threshold(0.10, "its time / execution time", "judgement: less is not worth a change"),
    blocks=Threshold(1000, "blocks touched", "judgement: fewer are read in a millisecond or two"),
)


@check.on(Plan)
def correlated_subquery(plan: Plan, context: Context) -> Iterator[Finding]:
    for node in plan:
        if node.parent_relationship != "SubPlan" or (node.loops or 0) < check["runs"] or node.parent is None:
            continue
        runs, total_ms = (node.loops or 0), node.total_time_ms
        least_ms = None if total_ms is None else total_ms - ROUNDING_MS * runs / node.processes
        blocks = node.buffers.touched_blocks if node.buffers is not None else None
        if plan.has_timing:
            if least_ms is None or (time_ratio(least_ms, node) or 0.0) < check["time_ratio"]:
                continue
        elif blocks is None or blocks < check["blocks"]:
            continue
        if not is_correlated(node):
            continue  # an unhashed IN, which has its own check
        name = node.subplan_name or "SubPlan"
        took = f", {time_words(total_ms)} in all" if total_ms else ""
        written = otherwise(context, SUBQUERY, COUNT)
        yield check.finding(
            node=node,
            subject=f"{name} of {node.parent.label}",
            message=f"{name} ran {runs:,} times, once for each row of {node.parent.label}{took}.",
            hint=_hint(node) + written.why_not,
            fixes=written.fixes,
            evidence={**rounded(runs=runs, touched_blocks=blocks), **time_evidence(total_ms, node)},
            level=EvidenceLevel.EXECUTED,
            time_ms=total_ms,
            run_time_ms=run_time_ms(node),
        )


def _hint(top: PlanNode) -> str:
    if top.node_type == "Aggregate":
        return (
            "Join once instead: LEFT JOIN (SELECT key, aggregate ... GROUP BY key) on the key, with"
            " coalesce(count, 0) for a count; EXISTS where only count(*) > 0 is asked. With few outer rows, an"
            " index on the correlated columns."
        )
    if top.node_type == "Limit":
        return (
            "Give it an index on the correlated columns followed by its ORDER BY; LATERAL lets one such subquery"
            " bring all the columns that several bring one by one."
        )
    return (
        "Join the table instead (LEFT JOIN keeps rows without a match), or give the subquery an index on the correlated"
        " columns."
    )
