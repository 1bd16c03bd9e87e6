"""OFFSET that skips many rows.

The rows before the page are produced like any others and thrown away, so the time grows with the page's number. Keyset
pagination asks for the rows after the last one shown, which an index on the order finds at once at any depth. To
verify, run the statement with OFFSET 0: what it takes then is what a page by key takes at any depth. Leave it alone
where nobody turns so many pages. Of statements that are followed, ST002 says the same, by all their plans; this is for
a plan by itself. Of the run's time that of the rows skipped is counted, as their share of those read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import place, run_time_ms, shown_keys, time_evidence
from analyzer.checks.rewrites import next_page
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL059",
    title="Large OFFSET",
    severity=Severity.WARNING,
    skipped_rows=Threshold(10_000, "rows", "measured: 27 to 45 ms from an index, cached, on PostgreSQL 18"),
    skipped_ratio=Threshold(0.5, "skipped / read", "judgement: else the page itself is most of the work"),
)


@check.on(PlanNode, "Limit")
def large_offset(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or not node.inputs or context.fingerprint is not None:
        return
    read, given = node.inputs[0].total_actual_rows_bounds, node.total_actual_rows_bounds
    if read is None or given is None:
        return
    skipped = read[0] - given[1]
    if skipped < check["skipped_rows"] or skipped < read[0] * check["skipped_ratio"]:
        return
    total_ms = node.total_time_ms if node.actual_total_time_ms is not None else None
    time_ms = None if total_ms is None else total_ms * skipped / read[0]
    order = next((keys for n in node.walk() if (keys := shown_keys(n, "Sort Key"))), None)
    written = next_page(context)
    yield check.finding(
        subject=node.label,
        message=f"{read[0]:,.0f} rows were produced and {skipped:,.0f} of them skipped to return {given[1]:,.0f}.",
        hint=(
            f"Ask for the rows after the last one of the page before{f' in the order of {order}' if order else ''},"
            " instead of counting (keyset pagination); the order has to end in a unique key."
            f"{written.why_not}"
        ),
        evidence={
            "skipped_rows": round(skipped), "returned_rows": round(given[1]), **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        also_at=tuple(map(place, _in_order(node))),
        fixes=written.fixes
        or (
            Fix(
                "Keyset pagination: the keys of the last row shown instead of OFFSET",
                "sql",
                "-- instead of: ORDER BY created_at DESC, id DESC LIMIT 20 OFFSET 10000\n"
                "SELECT ... WHERE (created_at, id) < (:last_created_at, :last_id)\n"
                "ORDER BY created_at DESC, id DESC LIMIT 20",
            ),
        ),
    )  # fmt: skip


def _in_order(limit: PlanNode) -> list[PlanNode]:
    """What hands the limit its rows one by one, down to the sort: the next page by key needs none of it."""
    nodes = [limit]
    while len(nodes[-1].inputs) == 1 and nodes[-1].node_type not in ("Sort", "Incremental Sort", "Aggregate"):
        nodes.append(nodes[-1].inputs[0])
    return nodes[1:]
