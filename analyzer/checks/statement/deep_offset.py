"""Pages deep in a result: OFFSET makes the server produce all rows before it and throw them away.

The time grows with the page's number, and rows that come or go in the meantime shift the pages. Keyset pagination
asks for the rows after the last one seen instead, which an index on the order answers at once at any depth. Leave it
alone where people only look at the first pages: the finding counts the rows that were really skipped in a run.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, NotRun, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.checks.rewrites import next_page
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import Plan, PlanNode

check = Check(
    __name__,
    code="ST002",
    title="Deep OFFSET",
    severity=Severity.WARNING,
    skipped_rows=Threshold(10_000, "rows", "measured: 27 to 45 ms from an index, cached, on PostgreSQL 18"),
    skipped_ratio=Threshold(0.9, "skipped / read", "judgement: the page itself is a small part"),
)


@check.on(StatementFacts)
def deep_offset(statement: StatementFacts) -> Iterator[Finding]:
    if "offset" not in statement.normalized_sql.lower():  # so of nearly all, and none of them is parsed
        return
    blocks = [block for block in statement.blocks if block.has_offset]
    if not blocks:
        return
    if not statement.plans:
        raise NotRun("no executed plan yet: how many rows OFFSET skips is not known")
    skipping = [(limit, plan, skipped) for plan in statement.plans for limit, skipped in _skipped(plan)]
    if not skipping:
        return
    limit, plan, skipped = max(skipping, key=lambda of: of[2])
    kept = limit.total_actual_rows or 0.0
    if not skipped or skipped < check["skipped_rows"] or skipped < (skipped + kept) * check["skipped_ratio"]:
        return
    evidence: dict[str, Quantity] = {"skipped_rows": round(skipped), "returned_rows": round(kept)}
    time_ms = limit.total_time_ms
    if time_ms is not None:
        time_ms *= skipped / (skipped + kept)
        evidence["time_skipping_ms"] = round(time_ms, 3)
    order, written = blocks[0].order_by, next_page(statement)
    yield check.finding(
        subject="OFFSET",
        message=f"A run produced {skipped + kept:,.0f} rows and skipped {skipped:,.0f} of them to return {kept:,.0f}.",
        hint=(
            "Ask for the rows after the last one of the page before (keyset pagination)."
            if order
            else "Without ORDER BY the pages are in no certain order: sort by a unique key, and ask for the rows after"
            " the last one of the page before (keyset pagination)."
        )
        + written.why_not,
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        table=statement.table.qualified_name if statement.table else None,
        time_ms=time_ms,
        run_time_ms=plan.execution_time_ms,
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
    )


def _skipped(plan: Plan) -> Iterator[tuple[PlanNode, float]]:
    """Limit nodes with the rows they took from their input and did not give on."""
    for node in plan:
        if node.node_type != "Limit" or not node.loops:
            continue
        below = node.inputs
        if below and below[0].total_actual_rows is not None and node.total_actual_rows is not None:
            yield node, below[0].total_actual_rows - node.total_actual_rows
