"""An inexact index leads to many rows that the recheck throws away.

Some indexes answer "perhaps": GIN knows that a text holds two words but not that they stand side by side, trigrams
know three letters at a time, GiST knows a rectangle around a shape. Each row they lead to is fetched and checked
("Rows Removed by Index Recheck"). To mend it, ask what the index can answer more narrowly: longer words and patterns,
``jsonb_path_ops`` for ``@>`` on jsonb, a further condition with an index of its own. To verify, compare "Rows Removed
by Index Recheck" before and after.

It says nothing where the bitmap outgrew work_mem, and nothing of BRIN: there rechecks have other causes (see PL007 and
PL008). Leave it alone where such searches are rare. The time is the node's own, as much of it as the rows thrown away
are of all it looked at.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence
from analyzer.checks.scan import bitmap_index_scans, index_condition, is_brin, share_ms, table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.indexable import PATTERNS

check = Check(
    __name__,
    code="PL009",
    title="Index leads to rows that its recheck throws away",
    severity=Severity.WARNING,
    rows_rechecked=Threshold(1_000, "rows thrown away", "judgement: fewer are checked in about a millisecond"),
    removed_per_row=Threshold(10, "rows thrown away / row kept", "judgement: less is the price of an inexact index"),
)


@check.on(PlanNode, "Bitmap Heap Scan", "Index Scan", "Index Only Scan")
def index_recheck_discards_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    removed, kept = node.total_rows_removed_by_index_recheck, node.total_actual_rows_bounds
    if not node.loops or not removed or kept is None or removed < check["rows_rechecked"]:
        return
    if removed < (kept[1] + (node.total_rows_removed_by_filter or 0.0)) * check["removed_per_row"]:
        return
    blocks = node.heap_blocks
    if blocks is not None and blocks.lossy:
        return
    scans = bitmap_index_scans(node) if node.node_type == "Bitmap Heap Scan" else [node]
    if any(scan.node_type == "Bitmap Index Scan" and is_brin(scan, context.facts) for scan in scans):
        return
    looked_at = node.total_rows_scanned or removed
    time_ms = share_ms(own_time_ms(node), removed, looked_at)
    condition = node.expression("Recheck Cond" if node.node_type == "Bitmap Heap Scan" else "Index Cond")
    yield check.finding(
        subject=node.label,
        message=(
            f"{scans[0].index_name if scans and scans[0].index_name else 'The index'} led to {looked_at:,.0f} rows, of"
            f" which the recheck of {shown(condition, 200) if condition else 'its condition'} threw away"
            f" {removed:,.0f}."
        ),
        hint=_hint(node),
        evidence={
            "rows_removed_by_recheck": round(removed),
            "rows_found": round(looked_at - removed),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )


def _hint(node: PlanNode) -> str:
    read = index_condition(node)
    operators = {c.operator for c in read.comparisons} if read is not None else set()
    if operators & set(PATTERNS):
        return (
            "Trigrams are common in short patterns: a longer pattern leads to fewer rows, and so does a further"
            " condition with an index of its own, which is combined in a BitmapAnd."
        )
    if "@@" in operators:
        return (
            "A GIN index keeps which words a text holds, not where: phrases and weights are checked in the row."
            " Rarer words lead to fewer rows; the extension rum keeps positions, too."
        )
    if operators & {"@>", "?", "?&", "?|", "@?"}:
        return (
            "A GIN index on jsonb with the default jsonb_ops keeps keys and values apart; jsonb_path_ops keeps paths"
            " with their values, for @> and @?. What is asked often is better in a column or an expression index."
        )
    return (
        "The index is inexact for this operator. A further condition with an index of its own, combined in a BitmapAnd"
        " or in one index (btree_gin, btree_gist), leads to fewer rows."
    )
