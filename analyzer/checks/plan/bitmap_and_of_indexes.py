"""Several indexes are read and their bitmaps combined, where one index could have held both columns.

BitmapAnd reads from each index all that fits its own column, and keeps what is in all of them. One index on the columns
together, those compared by equality first, reads only the rows that fit all. To verify, build it and look for one
Index Scan or Bitmap Index Scan in place of the BitmapAnd.

Leave it alone where people combine columns freely in a search: an index for each column and BitmapAnd are made for
that. The time is what building the bitmaps took: that of the BitmapAnd and all below it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.new_index import NewKey, compared_keys, new_index
from analyzer.checks.node import run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import index_condition, index_that_begins_with, is_brin, table_node, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.exclusive import MOST_ERROR_RATIO, ROUNDING_MS
from analyzer.plans.indexable import BTREE, indexable
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="PL011",
    title="Bitmaps of several indexes combined",
    severity=Severity.WARNING,
    gives_way_to=("PL003",),  # its index has more of the columns
    entries=Threshold(10_000, "index entries", "measured: read into a bitmap in about 1 ms, PostgreSQL 15"),
    entries_per_row=Threshold(3, "index entries / row", "judgement: below it one index would save little"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth an index"),
)


@check.on(PlanNode, "BitmapAnd")
def bitmap_and_of_indexes(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops:
        return
    scans = [part for part in node.walk() if part.loops and part.node_type == "Bitmap Index Scan"]
    heap = table_node(node)
    rows = heap.total_rows_scanned_bounds
    if rows is None or len(scans) < 2 or any(is_brin(scan, context.facts) for scan in scans):
        return
    entries = sum((scan.total_actual_rows_bounds or (0.0, 0.0))[0] for scan in scans)
    if entries < check["entries"] or entries < rows[1] * check["entries_per_row"]:
        return
    time_ms, error_ms = node.total_time_ms, ROUNDING_MS * node.loops
    if not time_ms or error_ms > time_ms * MOST_ERROR_RATIO:
        time_ms = None
    ratio = time_ratio(time_ms, node)
    if ratio is not None and ratio < check["time_ratio"]:
        return
    names = list(dict.fromkeys(scan.index_name for scan in scans if scan.index_name))
    fetched = heap.total_actual_rows or 0.0
    yield check.finding(
        subject=node.label,
        message=(
            f"{and_list(names)} were read for {entries:,.0f} entries, of which {fetched:,.0f} rows of"
            f" {heap.relation_name or 'the table'} came out of the scan."
        ),
        hint=_hint(node, scans, names, context),
        evidence={"index_entries": round(entries), "rows_found": round(fetched), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
        fixes=new_index(node, _keys(node, scans), context),
    )


def _keys(node: PlanNode, scans: list[PlanNode]) -> tuple[NewKey, ...]:
    """Of the conditions that are combined, the one that finds fewest first; () where an OR is below."""
    direct = [child for child in node.inputs if child.node_type == "Bitmap Index Scan"]
    fewest_first = sorted(direct, key=lambda scan: scan.actual_rows or 0.0)
    conditions = [index_condition(scan) for scan in fewest_first]
    return () if len(direct) < len(scans) or None in conditions else compared_keys(*conditions)


def _hint(node: PlanNode, scans: list[PlanNode], names: list[str], context: Context) -> str:
    direct = [child for child in node.inputs if child.node_type == "Bitmap Index Scan"]
    conditions = [c for scan in direct if (c := index_condition(scan)) is not None]
    if len(direct) < len(scans) or len(conditions) < len(scans):
        return "See whether one index can hold the columns that are compared together most often."
    fewest_first = sorted(zip(direct, conditions, strict=True), key=lambda pair: pair[0].actual_rows or 0.0)
    together = indexable(*(condition for _, condition in fewest_first))
    columns = (*together.equal, *together.ranges)
    ordinary = all(c.operator in (*BTREE, "") for condition in conditions for c in condition.comparisons)
    if not ordinary:
        return (
            f"With the extension btree_gin (or btree_gist) one index can hold the columns of {and_list(names)}"
            " together."
        )
    if len(columns) < 2:
        return "See whether one of these conditions alone finds few enough rows."
    if (existing := index_that_begins_with(node, columns, context.facts)) is not None:
        return (
            f"{existing} begins with {and_list(columns)}, and was not taken: see whether the rows were estimated right."
        )
    table = table_node(node).relation_name or "the table"
    return (
        f"One index on {table} ({', '.join(columns)}) leads to the rows that fit all. Where each column is"
        " asked for without the other as well, the single indexes stay of use."
    )
