"""Join that drops most of the rows that were read, looked up or grouped for it.

The condition that decides stands on the other side, and comes last: all of a table is read, or groups are made of all
of it, and then the join keeps those few that have a partner. To verify, compare the rows of the join's two sides with
those that it gave. To mend it, let the condition come first: say it of the large table itself where it has a column
that goes with it (a range of the day's key beside the day); write a grouped subquery as LATERAL, or put the condition
into it, so that only groups which are asked for are made; give the large table one index over all the columns that it
is joined by. Leave it alone where the kept rows are a good part of the table and the statement is rare: an index that
finds a tenth of all rows one by one is no faster. A join that something above it stopped early, such as a LIMIT, is
not judged: nobody knows what else it would have given. The time is what the side and the join took, as much of it as
the dropped rows are of all.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EveryOther, EvidenceLevel, Threshold
from analyzer.checks.joins import JOINS, below_same_rows, rounded, side, tables_below
from analyzer.checks.node import place, run_time_ms, shown, time_evidence, time_ratio
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.cut_short import comparable
from analyzer.plans.parallel import is_shared
from analyzer.words.lists import and_list, some_of

# the sides whose rows are dropped where they find no partner
DROPS = {
    "Inner": ("Outer", "Inner"),
    "Semi": ("Outer",),
    "Right Semi": ("Inner",),
    "Left": ("Inner",),
    "Right": ("Outer",),
}
GROUPS = frozenset(("Aggregate", "Group", "Unique", "WindowAgg"))
# for information, and of something else than the time of joins; 43 says less of the same
TOLD_BESIDE = frozenset({
    "PL006", "PL043", "PL057", "PL058", "PL061", "PL073", "PL074", "PL079", "PL080", "PL083", "PL094", "PL106", "PL110",
    "PL111",
})  # fmt: skip

check = Check(
    __name__,
    code="PL109",
    title="Join drops most of the rows that were made for it",
    severity=Severity.INFO,
    gives_way_to=EveryOther(but=TOLD_BESIDE),
    rows=Threshold(1_000, "rows", "judgement: fewer are no work"),
    kept_ratio=Threshold(0.20, "rows given / rows of the side", "judgement: above it another order gains little"),
    time=Threshold(5, "ms", "judgement: a shorter run is not worth another way to write it"),
    time_ratio=Threshold(0.30, "time / execution time", "judgement: less is not worth another way to write it"),
)


@check.on(Plan)
def join_drops_most_rows(plan: Plan, context: Context) -> Iterator[Finding]:
    wasteful = [each for node in plan if node.node_type in JOINS and (each := _dropped(node)) is not None]
    if not wasteful:
        return
    time_ms, join, big = max(wasteful, key=lambda each: each[0])
    other = side(join, "Inner" if big.parent_relationship == "Outer" else "Outer")
    rows = (big.total_actual_rows or 0.0) / _copies(big)
    given = (join.total_actual_rows or 0.0) + (join.total_rows_removed_by_filter or 0.0)
    yield check.finding(
        subject=join.label,
        message=(
            f"{join.label} gave {given:,.0f} row{'' if given == 1 else 's'} for {rows:,.0f} that were {_made(big)}:"
            f" most of these have no partner in {_partners(join, other)}."
        ),
        hint=_hint(big, other),
        evidence={**rounded(rows_made=rows, rows_kept=given), **time_evidence(time_ms, join)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
        at_most=Severity.INFO,
        also_at=(place(join), place(big)),
    )


def _dropped(join: PlanNode) -> tuple[float, PlanNode, PlanNode] | None:
    """The time that dropped rows took, the join and the side that they came from."""
    given = _most_given(join)
    if given is None or not join.loops or (join.plan is not None and join in comparable(join.plan).stopped):
        return None
    dearest: tuple[float, PlanNode, PlanNode] | None = None
    for which in DROPS.get(join.join_type or "Inner", ()):
        big = side(join, which)
        bounds = big.total_actual_rows_bounds if big is not None else None
        if big is None or bounds is None:
            continue
        rows = bounds[0] / _copies(big)
        if rows <= 0 or rows < check["rows"] or given > rows * check["kept_ratio"]:
            continue
        if join.node_type == "Nested Loop" and which == "Inner":
            continue  # looked up for the outer side's rows
        if next(tables_below(big), None) is None:
            continue  # a WITH query, read again
        spent_ms = _spent_ms(join, big)
        time_ms = None if spent_ms is None else spent_ms * (1 - given / rows)
        if time_ms is not None and time_ms >= check["time"] and (time_ratio(time_ms, join) or 0) >= check["time_ratio"]:
            dearest = max(dearest or (0.0, join, big), (time_ms, join, big), key=lambda each: each[0])
    return dearest


def _most_given(join: PlanNode) -> float | None:
    """Rows that the join put together, with those that an outer join's Filter then threw away."""
    given, removed = join.total_actual_rows_bounds, join.total_rows_removed_by_filter_bounds
    return None if given is None or removed is None else given[1] + removed[1]


def _copies(big: PlanNode) -> float:
    """How many processes made the same rows, each for itself."""
    return 1.0 if is_shared(big) else max(1.0, min(big.processes, big.loops or 0))


def _spent_ms(join: PlanNode, big: PlanNode) -> float | None:
    """On the side and the join; a Nested Loop looks its other side up for each of the rows."""
    if join.node_type == "Nested Loop":
        return join.total_time_ms
    if big.total_time_ms is None or join.exclusive_time_ms is None:
        return None
    return big.total_time_ms + max(0.0, join.exclusive_time_ms)


def _tables(top: PlanNode) -> str:
    names = list(dict.fromkeys(scan.relation_name or "" for scan in tables_below(top)))
    return some_of(names) if names else below_same_rows(top).label


def _largest(top: PlanNode) -> str:
    """The table that most of the rows are from."""
    scan = max(tables_below(top), key=lambda scan: scan.total_actual_rows or 0.0, default=None)
    return scan.relation_name or top.label if scan is not None else top.label


def _partners(join: PlanNode, other: PlanNode | None) -> str:
    filters = [scan.filter for scan in tables_below(other) if scan.filter is not None] if other is not None else []
    passes = [shown(filters[0], 120)] if len(filters) == 1 else []
    if "Join Filter" in join.conditions:
        passes.append("the Join Filter")
    return f"{_of_side(other)}{f' that passes {and_list(passes)}' if passes else ''}"


def _of_side(other: PlanNode | None) -> str:
    return "its other side" if other is None else _tables(other)


def _is_grouped(big: PlanNode) -> bool:
    """Whether at least half of its rows are groups."""
    half = (big.total_actual_rows or 0.0) / 2
    return any(node.node_type in GROUPS and (node.total_actual_rows or 0.0) >= half for node in big.walk())


def _made(big: PlanNode) -> str:
    return f"{'grouped' if _is_grouped(big) else 'read'} from {_tables(big)}"


def _hint(big: PlanNode, other: PlanNode | None) -> str:
    of_other, largest = _of_side(other), _largest(big)
    if _is_grouped(big):
        return (
            f"Groups are made of all before it is known which are asked for: put the condition on {of_other} into the"
            " grouped subquery as well, or write that as LATERAL, with an index on what it is grouped by."
        )
    return (
        f"Which rows are wanted is decided by {of_other}, and comes last. Where a column of {largest} goes with it, put"
        " a condition on that column, too (a range of keys beside a range of dates); or give"
        f" {largest} one index over all the columns that it is joined by."
    )
