"""Window functions computed over all rows, of which a condition outside then keeps few.

``WHERE rn = 1`` around a subquery with ``row_number() OVER (...)`` is applied when all rows are sorted and numbered.
From 15 on the planner stops early in each partition when the result of row_number(), rank(), or dense_rank() is
compared as it is (``rn <= 3``, not ``rn + 0 = 1``): the plan then says "Run Condition". An index on the PARTITION BY
and ORDER BY columns saves the sort. For few partitions, a LATERAL subquery with LIMIT per partition reads only the
wanted rows; for one row each, DISTINCT ON says the same in fewer words. To verify, look for "Run Condition" at the
WindowAgg, or for fewer rows below it. Leave it alone where the condition keeps much. Of the run's time the window's,
its sort's and the filter's are counted, as far as they went into rows that were thrown away.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown, time_evidence
from analyzer.checks.order import SCANS, index_in_order
from analyzer.checks.rewrites import otherwise
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.statements.equivalents import FIRST_ROWS

RANKS = re.compile(r"\b(row_number|rank|dense_rank)\(", re.IGNORECASE)
FIRST = ("=", "<", "<=", "= ANY")

check = Check(
    __name__,
    code="PL056",
    title="Window functions computed for rows that are thrown away",
    severity=Severity.WARNING,
    removed_rows=Threshold(1_000, "rows", "judgement: fewer are numbered in under a millisecond"),
    kept_ratio=Threshold(0.5, "kept / computed", "judgement: where more stays, the window is what is wanted"),
)


@check.on(PlanNode, "Subquery Scan")
def window_then_filter(node: PlanNode, context: Context) -> Iterator[Finding]:
    removed, kept = node.total_rows_removed_by_filter_bounds, node.total_actual_rows_bounds
    if not node.loops or node.filter is None or removed is None or kept is None:
        return
    if removed[0] < check["removed_rows"] or kept[1] > (removed[0] + kept[1]) * check["kept_ratio"]:
        return
    windows = [node.inputs[0]] if node.inputs else []
    while windows and windows[-1].node_type == "WindowAgg" and windows[-1].inputs:
        windows.append(windows[-1].inputs[0])
    below = windows.pop() if windows else None
    if below is None or not windows or any("Run Condition" in window.raw for window in windows):
        return
    if not _keeps_the_first(node, windows[0], context):
        return
    sort = below if below.node_type in ("Sort", "Incremental Sort") else None
    own = own_time_ms(node, *windows, *([sort] if sort is not None else []))
    all_rows = (node.total_rows_removed_by_filter or 0.0) + (node.total_actual_rows or 0.0)
    thrown = all_rows - (node.total_actual_rows or 0.0)
    time_ms = None if own is None else own * thrown / all_rows
    index = index_in_order(sort) if sort is not None else None
    if index is None and below.node_type not in SCANS:
        return  # of rows that are computed, no other way gives the first ones
    if index is not None and index.exists(context.facts):
        index = None
    by_index = f" An index on {index.table} ({index.columns}) would save the sort." if index is not None else ""
    written = otherwise(context, FIRST_ROWS)
    yield check.finding(
        subject=node.label,
        message=(
            f"Window functions were computed for {all_rows:,.0f} rows; {shown(node.filter)} then threw {thrown:,.0f} of"
            " them away."
        ),
        hint=(
            "Compare the result of row_number() or rank() as it is with a constant (rn <= 3): from PostgreSQL 15 on"
            " it then stops early in each partition. For few partitions, take the rows by LIMIT in a LATERAL subquery."
            f"{by_index}{written.why_not}"
        ),
        evidence={"computed_rows": round(all_rows), "removed_rows": round(thrown), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        also_at=() if index is None or sort is None else (place(sort),),
        fixes=(
            *(index.fixes(context) if index is not None else ()),
            *written.fixes,
            Fix(
                "The first rows of each group by LATERAL: reads them alone where an index has the order",
                "sql",
                "-- instead of: SELECT * FROM (SELECT t.*, row_number() OVER (PARTITION BY g ORDER BY o) AS rn\n"
                "--             FROM t) x WHERE rn <= 3\n"
                "SELECT t.* FROM groups CROSS JOIN LATERAL\n"
                "  (SELECT * FROM t WHERE t.g = groups.g ORDER BY o LIMIT 3) AS t;",
            ),
        ),
    )


def _keeps_the_first(node: PlanNode, window: PlanNode, context: Context) -> bool:
    """Whether the filter holds a rank against something known; VERBOSE or the statement tell that it is one."""
    condition, output = read_condition(node.filter or ""), window.output
    calls = context.normalized_sql if output is None else " ".join(output)
    if condition is None or (calls is not None and not RANKS.search(calls)):
        return False
    passed_on = {text.rpartition(".")[2].strip('"') for text in output or () if "(" not in text}
    return any(
        comparison.operator in FIRST
        and comparison.other in ("constant", "parameter", "initplan")
        and comparison.columns
        and not any(column.name in passed_on for column in comparison.columns)
        for comparison in condition.comparisons
    )
