"""count(*) over a whole large table.

PostgreSQL keeps no exact number of rows, because each transaction sees its own: every row (or index entry) is visited
each time. To verify, look for an Aggregate over a scan without condition. To fix it, ask what the number is for: an
estimate comes at once from ``pg_class.reltuples``; "is there any" is ``EXISTS``; a page needs one row more than it
shows, not the total; an exact number that is often wanted needs a counter kept by triggers. A vacuumed table lets an
Index Only Scan of a narrow index count faster. Leave it alone in a report that needs the exact number and runs rarely.
The time is the counting's, with its scan.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import run_time_ms, time_evidence
from analyzer.checks.scan import table_of, table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.schema.quoting import quote_literal
from analyzer.words.durations import time_words

SCANS = ("Seq Scan", "Index Only Scan", "Index Scan")
PASSED = ("Gather", "Append", "Aggregate", "Result")

check = Check(
    __name__,
    code="PL026",
    title="Every row of a large table is counted",
    severity=Severity.WARNING,
    rows=Threshold(1_000_000, "rows", "measured: 100 ms and more, cached, on PostgreSQL 13 to 18"),
)


@check.on(PlanNode, "Aggregate")
def count_of_many_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.strategy != "Plain" or node.raw.get("Partial Mode") == "Partial":
        return
    scans = _scans(node)
    if not scans or not _only_counts(node, scans):
        return
    rows = sum((scan.total_actual_rows_bounds or (0.0, 0.0))[0] for scan in scans)
    if rows < check["rows"]:
        return
    first = scans[0]
    name = first.relation_name or "the table"
    of = name if len(scans) == 1 else f"{len(scans)} partitions like {name}"
    time_ms, table = node.total_time_ms, table_sql(first) if len(scans) == 1 else None
    fixes: tuple[Fix, ...] = ()
    if table is not None:
        sql = f"SELECT reltuples::bigint AS about FROM pg_class WHERE oid = {quote_literal(table)}::regclass;"
        fixes = (Fix("About how many, as of the last VACUUM or ANALYZE (-1: never)", "sql", sql),)
    yield check.finding(
        subject=node.label,
        message=f"Counting all {rows:,.0f} rows of {of} took {time_words(time_ms) if time_ms else 'a scan of it all'}.",
        hint=(
            "Ask for what is needed: EXISTS for whether there is any, one row more than a page shows for whether"
            " there is a next one, pg_class.reltuples for about how many; an exact number that is wanted often"
            " needs a counter."
        ),
        evidence={**rounded(rows_counted=rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(first, context.facts) if len(scans) == 1 else None,
    )


def _scans(top: PlanNode) -> list[PlanNode]:
    """The scans without condition that it counts; none where anything else is below it."""
    scans, waiting = [], list(top.children)
    while waiting:
        node = waiting.pop()
        if node.node_type in SCANS:
            if node.conditions:
                return []
            scans.append(node)
        elif node.node_type in PASSED and not node.conditions:
            waiting += node.children
        else:
            return []
    return scans


def _only_counts(node: PlanNode, scans: list[PlanNode]) -> bool:
    """By what it puts out (VERBOSE); else by the scans' rows being of no width: no column is read."""
    if node.output:
        return all(text.replace("PARTIAL ", "") in ("count(*)", "(count(*))") for text in node.output)
    return all(scan.plan_width_bytes == 0 for scan in scans) and node.plan_width_bytes == 8
