"""A sequential scan reads far more pages than the table's rows need: most of the table is empty space.

Deleted and updated rows leave room behind. VACUUM makes it usable for new rows, but does not give it back, and a
sequential scan reads every page, empty or not. VACUUM FULL writes the table anew (and locks it); pg_repack does so
without the lock. To verify, ask ``pgstattuple_approx('t')`` (extension pgstattuple). Where it comes again, autovacuum
comes too seldom, a long transaction holds it back, or a batch deletes too much at once: partitions can be dropped.

It needs the schema, for the width of the columns, and BUFFERS. Leave it alone where the table grows back into the space
soon, as a queue does. The time is the scan's own, as much of it as the superfluous pages are of all it read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Fix, NotRun, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import is_system_table, share_ms, table_facts, table_sql
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import runs_of
from analyzer.schema.facts import TableFacts
from analyzer.schema.page_layout import PAGE_BYTES, PAGE_HEADER_BYTES
from analyzer.schema.quoting import quote_literal
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="PL013",
    title="Table is mostly empty space",
    severity=Severity.WARNING,
    reads_figures=True,
    pages=Threshold(1_000, "pages", "judgement: a smaller table is read in a millisecond, whatever it holds"),
    factor=Threshold(3, "pages / pages needed", "judgement: fillfactor and ordinary churn explain less"),
    rows_per_page=Threshold(2, "rows / page", "judgement: fewer make one look for the reason without the schema, too"),
)

# manual: Database Page Layout. Header of a row with its line pointer; rows are padded to 8 bytes
ROW_HEADER_BYTES, ALIGNMENT_BYTES = 28, 8
WIDE_BYTES = 500  # of the columns asked for: then few rows fit into a page anyway


@check.on(PlanNode, "Seq Scan")
def bloated_table(node: PlanNode, context: Context) -> Iterator[Finding]:
    touched, rows = node.touched_blocks, node.total_rows_scanned_bounds
    if not node.loops or touched is None or rows is None or is_system_table(node):
        return
    runs = runs_of(node)
    pages, most_rows = touched / runs, rows[1] / runs
    if pages < check["pages"]:
        return
    table = table_facts(node, context.facts)
    if table is None:
        likely = most_rows < pages * check["rows_per_page"] and (node.plan_width_bytes or 0) < WIDE_BYTES
        if context.facts is None and likely and most_rows:
            raise NotRun("needs the schema, for the width of the table's rows")
        return
    width = _row_bytes(table)
    if width is None or table.size_bytes is None:
        return
    pages = min(pages, table.size_bytes / PAGE_BYTES)  # what is beyond it are values kept out of line
    needed = most_rows / max(1, (PAGE_BYTES - PAGE_HEADER_BYTES) // width)
    if pages < check["pages"] or pages < needed * check["factor"]:
        return
    time_ms = share_ms(own_time_ms(node), pages - needed, pages)
    dead, sql = table.activity.dead_rows, table_sql(node, context.facts)
    still = f" {dead:,} dead rows wait for VACUUM." if dead > most_rows else ""
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} read {pages:,.0f} pages ({size_words(pages * PAGE_BYTES)}) for {most_rows:,.0f} rows, which"
            f" at about {width:,.0f} bytes each need {needed:,.0f}.{still}"
        ),
        hint=(
            f"Confirm with pgstattuple_approx. VACUUM FULL {table.name} writes the table anew and locks it; pg_repack"
            " does without the lock. Then see why VACUUM came too late: autovacuum's settings for the table,"
            " a long transaction, or a delete of most rows at once."
        ),
        evidence={
            "pages_read": round(pages),
            "pages_needed": round(needed),
            "rows_read": round(most_rows),
            "row_bytes": round(width),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        fixes=(
            Fix(
                "Confirm (extension pgstattuple)",
                "sql",
                f"SELECT dead_tuple_percent, approx_free_percent FROM pgstattuple_approx({quote_literal(sql)});",
            ),
            Fix("Write the table anew (locks it)", "sql", f"VACUUM FULL {sql};"),
        )
        if sql
        else (),
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table.qualified_name,
    )


def _row_bytes(table: TableFacts) -> float | None:
    """Of one row with its header, padded; None where a column's width is not known. Values kept out of line count with
    their pointer, in pg_stats as well.
    """
    widths = [column.avg_width_bytes for column in table.columns]
    if not widths or None in widths:
        return None
    data = sum(width for width in widths if width is not None)
    return -(-data // ALIGNMENT_BYTES) * ALIGNMENT_BYTES + ROW_HEADER_BYTES
