"""Table that is read whole again for each of several aggregates, which one pass over it would give together.

``(SELECT count(*) FROM t WHERE a < 5)``, ``(SELECT avg(b) FROM t WHERE a >= 5)`` and the like each read ``t`` from its
first row to its last. ``SELECT count(*) FILTER (WHERE a < 5), avg(b) FILTER (WHERE a >= 5) FROM t`` reads it once. To
verify, compare the sequential scans of the table. Leave it alone where the statement is rare; where each of them keeps
few rows an index is better, which is told instead. It speaks of aggregates without GROUP BY over that table alone. The
time is that of the scans but for the longest one.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, place, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import is_system_table, table_of, table_sql
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode

PASSES = ("Gather", "Gather Merge", "Sort", "Incremental Sort")
GROUPED = frozenset(("Group Key", "Grouping Sets"))  # the latter: ROLLUP and CUBE, too

check = Check(
    __name__,
    code="PL108",
    title="Table is read again for each of several aggregates",
    severity=Severity.WARNING,
    gives_way_to=("PL004", "PL014", "PL015", "PL016", "PL017", "PL041"),
    scans=Threshold(3, "scans", "judgement: two are seldom worth another way to write it"),
    rows=Threshold(10_000, "rows / scan", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    time_ratio=Threshold(0.30, "time / execution time", "judgement: less is not worth another way to write it"),
)


@check.on(Plan)
def same_table_summed_again(plan: Plan, context: Context) -> Iterator[Finding]:
    by_table: dict[tuple[str | None, str], list[PlanNode]] = {}
    for node in plan:
        if node.node_type == "Seq Scan" and node.relation_name and _is_summed_alone(node):
            by_table.setdefault((node.schema, node.relation_name), []).append(node)
    for (_, name), scans in by_table.items():
        times = [own_time_ms(scan) for scan in scans]
        known = [time for time in times if time is not None]
        if len(scans) < check["scans"] or len(known) < len(scans):
            continue
        time_ms = sum(known) - max(known)
        if (time_ratio(time_ms, scans[0]) or 0.0) < check["time_ratio"]:
            continue
        read = sum(scan.total_rows_scanned or 0.0 for scan in scans)
        yield check.finding(
            node=scans[0],
            subject=scans[0].label,
            message=f"{name} is read whole {len(scans)} times, {read:,.0f} rows, for one aggregate or a few each time.",
            hint=(
                "Read it once: SELECT count(*) FILTER (WHERE ...), avg(...) FILTER (WHERE ...) FROM"
                f" {table_sql(scans[0], context.facts)} gives all of them in one pass, as a WITH query or a subquery in"
                " FROM."
            ),
            evidence={"scans": len(scans), **rounded(rows_read=read), **time_evidence(time_ms, scans[0])},
            level=EvidenceLevel.EXECUTED,
            time_ms=time_ms,
            run_time_ms=run_time_ms(scans[0]),
            table=table_of(scans[0], context.facts),
            also_at=tuple(place(scan) for scan in scans[1:]),
        )


def _is_summed_alone(scan: PlanNode) -> bool:
    """Read once, and straight into an aggregate that makes one row."""
    if not scan.loops or scan.loops > scan.processes or is_system_table(scan):
        return False
    if (scan.total_rows_scanned or 0.0) < check["rows"]:
        return False
    above = scan.parent
    while above is not None and above.node_type in PASSES:
        above = above.parent
    return above is not None and above.node_type == "Aggregate" and GROUPED.isdisjoint(above.raw)
