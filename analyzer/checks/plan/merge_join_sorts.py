"""Merge join that has to sort its inputs first, and the sorting takes much of the statement.

A Merge Join pays when its inputs come in order already, from indexes. Sorting both only to join them mostly costs
more than a Hash Join, which the planner leaves out when the hash table would not fit into work_mem, when it is
switched off, or for kinds of joins that cannot be hashed. To verify, run the statement with ``SET LOCAL
enable_mergejoin = off`` in a test session. To fix it, an index in the order of the join's keys on the larger input;
or more work_mem for this statement. Leave it alone where the order is wanted by what comes above (ORDER BY, GROUP
BY). The time is the sorts' own.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, shown, shown_keys, time_evidence, time_ratio
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL037",
    title="Merge Join sorts its inputs",
    severity=Severity.WARNING,
    time_ratio=Threshold(0.40, "sorts' time / execution time", "judgement"),
    rows=Threshold(10_000, "rows", "judgement: fewer are sorted in a few milliseconds"),
)


@check.on(PlanNode, "Merge Join")
def merge_join_sorts(join: PlanNode) -> Iterator[Finding]:
    if not join.loops:
        return
    sorts = [sort for child in join.children if (sort := _sort(child)) is not None]
    inputs = [below for sort in sorts for below in sort.children[:1]]
    rows = sum((node.total_actual_rows_bounds or (0.0, 0.0))[0] for node in inputs)
    if not sorts or rows < check["rows"] * len(sorts):
        return
    time_ms = own_time_ms(*sorts)
    if join.plan is not None and join.plan.has_timing and (time_ratio(time_ms, join) or 0.0) < check["time_ratio"]:
        return
    keys = "; ".join(key for sort in sorts if (key := shown_keys(sort, "Sort Key")))
    condition = join.expression("Merge Cond")
    took = f", which took {time_words(time_ms)}" if time_ms is not None else ""
    yield check.finding(
        subject=join.label,
        message=(
            f"{join.label} on {shown(condition or 'its keys')} sorted {rows:,.0f} rows"
            f" {'of both inputs' if len(sorts) > 1 else 'of one input'} first{took}."
        ),
        hint=(
            f"An index that starts with the join's keys ({keys or 'as sorted'}) gives them in order; or more"
            " work_mem for this statement, so that a Hash Join fits into memory."
        ),
        evidence={**rounded(sorted_rows=rows), "sorts": len(sorts), **time_evidence(time_ms, join)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
    )


def _sort(child: PlanNode) -> PlanNode | None:
    if child.node_type == "Materialize" and len(child.children) == 1:
        child = child.children[0]
    return child if child.node_type == "Sort" and child.loops else None
