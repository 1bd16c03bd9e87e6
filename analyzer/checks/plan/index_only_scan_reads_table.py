"""An index-only scan that has to visit the table after all.

The index holds all that is asked for, but not whether a row is visible. Pages that VACUUM has marked all-visible need
no look; every other one is fetched ("Heap Fetches"), which makes the scan as dear as an ordinary index scan. To mend
it, VACUUM the table, and let autovacuum come sooner: after updates by ``autovacuum_vacuum_scale_factor``, after inserts
by ``autovacuum_vacuum_insert_scale_factor``, both set per table. A transaction left open for hours keeps VACUUM from
marking anything. To verify, look for ``Heap Fetches: 0`` afterwards.

Leave it alone where the rows asked for are those just written: nothing keeps pages visible that change all the time.
The time is the node's own, as much of it as fetches are of fetches and rows together, which is the low end: a fetch
takes longer than a row from the index alone.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import share_ms, table_sql, with_partitions
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL006",
    title="Index-only scan visits the table",
    severity=Severity.WARNING,
    heap_fetches=Threshold(1_000, "fetches", "measured: cached, 0.3 ms on PostgreSQL 15"),
    fetch_ratio=Threshold(0.10, "fetches / row", "judgement: below it the index answers nearly all"),
)


@check.on(PlanNode, "Index Only Scan")
def index_only_scan_reads_table(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.count("Heap Fetches") is None:
        return
    group = with_partitions(node, context.facts)
    if group is None:
        return
    fetches = sum(n.count("Heap Fetches") or 0.0 for n in group.nodes)  # a total; dead versions count, so it may exceed
    most = sum((n.total_rows_scanned_bounds or (0.0, 0.0))[1] for n in group.nodes)
    if fetches < check["heap_fetches"] or fetches <= most * check["fetch_ratio"]:
        return
    rows = sum(n.total_rows_scanned or 0.0 for n in group.nodes)
    time_ms = share_ms(own_time_ms(*group.nodes), fetches, fetches + rows)
    name = (group.table or "the partitions") if group.are_partitions else node.relation_name or "its table"
    table = None if group.are_partitions else table_sql(node, context.facts)
    yield check.finding(
        subject=group.subject,
        message=(
            f"{group.subject} looked up {fetches:,.0f} row versions in {name} for the {rows:,.0f} rows it read from the"
            " index: their pages were not marked all-visible."
        ),
        hint=(
            f"VACUUM {name} marks its pages. To keep them so, lower autovacuum_vacuum_scale_factor (and"
            " autovacuum_vacuum_insert_scale_factor where rows are only added) for this table, and look for"
            " transactions that stay open long: they hold VACUUM back."
        ),
        evidence={"heap_fetches": round(fetches), "rows_read": round(rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=(Fix("Mark the pages all-visible", "sql", f"VACUUM {table};"),) if table else (),
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=group.table,
    )
