"""Join that compares pairs of rows one by one and drops most of them.

What stands in ``Join Filter`` cannot be looked up: each pair is made, then checked. Conditions that can be hashed,
merged or looked up in an index (equality of columns with the same type) never make the pairs. To verify, look at the
filter: a range (BETWEEN), an inequality, a cast or function on one side, an OR. To fix it, add an equality to the
condition where there is one (the day of a time range); for ranges, a GiST index on a range type and ``@>``; the same
type on both sides; of what a WITH query computes, which has no statistics, a temporary table that is analysed. Leave it
alone where the tables stay small. The time is the join's own (and of what keeps the inner side's rows), in proportion
to the pairs dropped.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded, side
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown, time_evidence, time_ratio
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Condition, read_condition

RANGES = frozenset(("<", "<=", ">", ">=", "<@", "@>", "&&"))
KEPT = ("Materialize", "CTE Scan", "Function Scan")  # their rows are made once, and gone through in each run
CTE_STATISTICS_FROM = 170_000  # of a column that the WITH query passes on as it is
FEWER = 10  # times; judgement: as far off, another join was right
# varchar has no operators of its own: the planner compares it as text, which keeps it from nothing
AS_TEXT = re.compile(r"\(((?:\w+\.)?\w+)\)::text")

check = Check(
    __name__,
    code="PL032",
    title="Join makes pairs of rows and drops most of them",
    severity=Severity.WARNING,
    gives_way_to=("PL033",),
    pairs_removed=Threshold(100_000, "pairs", "measured: 10 to 20 ms, cached, on PostgreSQL 13 to 18"),
    most_ratio=Threshold(3, "removed / kept", "judgement: below it half of the pairs or nearly that were wanted"),
    few_pairs_removed=Threshold(10_000, "pairs", "judgement: fewer take about a millisecond"),
    removed_ratio=Threshold(100, "removed / kept", "judgement: from there on also few pairs are a waste"),
    time_ratio=Threshold(0.02, "time / execution time", "judgement: less is lost in what else the statement does"),
)


@check.on(PlanNode, "Nested Loop", "Hash Join", "Merge Join")
def join_filter_discards(join: PlanNode, context: Context) -> Iterator[Finding]:
    removed, kept = join.total_rows_removed_by_join_filter_bounds, join.total_actual_rows_bounds
    filter_ = join.expression("Join Filter")
    if not join.loops or filter_ is None or removed is None or kept is None or removed[0] < check["few_pairs_removed"]:
        return
    many = removed[0] >= check["pairs_removed"] and removed[0] > check["most_ratio"] * kept[1]
    if not many and removed[0] < check["removed_ratio"] * max(1.0, kept[1]):
        return
    condition = read_condition(AS_TEXT.sub(r"\1", filter_))
    inner = side(join, "Inner")
    if _is_look_up(condition) and inner is not None and inner.node_type == "Seq Scan" and (inner.loops or 0) > 1:
        return  # the scan that is run again is the trouble, and is reported as such
    again = inner if join.node_type == "Nested Loop" and inner is not None and _is_read_again(inner) else None
    own_ms = own_time_ms(*(node for node in (join, again) if node is not None)) or own_time_ms(join)
    rows, left = join.total_rows_removed_by_join_filter or 0.0, join.total_actual_rows or 0.0
    time_ms = None if own_ms is None else own_ms * rows / (rows + left)
    ratio = time_ratio(time_ms, join)
    if ratio is not None and ratio < check["time_ratio"]:
        return
    yield check.finding(
        subject=join.label,
        # measured, and so short that rounding hides it
        severity=Severity.INFO if time_ms is None and join.actual_total_time_ms is not None else None,
        message=(
            f"{join.label} made {rows + left:,.0f} pairs of rows and dropped {rows:,.0f} of them by {shown(filter_)}."
        ),
        hint=_hint(join, condition, again, context),
        evidence={**rounded(pairs_removed=rows, rows_kept=left), **time_evidence(time_ms, join)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
        also_at=() if again is None else (place(again),),
    )


def _is_read_again(inner: PlanNode) -> bool:
    """Whether all its rows are made once more for each row of the other side, to be compared with it."""
    if inner.node_type in KEPT:
        return True
    return inner.node_type == "Seq Scan" and inner.filter is None and (inner.loops or 0) > 1


def _is_look_up(condition: Condition | None) -> bool:
    """Whether one of the conditions is the equality of two columns as they are."""
    comparisons = condition.comparisons if condition is not None else ()
    return any(c.operator == "=" and c.column is not None and c.other == "column" for c in comparisons)


def _of_unknown_rows(again: PlanNode | None, context: Context) -> str | None:
    """Of what a WITH query computes there are no statistics: the planner assumes a fixed share for each condition."""
    if again is None or again.node_type != "CTE Scan" or again.plan_rows is None or not again.actual_rows:
        return None
    name, planned, came = again.raw.get("CTE Name") or "query", max(1.0, again.plan_rows), again.actual_rows
    if planned * FEWER > came:
        return None
    read = came + (again.rows_removed_by_filter or 0.0)
    version = context.facts.server_version_num if context.facts is not None else CTE_STATISTICS_FROM
    has_some = version >= CTE_STATISTICS_FROM
    query = f"what WITH {name} computes, or of several of its columns together" if has_some else f"WITH {name}"
    return (
        f"The planner has no statistics of {query}: it expected {planned:,.0f} of its rows where {came:,.0f} came,"
        f" so all {read:,.0f} are gone through {again.loops or 0:,} times. Write {name} into a temporary table and"
        " ANALYZE that: its rows are then known, and can be hashed."
    )


def _hint(join: PlanNode, condition: Condition | None, again: PlanNode | None, context: Context) -> str:
    comparisons = condition.comparisons if condition is not None else ()
    if (unknown := _of_unknown_rows(again, context)) is not None and any(c.operator == "=" for c in comparisons):
        return unknown
    if _is_look_up(condition) and join.node_type == "Nested Loop":
        return (
            "The equality in it could be hashed or looked up in an index on one of its columns: the planner expected"
            " few rows, or the join's type or a setting (enable_hashjoin) forbids it. Compare planned and actual rows"
            " of both sides."
        )
    if any(c.operator == "=" for c in comparisons) and join.node_type == "Nested Loop":
        return (
            "Make the two sides of the equality comparable as they are: the same type, no function or cast around a"
            " column of both sides at once. PostgreSQL can then hash it or look it up in an index."
        )
    if join.node_type != "Nested Loop" and any(c.operator == "OR" for c in comparisons):
        if join.join_type not in (None, "Inner"):  # a query for each arm would give other rows
            return (
                "The sides are joined by an equality already; what drops the pairs is an OR. Another equality that both"
                " sides share (a day, a tenant), if there is one, makes fewer pairs: add it beside the OR."
            )
        return (
            "The sides are joined by an equality already; what drops the pairs is an OR that asks for columns of both."
            " A query for each arm, joined by UNION with both sides' keys in the output, lets an arm that asks for"
            " one side alone be served there."
        )
    if any(c.operator in RANGES for c in comparisons):
        return (
            "Add an equality that both sides share, if there is one (a day, a tenant). A range that contains a value"
            " can be looked up in a GiST index: range_type(from, to) @> value."
        )
    return "Find an equality that both sides share and add it to the join's condition: it can be hashed or looked up."
