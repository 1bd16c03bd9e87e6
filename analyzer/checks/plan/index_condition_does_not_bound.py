"""An index condition skips a column of the index, so it is compared along the way and narrows nothing.

A B-tree on (a, b, c) is sorted by a, then b, then c. ``a BETWEEN 1 AND 9 AND c = 7`` has c behind a range and behind
the unused b: the scan reads every entry with such an a, and only compares c in each. EXPLAIN shows both alike in Index
Cond; the blocks touched tell. An index with the columns compared by equality first, then one range, reads only what
fits. To verify, compare the blocks (Buffers) of the scan before and after.

It needs the schema, for the order of the index's columns, and BUFFERS. Leave it alone where the index serves several
statements well enough and this one is rare; from 18 on a skip scan may jump over a leading column of few values. The
time is the scan's own, as much of it as the blocks beyond those that the found rows need are of all it touched.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, NotRun, Threshold
from analyzer.checks.new_index import compared_keys, new_index
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.scan import index_condition, index_facts, share_ms, table_node, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Condition
from analyzer.plans.indexable import EQUAL, indexable, plain_column
from analyzer.schema.facts import IndexFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="PL005",
    title="Index condition does not narrow the scan",
    severity=Severity.WARNING,
    gives_way_to=("PL003", "PL010"),
    extra_blocks=Threshold(500, "blocks", "measured: cached, about 2 ms on PostgreSQL 15"),
    extra_per_row=Threshold(1, "blocks / row", "judgement: a bounded scan reads hundreds of entries a block"),
    descent=Threshold(4, "blocks / search", "manual: B-tree indexes have three or four levels, seldom more"),
)

ENTRIES_PER_BLOCK = 20  # of wide keys; small ones are 300 and more


@check.on(PlanNode, "Index Scan", "Index Only Scan", "Bitmap Index Scan")
def index_condition_does_not_bound(node: PlanNode, context: Context) -> Iterator[Finding]:
    touched, rows = node.touched_blocks, node.total_rows_scanned_bounds
    if not node.loops or touched is None or rows is None or touched < check["extra_blocks"]:
        return
    needed = rows[1] / ENTRIES_PER_BLOCK + (node.count("Index Searches") or node.loops) * check["descent"]
    if node.node_type == "Index Scan":
        needed += rows[1]  # each may lie in a page of its own
    elif node.node_type == "Index Only Scan":
        needed += node.count("Heap Fetches") or 0.0
    extra = touched - needed
    if extra < check["extra_blocks"] or extra < rows[1] * check["extra_per_row"]:
        return
    condition = index_condition(node)
    # of a list each value is searched; up to 17 EXPLAIN does not say how often
    if condition is None or (any(c.operator == "= ANY" for c in condition.comparisons) and not _counts_searches(node)):
        return
    index = index_facts(node, context.facts)
    if index is None:
        if context.facts is None and len(condition.columns) > 1:
            raise NotRun(f"needs the schema, for the order of the columns of {node.index_name or 'the index'}")
        return
    idle = not_narrowing(condition, index)
    if not idle or index.method != "btree":
        return
    time_ms = share_ms(own_time_ms(node), extra, touched)
    fetched, key = node.total_actual_rows or 0.0, ", ".join(c or "(expression)" for c in index.columns)
    better = f"{table_node(node).relation_name or 'the table'} ({', '.join(indexable(condition).columns)})"
    text = shown(node.expression("Index Cond") or "its condition", 200)
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} touched {touched:,} blocks for {fetched:,.0f} rows: of {text}"
            f" {and_list(idle)} {'does' if len(idle) == 1 else 'do'} not narrow the scan of {index.name} ({key}), but"
            f" {'is' if len(idle) == 1 else 'are'} compared in every entry passed."
        ),
        hint=f"An index on {better}{', equality before ranges,' if ',' in better else ''} reads only what fits.",
        evidence={"touched_blocks": touched, "rows_found": round(fetched), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
        fixes=new_index(node, compared_keys(condition), context),
    )


def _counts_searches(node: PlanNode) -> bool:
    return node.count("Index Searches") is not None


def not_narrowing(condition: Condition, index: IndexFacts) -> tuple[str, ...]:
    """Columns of the condition that stand in the index behind one that is not compared for equality."""
    compared: dict[str, bool] = {}  # column -> whether by equality
    for comparison in condition.comparisons:
        column = plain_column(comparison)
        if column is not None:
            compared[column] = compared.get(column, False) or comparison.operator in EQUAL
    idle, is_open = [], True
    for name in index.columns:
        column = quote_identifier(name) if name is not None else ""
        if column in compared and not is_open:
            idle.append(column)
        is_open = is_open and compared.get(column, False)
    return tuple(idle)
