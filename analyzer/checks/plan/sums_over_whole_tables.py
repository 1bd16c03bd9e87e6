"""Statement that reads whole large tables to make a few rows of sums, and does nothing else that could be mended.

So many rows count in the result that no index spares reading them, but for ``min`` and ``max`` of an indexed column,
and for DISTINCT of few values, where a recursive query looks up each value's successor (a loose index scan). It is said
only where no other check explains the time. To verify, compare the rows that the scans gave with those of the
result. To make it shorter: keep the result, in a materialized view or a table of sums by day that is kept up to
date; ask for fewer rows, by a range of time; let workers share the scan. Leave it alone in a report that runs rarely.
It is informational, however long it takes. A scan that may have been stopped early, by LIMIT or a Merge Join, is not
taken for one of a whole table. The time is that of the topmost step that puts rows together, with all below.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EveryOther, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded, tables_below
from analyzer.checks.node import run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.cut_short import comparable
from analyzer.plans.node import SUBPLANS

WHOLE = ("Seq Scan", "Index Only Scan", "Index Scan")
PUTS_TOGETHER = frozenset(("Aggregate", "Group", "Unique", "SetOp", "WindowAgg"))
MOST_NAMED = 3

check = Check(
    __name__,
    code="PL106",
    title="Whole tables are read for a few rows of sums",
    severity=Severity.INFO,
    gives_way_to=EveryOther(),
    rows=Threshold(100_000, "rows", "measured: cached, 10 to 20 ms a scan on PostgreSQL 15"),
    kept_ratio=Threshold(0.05, "rows given / read of a scan", "judgement: fewer are worth an index"),
    whole_ratio=Threshold(0.50, "rows read so / by all scans", "judgement: else the statement does other things"),
    groups_ratio=Threshold(0.05, "rows given / read", "judgement: more are a list, not sums"),
    run_time=Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    time_ratio=Threshold(0.50, "time / execution time", "judgement: it is what the statement does"),
)


@check.on(Plan)
def sums_over_whole_tables(plan: Plan, context: Context) -> Iterator[Finding]:
    top, run_ms = _puts_together(plan), run_time_ms(plan.root)
    given = _given(plan, top) if top is not None else None
    if top is None or given is None or (run_ms or 0.0) < check["run_time"]:
        return
    stopped = comparable(plan).stopped
    scans = [scan for scan in tables_below(top) if scan.loops]
    whole = [scan for scan in scans if scan not in stopped and _is_whole(scan)]
    read = sum(scan.total_rows_scanned or 0.0 for scan in whole)
    if read < check["rows"] or given > read * check["groups_ratio"]:
        return
    if read < check["whole_ratio"] * sum(scan.total_rows_scanned or 0.0 for scan in scans):
        return
    if (time_ratio(top.total_time_ms, top) or 0.0) < check["time_ratio"]:
        return
    tables = list(dict.fromkeys(scan.relation_name or "" for scan in whole))
    kept = sum(scan.total_actual_rows or 0.0 for scan in whole)
    rows = "one row" if given == 1 else f"{given:,.0f} rows" if given else "no row"
    yield check.finding(
        subject="Statement",
        message=(
            f"The statement read {read:,.0f} rows, all of {_named(tables)}{_kept(kept, read)}, and made {rows} of them."
        ),
        hint=(
            f"{_why_no_index(kept, read, _rows_put_together(top))} Where it is asked often, keep the result: a"
            " materialized view, or sums by day in a table; or ask for fewer rows, by a range of time."
        ),
        evidence={**rounded(rows_read=read, rows_given=given), **time_evidence(top.total_time_ms, top)},
        level=EvidenceLevel.EXECUTED,
        time_ms=top.total_time_ms,
        run_time_ms=run_ms,
        at_most=Severity.INFO,
        table=table_of(whole[0], context.facts) if len(tables) == 1 else None,
    )


def _puts_together(plan: Plan) -> PlanNode | None:
    """The topmost step that makes fewer rows of many."""
    return next((node for node in plan if node.node_type in PUTS_TOGETHER and node.loops), None)


def _given(plan: Plan, top: PlanNode) -> float | None:
    """Rows of the result; what is not the result, or is written, has made as many as the step itself gave."""
    is_part = any(node.parent_relationship in SUBPLANS or node.node_type == "ModifyTable" for node in _up(top))
    return (top if is_part else plan.root).total_actual_rows


def _up(top: PlanNode) -> Iterator[PlanNode]:
    yield top
    yield from top.ancestors()


def _named(tables: list[str]) -> str:
    more = len(tables) - MOST_NAMED
    return ", ".join(tables[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _kept(kept: float, read: float) -> str:
    return f", of which {kept:,.0f} passed the filters" if kept < read else ""


def _rows_put_together(top: PlanNode) -> float:
    """Rows that come into the lowest steps that put them together."""
    steps = [node for node in top.walk() if node.node_type in PUTS_TOGETHER]
    return max((child.total_actual_rows or 0.0 for node in steps for child in node.inputs), default=0.0)


def _why_no_index(kept: float, read: float, together: float) -> str:
    if kept * 2 >= read and together * 2 >= kept:
        return (
            "So many of them count in the result that no index spares reading them (but for min, max and DISTINCT of an"
            " indexed column)."
        )
    left = min(kept, together) / read
    if left < check["kept_ratio"]:
        return (
            "Filters and joins drop nearly all of them, each a part, and only after they are read: let the one that"
            " drops most come first, by an index, or by a condition on the large table itself."
        )
    return (
        f"What filters and joins leave, about {100 * left:.0f} % of them, is hardly found faster one by one through an"
        " index, unless it lies together in the table: then partitions, or a BRIN index, spare the rest."
    )


def _is_whole(scan: PlanNode) -> bool:
    """Read once, from its first row to its last, to keep many of them."""
    kept, read = scan.total_actual_rows, scan.total_rows_scanned
    if scan.node_type not in WHOLE or kept is None or read is None or "Index Cond" in scan.conditions:
        return False
    return kept >= read * check["kept_ratio"] and (scan.loops or 0) <= scan.processes
