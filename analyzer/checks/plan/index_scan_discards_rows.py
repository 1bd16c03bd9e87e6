"""An index finds many rows and a filter throws nearly all of them away.

The index answers one part of the condition; for the other part every row it leads to is fetched from the table and
looked at. An index that holds the filtered columns too, those compared by equality first, goes to the wanted rows at
once. To verify, build it and compare: the filter's columns move into Index Cond and "Rows Removed by Filter" goes. A
condition that is always the same (a state, deleted_at IS NULL) is better put into the WHERE of a partial index.

Leave it alone where few rows are thrown away for each look-up, as in a join by key that filters what it found: the
look-up itself is what takes the time. The time is the node's own, as much of it as the rows thrown away are of all it
looked at.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.new_index import compared_keys, new_index
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown, time_evidence, time_ratio
from analyzer.checks.scan import (
    binds,
    bitmap_index_scans,
    bitmap_parts,
    filter_condition,
    index_condition,
    index_that_begins_with,
    is_brin,
    rows_removed,
    share_ms,
    with_partitions,
)
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Condition
from analyzer.plans.indexable import BTREE, PATTERNS, can_use_some_index, expressions, indexable
from analyzer.plans.parallel import runs_of
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="PL003",
    title="Index finds rows that a filter throws away",
    severity=Severity.WARNING,
    gives_way_to=("PL018", "PL041", "PL051", "PL104"),
    rows_removed=Threshold(500, "rows", "judgement: fewer are fetched and looked at in under a millisecond"),
    kept_ratio=Threshold(0.10, "kept / looked at", "judgement: above it the index is selective enough"),
    removed_per_run=Threshold(50, "rows", "judgement: fewer cost less than the descent of the index before them"),
    time_ratio=Threshold(0.02, "time / execution time", "judgement: less is not worth an index"),
)


@check.on(PlanNode, "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
def index_scan_discards_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.filter is None or node.rows_removed_by_filter is None:
        return
    group = with_partitions(node, context.facts)
    if group is None:
        return
    least, thrown, most_kept = rows_removed(group.nodes)
    runs = sum(max(1.0, runs_of(n)) for n in group.nodes)
    if least < check["rows_removed"] or least / runs < check["removed_per_run"]:
        return
    if most_kept > (least + most_kept) * check["kept_ratio"]:
        return
    read = filter_condition(node)
    # of subplans, and of OR alone, there is no index to speak of
    if read is None or not any(can_use_some_index(c) for c in read.comparisons):
        return
    scans = [s for n in group.nodes for s in (bitmap_index_scans(n) if n.node_type == "Bitmap Heap Scan" else [n])]
    names = list(dict.fromkeys(scan.index_name for scan in scans if scan.index_name))
    index = "their indexes" if group.are_partitions else and_list(names) or "its index"
    rows = sum(n.total_actual_rows or 0.0 for n in group.nodes)
    recheck = sum(n.total_rows_removed_by_index_recheck or 0.0 for n in group.nodes)
    parts = [part for n in group.nodes if n.node_type == "Bitmap Heap Scan" for part in bitmap_parts(n)]
    time_ms = share_ms(own_time_ms(*group.nodes, *parts), thrown, thrown + rows + recheck)
    ratio = time_ratio(time_ms, node)
    if ratio is not None and ratio < check["time_ratio"]:
        return
    over = f" in {runs:,.0f} runs" if runs > len(group.nodes) else ""
    condition = index_condition(node)
    bounds = condition if binds(condition) else None
    how = "found through" if bounds is not None else "read along"
    is_btree = all(c.operator in (*BTREE, "OR", "") for c in condition.comparisons) if condition is not None else True
    if any(is_brin(scan, context.facts) for scan in scans if scan.node_type == "Bitmap Index Scan"):
        is_btree = False
    table = "the partitioned table" if group.are_partitions else node.relation_name or "the table"
    columns = _wanted(bounds, read)
    existing = index_that_begins_with(node, columns, context.facts)
    yield check.finding(
        subject=group.subject,
        message=(
            f"{group.subject} threw away {thrown:,.0f} of the {thrown + rows:,.0f} rows {how} {index}{over}, by the"
            f" filter {shown(node.filter, 200)}."
        ),
        hint=" ".join(_advice(bounds, read, columns, table, index, is_btree, existing)),
        evidence={"rows_removed": round(thrown), "rows_kept": round(rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=group.table,
        also_at=tuple(map(place, parts)),
        fixes=new_index(node, compared_keys(condition, read), context)
        if is_btree and bounds is not None and not group.are_partitions
        else (),
    )


def _advice(
    condition: Condition | None, read: Condition, wanted: Sequence[str], table: str, index: str, is_btree: bool,
    existing: str | None,
) -> Iterator[str]:  # fmt: skip
    """``condition``: what bounds the scan; ``wanted``: columns to propose; ``existing``: an index that has them."""
    of_filter = indexable(read)
    patterns = any(c.operator in PATTERNS and not c.is_negated for c in of_filter.other)
    wrapped = expressions(of_filter.other)[:1]
    if of_filter.columns and is_btree:
        columns = ", ".join(wanted)
        followed = "" if condition is not None else f", then the columns of {index} where their order is wanted,"
        if existing is not None:
            yield f"{existing} begins with {columns}, and was not taken: see whether the rows were estimated right."
        else:
            yield f"An index on {table} ({columns}){followed} would lead to the rows that fit these columns only."
    elif of_filter.columns:
        columns = ", ".join(of_filter.columns)
        yield (
            f"As {index} is no B-tree, an index on {table} ({columns}) can be combined with it in a BitmapAnd, or used"
            " instead of it."
        )
    for expression in wrapped:
        yield f"{expression} can be in an index as an expression, where its functions are IMMUTABLE."
    if patterns:
        yield "A pattern that does not start with plain letters needs a GIN index with gin_trgm_ops (pg_trgm)."
    if any(c.other in ("constant", "nothing") for c in read.comparisons) or not (of_filter.columns or wrapped):
        yield "A part of the filter that is the same in every call is best in the WHERE of a partial index."


def _wanted(found: Condition | None, read: Condition) -> tuple[str, ...]:
    """Columns of an index for both, equality first; of two ranges alone the filter's, as the other is not enough."""
    of_filter, together = indexable(read), indexable(found, read)
    if set(of_filter.columns) & set(together.columns):
        return together.columns
    return (*together.equal, *of_filter.ranges[:1])
