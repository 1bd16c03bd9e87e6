"""Sequential scan that reads many rows and keeps few of them.

An index on the filtered columns, those compared by equality first, is usually cheaper. To verify, build it where it
disturbs nobody, and look for an Index Scan or a Bitmap Heap Scan in the place of this scan, with the condition in Index
Cond. Rows are counted over all loops and processes, so a scan run again for every row of a nested loop or by a subquery
counts whole; there, rows its join filter throws away were read for nothing, too. Where it keeps more than that, but not
more than a tenth, it is told of a scan that takes a good part of a long run, when its rows are added up, sorted out or
cut off before they go to the client. Leave it alone where the statement is a rare report, or where the values asked for
vary and most keep much of the table: an index slows every write. Small tables are not reported, also when read often,
and PostgreSQL's own are not. It says nothing of what was never executed, nothing of statements too short to matter, and
nothing where the scan takes a small share of the time. Where the schema is known and an index serves the condition, the
planner weighed it: that is said where it expected other rows than came, else nothing is. The partitions of a table are
judged together, and named by their table where the schema is known.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.index_passed_over import serving_index, why_unused
from analyzer.checks.new_index import NewKey, compared_keys, new_index
from analyzer.checks.own_functions import if_immutable, if_stable, own_functions
from analyzer.checks.scan import filter_condition, whole_scan
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode, redact_expression
from analyzer.plans.conditions import Condition, read_condition
from analyzer.plans.indexable import of_table
from analyzer.plans.scans import Scanned
from analyzer.schema.facts import SchemaFacts

check = Check(
    __name__,
    code="PL004",
    title="Sequential scan keeps few of the rows it reads",
    severity=Severity.WARNING,
    gives_way_to=("PL014", "PL015", "PL016", "PL017", "PL032", "PL041", "PL051"),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.05, "kept / read", "judgement: above it the scan is often right"),
    dear_kept_ratio=Threshold(0.10, "kept / read", "judgement: of a dear scan whose rows do not go out as they are"),
    dear_time=Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    dear_time_ratio=Threshold(0.30, "time / execution time", "judgement: of a dear scan"),
    given_ratio=Threshold(0.10, "rows given / kept", "judgement: below it the rows kept are added up or cut off"),
    rows_per_run=Threshold(100, "rows", "measured: 15 reads a smaller table whole, index or not"),
    join_runs=Threshold(5, "runs", "judgement: fewer are as cheap as building a hash"),
    time_ratio=Threshold(0.05, "time / execution time", "judgement: less is not worth an index"),
    time_error_ratio=Threshold(0.20, "rounding / time", "judgement: EXPLAIN rounds times to 1 us per loop"),
)

GIN = "A GIN index serves @> and && of arrays and jsonb, for jsonb best with jsonb_path_ops; of ranges GiST does."
OTHER_KINDS = {
    "@>": GIN, "<@": GIN, "&&": GIN, "@?": GIN,
    "?": "A GIN index on the jsonb column serves it.",
    "@@": "A GIN index on the tsvector serves it, on a column or on the expression to_tsvector('...', text).",
    "ANY": "For a GIN index say that the array holds the value: column @> ARRAY[value].",
}  # fmt: skip
WHERE_ROWS_LIE = (
    " It saves most where the rows that are kept lie together in the table, or where the index holds all the columns"
    " that are asked for."
)
LEADING_WILDCARD = re.compile(r"~~\*? '[%_]")


@check.on(PlanNode, "Seq Scan")
def seq_scan_discards_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    whole = whole_scan(node, context.facts, join_runs=check["join_runs"])
    if whole is None:
        return
    subject, table, scan = whole.scans.subject, whole.scans.table, whole.scan
    if scan.read / scan.runs < check["rows_per_run"]:
        return
    time_ms = _time_ms(scan)
    execution_ms = node.plan.execution_time_ms if node.plan else None
    keeps_few = scan.keeps_few(check["rows_read"], check["kept_ratio"])
    if not keeps_few and not _is_dear(node, scan, time_ms, execution_ms):
        return
    if time_ms is not None and execution_ms and time_ms < execution_ms * check["time_ratio"]:
        return
    index = serving_index(node, scan.condition, context.facts)
    unused = why_unused(node, index, scan.runs) if index is not None else None
    if index is not None and unused is None:
        return
    evidence: dict[str, Quantity] = {"rows_read": round(scan.read), "rows_kept": round(scan.kept)}
    if time_ms is not None:
        evidence["exclusive_time_ms"] = round(time_ms, 3)
        if execution_ms:
            evidence["exclusive_time_ratio"] = round(min(1.0, time_ms / execution_ms), 3)
    over = f" in {scan.runs:,.0f} runs" if scan.runs > 1 else ""
    yield check.finding(
        title=f"{subject} keeps few of the rows it reads",
        subject=subject,
        message=f"{subject} read {scan.read:,.0f} rows{over} to keep {scan.kept:,.0f}.",
        hint=unused or f"{_hint(node, scan.condition, context)}{'' if keeps_few else WHERE_ROWS_LIE}",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=execution_ms,
        table=table,
        fixes=() if unused or whole.scans.are_partitions else new_index(node, _keys(node, scan), context),
    )


def _is_dear(node: PlanNode, scan: Scanned, time_ms: float | None, execution_ms: float | None) -> bool:
    """Whether it takes much of a long run for rows that do not go out: then more of them may be kept."""
    if time_ms is None or not execution_ms or execution_ms < check["dear_time"] or node.plan is None:
        return False
    root = node.plan.root
    given = root.total_actual_rows_bounds
    goes_out = given is None or root.node_type == "ModifyTable" or given[1] > scan.kept * check["given_ratio"]
    is_much = time_ms >= execution_ms * check["dear_time_ratio"]
    return is_much and not goes_out and scan.keeps_few(check["rows_read"], check["dear_kept_ratio"])


def _keys(node: PlanNode, scan: Scanned) -> tuple[NewKey, ...]:
    """For all that it threw away: also for what the join compared of it."""
    texts = dict.fromkeys(text for text in (node.filter, scan.condition) if text is not None)
    read = [read_condition(text) for text in texts]
    return () if None in read else compared_keys(*(of_table(c, node.alias) for c in read if c is not None))


def _time_ms(scan: Scanned) -> float | None:
    """None when rounding hides it."""
    if not scan.time_ms or scan.time_ms < 0:
        return None
    return scan.time_ms if scan.time_error_ms <= scan.time_ms * check["time_error_ratio"] else None


def _hint(node: PlanNode, condition: str | None, context: Context) -> str:
    if condition is None:
        return "See which condition an index could serve."
    shown = redact_expression(condition)
    shown = shown if len(shown) <= 300 else f"{shown[:300]}..."
    if LEADING_WILDCARD.search(condition):
        return (
            f"See whether an index can serve {shown}. A B-tree cannot serve a pattern that starts with a"
            " wildcard; a GIN index with gin_trgm_ops (extension pg_trgm) can, from three letters on."
        )
    read = filter_condition(node) if condition == node.filter else None
    kinds = {kind for c in read.comparisons if (kind := OTHER_KINDS.get(c.operator))} if read is not None else set()
    of_own = _of_own_functions(of_table(read, node.alias), context.facts) if read is not None else ()
    return " ".join((f"See whether an index can serve {shown}.", *sorted(kinds), *of_own))


def _of_own_functions(condition: Condition, facts: SchemaFacts | None) -> tuple[str, ...]:
    """What has to hold of those around the table's columns, and of those whose results columns are compared with."""
    compared = [c for c in condition.comparisons if c.columns]
    around = {name for c in compared for name in c.functions}
    beside = {name for c in compared if c.operator != "OR" for name in c.other_functions}
    immutable = own_functions(sorted(around), facts, "sv")
    stable = own_functions(sorted(beside - around), facts, "v")
    return (*([if_immutable(immutable)] if immutable else []), *([if_stable(stable)] if stable else []))
