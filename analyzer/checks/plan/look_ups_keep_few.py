"""Sequential scan whose rows are looked up in another table one by one, whose filter drops nearly all of them.

``sale JOIN day USING (day_id) WHERE day.date BETWEEN ...``: without an index on ``sale (day_id)`` each sale is looked
up in ``day`` by its key, and only then it turns out that the day is not one of those asked for. With the index a Nested
Loop begins with the few days. To verify, build it where it disturbs nobody: the table is then the inner side. Where an
index begins with the column, the planner weighed it and nothing is said; nor where the rows are grouped, numbered or
limited before they are looked up: no join can begin elsewhere then. Leave it alone where the statement is rare and the
table is written much. The time is that of the join with all below it, less what reading the other table, looking
up those of its rows that are asked for and fetching the rows that belong to them takes.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, NotRun, Threshold
from analyzer.checks.joins import rounded, side
from analyzer.checks.misestimated import ROW_MS
from analyzer.checks.node import place, run_time_ms, shown, time_evidence, time_ratio
from analyzer.checks.plan.join_keeps_few_of_scan import has_index
from analyzer.checks.scan import is_system_table, table_facts, table_of, table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.plans.cut_short import comparable
from analyzer.schema.quoting import quote_identifier

# what joins rows, or hands them on as they are
SAME_LEVEL = frozenset((
    "Nested Loop", "Hash Join", "Merge Join", "Gather", "Gather Merge", "Sort", "Incremental Sort", "Hash",
    "Materialize", "Memoize",
))  # fmt: skip

check = Check(
    __name__,
    code="PL107",
    title="Rows of a sequential scan are looked up to keep few of them",
    severity=Severity.WARNING,
    reads_figures=True,
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.05, "rows given / looked up", "judgement: above it the scan is often right"),
    look_up=Threshold(0.01, "ms", "measured: cached, 0.003 to 0.01 ms on PostgreSQL 15 and 18"),
    found=Threshold(0.004, "ms", "measured: a row found in a cached page of its own, 0.001 to 0.004 ms on 18"),
    saved_ratio=Threshold(0.50, "time saved / the join's", "judgement: the other table must be much cheaper to read"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth an index"),
)


@check.on(PlanNode, "Nested Loop")
def look_ups_keep_few(join: PlanNode, context: Context) -> Iterator[Finding]:
    outer, inner = side(join, "Outer"), _look_up(side(join, "Inner"))
    if outer is None or inner is None or not join.loops or join.join_type not in ("Inner", None):
        return
    looked_up, given = outer.total_actual_rows_bounds, join.total_actual_rows_bounds
    if looked_up is None or given is None or given[1] > looked_up[0] * check["kept_ratio"]:
        return
    compared = ((scan, _column(inner, scan)) for scan in _joined(outer) if _is_whole(scan))
    scan, column = next(((scan, column) for scan, column in compared if column is not None), (None, None))
    if scan is None or column is None or (scan.total_rows_scanned or 0.0) < check["rows_read"]:
        return
    table, other = table_facts(scan, context.facts), table_facts(inner, context.facts)
    if table is None or other is None or other.rows is None:
        if context.facts is None:
            raise NotRun(f"needs the schema, to tell whether an index of {scan.relation_name} begins with {column}")
        return
    whole_ms = join.total_time_ms
    share, read = given[1] / looked_up[0], scan.total_rows_scanned or 0.0  # of both tables, as of what was looked up
    other_ms = other.rows * ROW_MS + other.rows * share * check["look_up"] + read * share * check["found"]
    time_ms = None if whole_ms is None else whole_ms - other_ms
    if whole_ms is None or time_ms is None or time_ms < whole_ms * check["saved_ratio"] or has_index(table, column):
        return
    if (time_ratio(time_ms, join) or 0.0) < check["time_ratio"]:
        return
    asked, kept = outer.total_actual_rows or 0.0, join.total_actual_rows or 0.0
    is_cut_short = join.plan is not None and scan in comparable(join.plan).stopped
    rows = f"{'' if is_cut_short else 'all '}{read:,.0f} rows"
    yield check.finding(
        subject=join.label,
        message=(
            f"{join.label} read {rows} of {scan.relation_name} and looked {asked:,.0f} of them up in"
            f" {inner.relation_name} to keep {kept:,.0f} by {shown(inner.filter or '', 150)}: no index of"
            f" {scan.relation_name} begins with {column}."
        ),
        hint=(
            f"With an index on {scan.relation_name} ({column}) it can begin with the rows of {inner.relation_name} that"
            " are asked for, and find the few that belong to them."
        ),
        evidence={**rounded(rows_read=read, rows_looked_up=asked, rows_kept=kept), **time_evidence(time_ms, join)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
        table=table_of(scan, context.facts),
        also_at=(place(scan),),
        fixes=(
            Fix(
                "Index the column it is joined by",
                "sql",
                f"CREATE INDEX CONCURRENTLY ON {table_sql(scan, context.facts)} ({column});",
            ),
        ),
    )


def _joined(outer: PlanNode) -> Iterator[PlanNode]:
    """What is joined there, without what is computed first: an aggregate, a limit or a subplan stays where it is."""
    waiting = [outer]
    while waiting:
        node = waiting.pop()
        yield node
        if node.node_type in SAME_LEVEL:
            waiting.extend(reversed(node.inputs))


def _look_up(inner: PlanNode | None) -> PlanNode | None:
    """The index scan that looks a row up and then filters it, kept by Memoize or not."""
    if inner is not None and inner.node_type == "Memoize" and len(inner.inputs) == 1:
        inner = inner.inputs[0]
    is_look_up = inner is not None and inner.node_type == "Index Scan" and inner.filter is not None
    return inner if is_look_up and inner is not None and inner.loops else None


def _column(inner: PlanNode, scan: PlanNode) -> str | None:
    """The scan's column by which the look-up is done, quoted; None where it is an expression or another's."""
    text = inner.expression("Index Cond")
    condition = read_condition(text) if text is not None else None
    for comparison in condition.comparisons if condition is not None else ():
        asked = comparison.other_columns
        is_plain = comparison.operator == "=" and comparison.other == "column" and not comparison.other_functions
        if is_plain and len(asked) == 1 and asked[0].alias is not None and asked[0].alias == scan.alias:
            return quote_identifier(asked[0].name)
    return None


def _is_whole(scan: PlanNode) -> bool:
    """Read once, and most of it kept: a filter that keeps few is PL004's."""
    kept, read = scan.total_actual_rows, scan.total_rows_scanned
    if scan.node_type != "Seq Scan" or is_system_table(scan) or kept is None or read is None:
        return False
    return bool(scan.loops) and (scan.loops or 0) <= scan.processes and kept * 2 >= read
