"""EXCEPT or INTERSECT that compares many whole rows.

Both sides are read whole, and all their columns hashed or sorted, to compare them; up to 17 the rows also pass
through an Append. NOT EXISTS and EXISTS become an anti join and a semi join, which compare the key alone, can use an
index and run in parallel. They differ where rows repeat (EXCEPT and INTERSECT give each once: add DISTINCT where
needed) and for NULL (EXCEPT takes two NULLs for equal, ``=`` does not). To verify, compare both forms under EXPLAIN
ANALYZE. Leave it alone for comparisons of whole tables. Of the run's time the node's own is counted, with the Append,
sorts and Subquery Scans that serve it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode

SERVES = ("Append", "Subquery Scan", "Sort")

check = Check(
    __name__,
    code="PL063",
    title="EXCEPT or INTERSECT of many rows",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "measured: fewer are hashed in 2 ms on PostgreSQL 18"),
    time=Threshold(0.30, "time / execution time", "judgement: a smaller share is not worth rewriting a query"),
)


@check.on(PlanNode, "SetOp")
def set_operation_of_many_rows(node: PlanNode) -> Iterator[Finding]:
    if not node.loops:
        return
    serving, inputs = _parts(node)
    both = next((part for part in serving if part.node_type == "Append"), None)  # to 17
    rows = sum(part.total_actual_rows or 0.0 for part in (inputs if both is None else [both]))
    time_ms = own_time_ms(node, *serving)
    ratio = time_ratio(time_ms, node)
    if rows < check["rows"] or (ratio is not None and ratio < check["time"]):
        return
    command = str(node.raw.get("Command", ""))
    operation, exists = ("EXCEPT", "NOT EXISTS") if command.startswith("Except") else ("INTERSECT", "EXISTS")
    is_all = command.endswith("All")
    yield check.finding(
        subject=node.label,
        message=f"{operation}{' ALL' if is_all else ''} compared {rows:,.0f} rows of both sides, all their columns.",
        hint=(
            f"{operation} ALL counts repeated rows, which {exists} does not: use it where they cannot repeat."
            if is_all
            else f"Use {exists} on the key, with DISTINCT where the left side repeats rows; = never finds NULL equal,"
            f" as {operation} does."
        ),
        evidence={"compared_rows": round(rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=() if is_all else (_rewritten(operation, exists),),
    )


def _rewritten(operation: str, exists: str) -> Fix:
    return Fix(
        f"{exists} instead of {operation}: the same for columns that are NOT NULL",
        "sql",
        f"-- instead of: SELECT a FROM t {operation} SELECT b FROM u\n"
        f"SELECT DISTINCT t.a FROM t WHERE {exists} (SELECT FROM u WHERE u.b = t.a);",
    )


def _parts(node: PlanNode) -> tuple[list[PlanNode], list[PlanNode]]:
    """What only serves the comparison, and what brings the rows."""
    serving, inputs, waiting = [], [], list(node.inputs)
    while waiting:
        child = waiting.pop()
        if child.node_type in SERVES and child.inputs and child.filter is None:
            serving.append(child)
            waiting += child.inputs
        else:
            inputs.append(child)
    return serving, inputs
