"""UNION that found no repeated row.

UNION compares all rows of its arms with each other to drop repeated ones; UNION ALL only puts them together, starts to
give rows at once, and lets conditions and limits reach the arms. Where the arms cannot hold the same row (other tables,
other ranges, a constant that tells them apart) and none repeats one itself, both mean the same. To verify, compare the
numbers of rows of both forms. Leave it alone where a row may come from both one day. Of the run's time that of the node
which drops repeated rows is counted, with its sort.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, place, run_time_ms, time_evidence
from analyzer.checks.rewrites import otherwise
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.unions import is_union
from analyzer.statements.equivalents import UNION

check = Check(
    __name__,
    code="PL058",
    title="UNION removes nothing",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "measured: fewer are hashed in 2 ms on PostgreSQL 18"),
)


@check.on(PlanNode, "Unique", "Aggregate")
def union_removes_nothing(node: PlanNode, context: Context) -> Iterator[Finding]:
    append = _append(node)
    if append is None or _append(_above(node)) is not None:
        return  # told with the UNION that takes its rows
    unions, arms, waiting = [node], 0, list(append.inputs)
    while waiting:  # from 18 on, each UNION of several has a node of its own
        arm = waiting.pop()
        inner = _append(arm)
        if inner is None:
            arms += 1
        else:
            unions.append(arm)
            waiting += inner.inputs
    time_ms = own_time_ms(*(part for union in unions for part in (union, _sort(union)) if part is not None))
    rows = append.total_actual_rows or 0.0
    written = otherwise(context, UNION)
    yield check.finding(
        subject=node.label,
        message=f"UNION compared {rows:,.0f} rows of {arms} arms and gave all of them: no row was there twice.",
        hint="Use UNION ALL where the arms cannot hold the same row, and none of them holds one twice."
        + written.why_not,
        fixes=written.fixes,
        evidence={"compared_rows": round(rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        also_at=tuple(place(sort) for union in unions if (sort := _sort(union)) is not None),
    )


def _append(node: PlanNode | None) -> PlanNode | None:
    """Of a node that drops rows which a UNION's arms give twice: their Append, if there were many rows, none twice."""
    if node is None or not node.loops or node.node_type not in ("Unique", "Aggregate") or len(node.inputs) != 1:
        return None
    sort = _sort(node)
    append = node.inputs[0] if sort is None else next(iter(sort.inputs), node)
    if not is_union(append) or not _drops_repeated_rows(node):
        return None
    bounds_in, bounds_out = append.total_actual_rows_bounds, node.total_actual_rows_bounds
    if bounds_in is None or bounds_out is None or bounds_in[1] < check["rows"] or bounds_out[0] < bounds_in[1]:
        return None
    return append


def _sort(node: PlanNode) -> PlanNode | None:
    below = next(iter(node.inputs), None)
    return below if below is not None and below.node_type in ("Sort", "Incremental Sort") else None


def _above(node: PlanNode) -> PlanNode | None:
    """What drops repeated rows of the Append that the node is an arm of."""
    above = node.parent
    while above is not None and above.node_type in ("Append", "Merge Append", "Sort", "Incremental Sort"):
        above = above.parent
    return above


def _drops_repeated_rows(node: PlanNode) -> bool:
    """Not an aggregate over UNION ALL: as many columns come out as are compared (VERBOSE), all that Append gives."""
    if node.node_type == "Unique":
        return True
    output, keys = node.output, node.group_keys
    if keys is None or node.filter is not None or node.has_grouping_sets:
        return False
    return output is None or len(output) <= len(keys)
