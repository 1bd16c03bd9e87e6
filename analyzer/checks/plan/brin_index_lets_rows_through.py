"""A BRIN index leads to many pages that hold hardly any of the wanted rows.

BRIN keeps the smallest and largest value of each range of pages (128 by default) and leads to every range that could
hold the value: all its rows are then checked. That some are thrown away is how it works, and work_mem has no part in
it. It works well where the table's rows lie in the order of the column, as times of insertion do. Where they do not,
nearly every range holds nearly every value, and the index excludes nothing: a B-tree is what serves then. Where they
do, but few rows are wanted, smaller ranges help: ``pages_per_range = 16``.

To verify, see correlation in pg_stats (near 1 or -1 for BRIN), or build the other index and compare. Leave it alone
where the table is huge and the query rare: a B-tree takes space and slows writing. The time is the node's own, as much
of it as the rows thrown away are of all it looked at.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import bitmap_index_scans, index_condition, is_brin, share_ms, table_facts, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL008",
    title="BRIN index excludes few rows",
    severity=Severity.WARNING,
    reads_figures=True,
    rows_rechecked=Threshold(10_000, "rows thrown away", "measured: cached, about 1 ms on PostgreSQL 15"),
    removed_per_row=Threshold(10, "rows thrown away / row kept", "judgement: less is the price of a small index"),
    ordered=Threshold(0.9, "|correlation|", "judgement: rows then lie near enough in the column's order"),
)


@check.on(PlanNode, "Bitmap Heap Scan")
def brin_index_lets_rows_through(node: PlanNode, context: Context) -> Iterator[Finding]:
    removed, kept = node.total_rows_removed_by_index_recheck, node.total_actual_rows_bounds
    if not node.loops or not removed or kept is None or removed < check["rows_rechecked"]:
        return
    # what a filter on other columns throws away, the index had rightly found
    kept_by_index = kept[1] + (node.total_rows_removed_by_filter or 0.0)
    if removed < kept_by_index * check["removed_per_row"]:
        return
    scans = bitmap_index_scans(node)
    if len(scans) != 1 or not is_brin(scans[0], context.facts):
        return
    index = scans[0].index_name or "The BRIN index"
    looked_at = node.total_rows_scanned or removed
    time_ms = share_ms(own_time_ms(node), removed, looked_at)
    column = _column(scans[0])
    subject = column or "the column"
    ordered = _correlation(node, column, context)
    if ordered is None:
        advice = (
            f"See the correlation of {subject} in pg_stats: near 1 or -1, a smaller pages_per_range for {index} leads"
            " to fewer rows; else a B-tree index is needed, as BRIN serves only rows that lie in the column's order."
        )
    elif abs(ordered) >= check["ordered"]:
        advice = (
            f"The rows lie in the order of {subject} (correlation {ordered:.2f}): a smaller pages_per_range for {index}"
            " leads to fewer rows."
        )
    else:
        advice = (
            f"The rows do not lie in the order of {subject} (correlation {ordered:.2f}), so BRIN cannot exclude much:"
            " a B-tree index finds the rows themselves."
        )
    yield check.finding(
        subject=node.label,
        message=(f"{index} led to pages with {looked_at:,.0f} rows, of which the recheck threw away {removed:,.0f}."),
        hint=f"{advice} More work_mem does not help: a BRIN index knows only ranges of pages.",
        evidence={
            "rows_removed_by_recheck": round(removed),
            "rows_found": round(looked_at - removed),
            **({} if ordered is None else {"correlation": round(ordered, 3)}),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )


def _column(scan: PlanNode) -> str | None:
    read = index_condition(scan)
    return read.columns[0].name if read is not None and len(read.columns) == 1 else None


def _correlation(node: PlanNode, column: str | None, context: Context) -> float | None:
    table = table_facts(node, context.facts)
    facts = table.column(column) if table is not None and column else None
    return facts.correlation if facts is not None else None
