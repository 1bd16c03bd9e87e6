"""UNION that found no repeated row.

UNION compares all rows of its arms with each other to drop repeated ones; UNION ALL only puts them together, starts
to give rows at once, and lets conditions and limits reach the arms. Where the arms cannot hold the same row (other
tables, other ranges, a constant that tells them apart) and none repeats one itself, both mean the same. To verify,
compare the numbers of rows of both forms. Leave it where a row may come from both one day. Of the run's time that of
the node which drops repeated rows is counted, with its sort.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.unions import is_union

check = Check(
    __name__,
    code="PL058",
    title="UNION removes nothing",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "measured: fewer are hashed in 2 ms on PostgreSQL 18"),
)


@check.on(PlanNode, "Unique", "Aggregate")
def union_removes_nothing(node: PlanNode) -> Iterator[Finding]:
    below = node.inputs[0] if len(node.inputs) == 1 else None
    sort = below if below is not None and below.node_type in ("Sort", "Incremental Sort") else None
    append = sort.inputs[0] if sort is not None and sort.inputs else below
    if not node.loops or append is None or not is_union(append) or not _drops_repeated_rows(node):
        return
    bounds_in, bounds_out = append.total_actual_rows_bounds, node.total_actual_rows_bounds
    if bounds_in is None or bounds_out is None:
        return
    rows_in, rows_out = bounds_in[1], bounds_out[0]
    if rows_in < check["rows"] or rows_out < rows_in:
        return
    time_ms = own_time_ms(*([node] if sort is None else [node, sort]))
    yield check.finding(
        subject=node.label,
        message=(
            f"UNION compared {rows_in:,.0f} rows of {len(append.inputs)} arms and gave all of them: in this run none"
            " was there twice."
        ),
        hint="Use UNION ALL where the arms cannot hold the same row, and none of them holds one twice.",
        evidence={"compared_rows": round(rows_in), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )


def _drops_repeated_rows(node: PlanNode) -> bool:
    """Not an aggregate over UNION ALL: as many columns come out as are compared (VERBOSE), all that Append gives."""
    if node.node_type == "Unique":
        return True
    output, keys = node.raw.get("Output"), node.raw.get("Group Key")
    if not isinstance(keys, list) or node.filter is not None or "Grouping Sets" in node.raw:
        return False
    return not isinstance(output, list) or len(output) <= len(keys)
