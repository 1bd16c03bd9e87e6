"""OR between conditions on two tables, decided only after both were joined.

``a.x = 1 OR b.y = 2`` cannot be checked on either table alone, so all rows of both are read and joined before the most
are dropped; no index can serve. To verify, run each arm of the OR alone and compare. To fix it, write two queries, one
for each arm, and join their results by UNION with both tables' primary keys in the output (UNION drops rows that both
arms find; without the keys it also drops rows that only look alike); or UNION ALL with the first arm excluded in the
second, minding NULLs. What ON of an outer join, EXISTS or NOT EXISTS asks is not meant: two queries
would give other rows. Leave it alone where an arm keeps most rows. The time is the join's own, in proportion to the
rows dropped; reading both tables comes on top.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.rewrites import otherwise
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison, Condition, read_condition
from analyzer.statements.equivalents import OR

# joins of which a query for each arm gives the same rows: an outer one makes up a row of NULLs where ON is false
SAME_ROWS = {"Join Filter": (None, "Inner"), "Filter": (None, "Inner", "Left", "Right", "Full")}

check = Check(
    __name__,
    code="PL033",
    title="OR across tables is decided after the join",
    severity=Severity.WARNING,
    rows_removed=Threshold(10_000, "rows", "judgement: fewer take about a millisecond"),
    removed_ratio=Threshold(10, "removed / kept", "judgement: below it many of the joined rows were wanted"),
)


@check.on(PlanNode, "Nested Loop", "Hash Join", "Merge Join")
def or_across_tables(join: PlanNode, context: Context) -> Iterator[Finding]:
    for key, removed, mean in (
        ("Join Filter", join.total_rows_removed_by_join_filter_bounds, join.total_rows_removed_by_join_filter),
        ("Filter", join.total_rows_removed_by_filter_bounds, join.total_rows_removed_by_filter),
    ):
        text, kept = join.expression(key), join.total_actual_rows_bounds
        if join.join_type not in SAME_ROWS[key]:
            continue
        if not join.loops or text is None or " OR " not in text or removed is None or kept is None or mean is None:
            continue
        if removed[0] < check["rows_removed"] or removed[0] < check["removed_ratio"] * max(1.0, kept[1]):
            continue
        condition = read_condition(text)
        if condition is None or not _is_across(condition):
            continue
        left = join.total_actual_rows or 0.0
        own_ms = own_time_ms(join)
        time_ms = None if own_ms is None else own_ms * mean / (mean + left)
        written = otherwise(context, OR)
        yield check.finding(
            subject=join.label,
            message=(
                f"{join.label} joined {mean + left:,.0f} rows and dropped {mean:,.0f} of them by {shown(text)},"
                " which no table can decide alone."
            ),
            hint=(
                "Write one query for each arm of the OR and join them by UNION, with both tables' primary keys"
                " in the output so that only rows found twice are dropped: each arm can then use its table's index."
                f"{written.why_not}"
            ),
            evidence={**rounded(rows_removed=mean, rows_kept=left), **time_evidence(time_ms, join)},
            level=EvidenceLevel.EXECUTED,
            fixes=written.fixes,
            time_ms=time_ms,
            run_time_ms=run_time_ms(join),
        )
        return


def _is_across(condition: Condition) -> bool:
    """An OR with arms that need different tables, or that each need both.

    Each arm with a column as it is: no index serves what is computed of one, and of an aggregate no query of its own.
    """
    for arms in condition.alternatives:
        if not all(any(comparison.column is not None for comparison in arm) for arm in arms):
            continue
        tables = [_tables(arm) for arm in arms]
        if len({frozenset(t) for t in tables}) > 1 or all(len(t) > 1 for t in tables):
            return len(set().union(*tables)) > 1
    return False


def _tables(arm: tuple[Comparison, ...]) -> set[str]:
    return {c.alias for comparison in arm for c in (*comparison.columns, *comparison.other_columns) if c.alias}
