"""An index scan fetches nearly every row from another page of the table.

The index is in order, the table's rows are not: row after row means page after page, and a page is touched again for
each of its rows. With few columns asked for, an index that includes them (``INCLUDE``) answers without the table
(Index Only Scan). Else the table can be put into the index's order, once by CLUSTER (locks the table) or pg_repack
(does not); later rows go where there is room. To verify, compare the blocks (Buffers) of the scan.

A Bitmap Heap Scan fetches each page once, in the table's order, and has the same to fetch where its rows are spread
over most of the pages; it prints their number itself. Leave it alone where a few rows are looked up each time: that is
what an index is for. An Index Scan needs BUFFERS. The time is the scan's own, as much of it as the blocks beyond those
that these rows would fill are of all it touched, less what a row costs from a page at hand.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import binds, bitmap_index_scans, index_condition, index_facts, share_ms, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.indexable import BTREE
from analyzer.schema.page_layout import PAGE_BYTES

check = Check(
    __name__,
    code="PL012",
    title="Rows fetched from all over the table",
    severity=Severity.WARNING,
    gives_way_to=("PL003", "PL005", "PL010", "PL104"),
    rows_per_run=Threshold(1_000, "rows", "judgement: fewer are a look-up, which is what an index is for"),
    blocks_per_row=Threshold(0.8, "blocks / row", "judgement: nearly each row is in another page than the one before"),
    pages_per_row=Threshold(0.4, "pages / row of a bitmap", "judgement: two rows a page, each page fetched once"),
    packed_factor=Threshold(2, "blocks / blocks these rows fill", "judgement: wide rows fill a page by themselves"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth a change"),
    bitmap_time_ratio=Threshold(0.30, "time / execution time", "judgement: its pages come in order, which is cheaper"),
    narrow=Threshold(40, "bytes / row", "judgement: wider rows make an index nearly as large as the table"),
    row_cost=Threshold(0.15, "page at hand / other page", "measured: time for a row, 0.1 to 0.65 us, PostgreSQL 15"),
)

MOST_DEAD = 1.5  # entries / rows; judgement: beyond it pages are fetched for versions that are gone
IN_AN_ORDER = ("btree", "gist")  # of others CLUSTER cannot take the order
ROW_OVERHEAD_BYTES = 28  # header and line pointer


@check.on(PlanNode, "Index Scan", "Bitmap Heap Scan")
def scattered_heap_access(node: PlanNode, context: Context) -> Iterator[Finding]:
    is_bitmap = node.node_type == "Bitmap Heap Scan"
    touched, rows = _pages(node) if is_bitmap else node.touched_blocks, node.total_rows_scanned_bounds
    if not node.loops or touched is None or rows is None or rows[0] / node.loops < check["rows_per_run"]:
        return
    if touched < rows[1] * check["pages_per_row" if is_bitmap else "blocks_per_row"] or _is_changed(node):
        return
    index_scan = _index_scan(node)
    known = index_facts(index_scan, context.facts) if index_scan is not None else None
    if index_scan is None or (known is not None and known.method not in IN_AN_ORDER):
        return
    scanned, width = node.total_rows_scanned or rows[0], node.plan_width_bytes or 0
    packed = scanned * (width + ROW_OVERHEAD_BYTES) / PAGE_BYTES
    if touched < packed * check["packed_factor"]:
        return
    time_ms = share_ms(own_time_ms(node), (touched - packed) * (1 - check["row_cost"]), touched)
    ratio = time_ratio(time_ms, node)
    if ratio is not None and ratio < check["bitmap_time_ratio" if is_bitmap else "time_ratio"]:
        return
    table, index = node.relation_name or "the table", index_scan.index_name or "this index"
    is_narrow = 0 < width <= check["narrow"]
    whole = (
        ""
        if binds(index_condition(node))
        else f"it reads {table} along {index} without a condition, for its order: a sequential scan and a Sort, with"
        " the work_mem for it, may take less. Else: "
    )
    covering = (
        f"few bytes of each row are asked for ({width}): an index that also holds these columns (INCLUDE) answers"
        " without the table, as long as VACUUM keeps its pages all-visible. Or "
        if is_narrow
        else "rows this wide are better not copied into an index; "
    )
    fetched = f"fetched {touched:,} pages" if is_bitmap else f"touched {touched:,} blocks"
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} {fetched} for {scanned:,.0f} rows{'' if is_bitmap else ', about one for each'}: rows that"
            f" are together in {index} lie all over {table}."
        ),
        hint=_sentence(
            f"{whole}{covering}put the table into the order of {index}: CLUSTER locks it while it copies it, pg_repack"
            " does not. New rows do not keep the order by themselves."
        ),
        evidence={
            "touched_blocks": touched,
            "rows_read": round(scanned),
            "row_width_bytes": node.plan_width_bytes,
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )


def _pages(node: PlanNode) -> int | None:
    """That a bitmap of B-trees led to, each once; None where it was lossy or led to dead versions of rows, or where up
    to 17 only the leader's are printed.
    """
    blocks, scans, condition = node.heap_blocks, bitmap_index_scans(node), index_condition(node)
    is_whole = node.processes <= 1 or node.rows_are_fractional
    if blocks is None or blocks.lossy or not is_whole:
        return None
    if condition is None or any(c.operator not in BTREE for c in condition.comparisons):
        return None  # of GIN and GiST no table is in the order
    entries, rows = scans[0].total_actual_rows if len(scans) == 1 else None, node.total_rows_scanned
    return None if entries is not None and rows is not None and entries > rows * MOST_DEAD else blocks.exact


def _index_scan(node: PlanNode) -> PlanNode | None:
    """The node that names the index; None of several indexes, of which a table has the order of one at most."""
    scans = bitmap_index_scans(node) if node.node_type == "Bitmap Heap Scan" else [node]
    return scans[0] if len({scan.index_name for scan in scans}) == 1 else None


def _is_changed(node: PlanNode) -> bool:
    """Whether the statement changes or locks the rows: it needs their pages, and leaves entries of its own behind."""
    return any(
        above.node_type == "LockRows"
        or (above.node_type == "ModifyTable" and above.relation_name == node.relation_name)
        for above in node.ancestors()
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
