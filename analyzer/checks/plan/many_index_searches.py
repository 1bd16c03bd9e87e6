"""An index is searched from the top hundreds of times in one scan, mostly in vain.

Since 18 a B-tree whose first column has no condition can still be used: the scan jumps from value to value of that
column ("skip scan") and looks for the rest below each. With many values that is many descents ("Index Searches"); an
index that begins with the column of the condition needs one. A list behind ``= ANY`` is searched value by value, too,
which is right where most are found; where most are not, asking the other way round (a join from the side that has few
rows) saves the searches. To verify, compare Index Searches before and after.

Leave it alone where the statement is rare: an index more slows every write. EXPLAIN counts searches from 18 on. The
time is the scan's own, as much of it as the searches' blocks are of all it touched.
"""

import math
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.new_index import compared_keys, new_index
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.scan import index_condition, index_facts, share_ms, table_node, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.indexable import indexable
from analyzer.plans.parallel import runs_of

check = Check(
    __name__,
    code="PL010",
    title="Index searched again and again in one scan",
    severity=Severity.WARNING,
    gives_way_to=("PL003",),  # its index has more of the columns
    searches=Threshold(50, "searches / run", "judgement: fewer take less than 0.1 ms"),
    descent=Threshold(2, "blocks / search", "judgement: the root is touched by all of them, two blocks are the least"),
    searches_per_row=Threshold(2, "searches / row", "judgement: of a list; below it most values are found"),
)


@check.on(PlanNode, "Index Scan", "Index Only Scan", "Bitmap Index Scan")
def many_index_searches(node: PlanNode, context: Context) -> Iterator[Finding]:
    searches, rows = node.count("Index Searches"), node.total_actual_rows_bounds
    if not searches or not node.loops or rows is None or searches < node.loops * check["searches"]:
        return
    runs = runs_of(node)
    condition = index_condition(node)
    if condition is None:
        return
    lists = [c for c in condition.comparisons if c.operator == "= ANY"]
    listed = math.prod(c.elements or math.inf for c in lists)  # 1 without a list, endless where it is not printed
    is_skip_scan = searches >= node.loops * listed * check["searches"]
    if not is_skip_scan and searches < rows[1] * check["searches_per_row"]:
        return
    touched = node.touched_blocks
    whole = own_time_ms(node)
    if touched:
        time_ms = share_ms(whole, searches * check["descent"], max(touched, searches * check["descent"]))
    else:
        time_ms = share_ms(whole, searches, searches + rows[1])
    fetched, table = node.total_actual_rows or 0.0, table_node(node).relation_name or "the table"
    if not is_skip_scan:
        hint = (
            f"Most values of {shown(lists[0].text, 120)} are not found. Ask for those that can be there alone, or join"
            " with the list as a table (unnest), so that the planner can begin with the side that has fewer rows."
        )
    else:
        index = index_facts(node, context.facts)
        key = f" ({', '.join(c or 'an expression' for c in index.columns)})" if index is not None else ""
        columns = ", ".join(indexable(condition).columns)
        hint = (
            f"{node.index_name or 'The index'}{key} has a column before these that has no condition, or only a range,"
            f" and is searched for each of its values: an index on {table} ({columns}) needs one search"
            f"{' for each value of the list' if lists else ''}."
        )
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} descended the index {searches:,.0f} times in {runs:,.0f}"
            f" {'run' if runs == 1 else 'runs'} to find {fetched:,.0f} rows by"
            f" {shown(node.expression('Index Cond') or 'its condition', 200)}."
        ),
        hint=hint,
        evidence={"index_searches": round(searches), "rows_found": round(fetched), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
        fixes=new_index(node, compared_keys(condition), context) if is_skip_scan else (),
    )
