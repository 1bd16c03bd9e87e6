"""A LIMIT is served by walking an index in the wanted order, and the rows that fit come late.

The planner takes the rows that fit for evenly spread: the first few should then turn up soon. Where they all lie at
the end of that order (the open orders are the newest ones) it walks most of the table, row by row. An index on the
filter's columns followed by the order's gives the first rows at once. To verify, build it and look for its name in the
plan; until then ``ORDER BY id + 0`` keeps the planner from walking the index, at the price of a sort. Extended
statistics seldom help, as the estimate of the number of rows is right.

Leave it alone where the values asked for vary and most are found soon: the plan is then the better one on average. The
time is the scan's own, as much of it as the rows thrown away are of all it read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.new_index import NewKey, compared_keys, new_index
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.scan import (
    binds,
    filter_condition,
    index_condition,
    index_facts,
    rows_removed,
    share_ms,
    with_partitions,
)
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Condition
from analyzer.plans.indexable import can_use_some_index, indexable, plain_column
from analyzer.schema.quoting import quote_identifier

check = Check(
    __name__,
    code="PL104",
    title="Index walked in order until enough rows fit",
    severity=Severity.WARNING,
    rows_removed=Threshold(1_000, "rows", "judgement: fewer are passed in about a millisecond"),
    removed_per_row=Threshold(100, "rows thrown away / row found", "judgement: fewer are as cheap as a sort"),
)

# between a Limit and the scan whose order serves it: all keep the order and stop when the Limit has enough
KEEP_ORDER = (
    "LockRows", "Incremental Sort", "Subquery Scan", "Result", "Append", "Merge Append", "Gather Merge", "Nested Loop",
    "Memoize", "Unique", "ProjectSet",
)  # fmt: skip


@check.on(PlanNode, "Index Scan", "Index Only Scan")
def order_by_limit_finds_late(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.filter is None or node.rows_removed_by_filter is None:
        return
    group = with_partitions(node, context.facts)
    if group is None:
        return
    least, thrown, _ = rows_removed(group.nodes)
    if least < check["rows_removed"]:
        return
    limit = _limit_above(node)
    if limit is None or not limit.loops or limit.total_actual_rows_bounds is None:
        return
    wanted = max(limit.total_actual_rows_bounds[1], float(limit.loops))
    if least < wanted * check["removed_per_row"] or binds(index_condition(node)):
        return
    read = filter_condition(node)
    if read is None or not any(can_use_some_index(c) for c in read.comparisons):
        return
    rows = sum(n.total_actual_rows or 0.0 for n in group.nodes)
    time_ms = share_ms(own_time_ms(*group.nodes), thrown, thrown + rows)
    got = limit.total_actual_rows or 0.0
    table = "the partitioned table" if group.are_partitions else node.relation_name or "the table"
    why = "The planner takes the rows that fit for evenly spread; here they come late in that order."
    if limit.plan_rows is not None and got < limit.plan_rows * limit.loops:
        why = "The planner counted on enough rows that fit to stop soon; there are fewer, so it read on to the end."
    index = "their indexes" if group.are_partitions else node.index_name or "its index"
    yield check.finding(
        subject=group.subject,
        message=(
            f"{group.subject} went along {index} and threw away {thrown:,.0f} rows by the filter"
            f" {shown(node.filter, 200)} before the LIMIT had its {got:,.0f}."
        ),
        hint=f"{why} {_hint(node, context, read, table)}",
        evidence={"rows_removed": round(thrown), "rows_returned": round(got), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=group.table,
        fixes=() if group.are_partitions else new_index(node, _keys(node, context, read), context),
    )


def _keys(node: PlanNode, context: Context, read: Condition) -> tuple[NewKey, ...]:
    """The filter's columns, where each is compared with one value, then the index's own."""
    index, compared = index_facts(node, context.facts), compared_keys(read)
    has_lists = any(c.operator == "= ANY" for c in read.comparisons)
    if index is None or has_lists or not compared or not all(key.is_equal for key in compared):
        return ()
    if index.method != "btree" or index.predicate is not None or None in index.columns or any(index.options):
        return ()
    names = {key.name for key in compared}
    order = (NewKey(name) for name in index.columns if name is not None and name not in names)
    return (*compared, *order)


def _limit_above(node: PlanNode) -> PlanNode | None:
    child = node
    for above in node.ancestors():
        if above.node_type == "Limit":
            return above
        first = above.inputs[0] if above.inputs else None
        if above.node_type not in KEEP_ORDER or (above.node_type == "Nested Loop" and child is not first):
            return None
        child = above
    return None


def _hint(node: PlanNode, context: Context, read: Condition, table: str) -> str:
    of_filter = indexable(read)
    lists = {plain_column(c) for c in read.comparisons if c.operator == "= ANY"}  # several values are in no one order
    equal = [column for column in of_filter.equal if column not in lists]
    index = index_facts(node, context.facts)
    order = f"the columns of {node.index_name or 'this index'} in their order"
    if index is not None and all(index.columns):
        order = ", ".join(quote_identifier(column or "") for column in index.columns)
    if equal and not lists:
        columns = ", ".join(equal)
        best = f"An index on {table} ({columns}, {order}) gives the first rows at once."
    elif of_filter.columns:
        best = (
            f"Where the filter is the same in every call, an index on {table} ({order}) with it in its WHERE holds the"
            f" wanted rows alone; else an index on ({', '.join(of_filter.columns)}) finds them all, to be sorted."
        )
    else:
        best = f"An index on {table} ({order}) with the filter in its WHERE holds the wanted rows alone."
    stopgap = "Until then, an expression in place of the column (id + 0 in ORDER BY or min()) keeps it from this index."
    return f"{best} {stopgap}"
