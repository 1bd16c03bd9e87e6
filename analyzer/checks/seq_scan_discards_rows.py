"""Sequential scan that reads many rows and keeps few of them.

An index on the filtered columns is usually cheaper. Rows are counted over all loops and processes, so a
scan run again for every row of a nested loop or by a subquery counts whole; there, rows its join filter
throws away were read for nothing, too. Small tables are left alone, also when read often, and so are
PostgreSQL's own. It says nothing of what was never executed, and nothing of statements too short to matter.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode, redact_expression

check = Check(
    __name__,
    code="PL004",
    title="Sequential scan keeps few of the rows it reads",
    severity=Severity.WARNING,
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.05, "kept / read", "judgement: above it the scan is often right"),
    rows_per_run=Threshold(100, "rows", "measured: 15 reads a smaller table whole, index or not"),
    join_runs=Threshold(5, "runs", "judgement: fewer are as cheap as building a hash"),
    execution_ms=Threshold(5, "ms", "judgement: below it a statement matters only by its calls"),
    warning_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth an index"),
    critical_ratio=Threshold(0.50, "time / execution time", "judgement: the scan is what the statement does"),
    critical_ms=Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    critical_s_per_day=Threshold(864, "s/day", "judgement: 1 % of one backend's day"),
    time_error_ratio=Threshold(0.20, "rounding / time", "judgement: EXPLAIN rounds times to 1 us per loop"),
)

SYSTEM_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")
LEADING_WILDCARD = re.compile(r"~~\*? '[%_]")


@check.on(PlanNode)
def seq_scan_discards_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    kept, kept_bounds = node.total_actual_rows, node.total_actual_rows_bounds
    removed, removed_bounds = node.total_rows_removed_by_filter, node.total_rows_removed_by_filter_bounds
    if node.node_type != "Seq Scan" or not node.loops or _is_system_table(node):
        return
    if kept is None or removed is None or kept_bounds is None or removed_bounds is None:
        return
    read, least_read = kept + removed, kept_bounds[0] + removed_bounds[0]
    most_kept, condition, join = kept_bounds[1], node.filter, _join_that_filters(node)
    if join is not None:
        condition = join.expression("Join Filter")
        discarded = join.total_rows_removed_by_join_filter or 0.0
        least_discarded = (join.total_rows_removed_by_join_filter_bounds or (0.0, 0.0))[0]
        kept, most_kept = max(0.0, kept - discarded), max(0.0, most_kept - least_discarded)
    runs = max(1.0, node.loops / node.processes)
    # rows per loop are rounded: judged on the end that speaks for the scan
    if least_read < check["rows_read"] or read / runs < check["rows_per_run"]:
        return
    if most_kept > least_read * check["kept_ratio"]:
        return

    time_ms = _time_ms(node, join)
    execution_ms = node.plan.execution_time_ms if node.plan else None
    impact_s_per_day = _impact_s_per_day(time_ms, context)
    often = impact_s_per_day is not None and impact_s_per_day >= check["critical_s_per_day"]
    if _is_short(execution_ms, context.mean_exec_time_ms) and not often:
        return
    evidence: dict[str, Quantity] = {"rows_read": round(read), "rows_kept": round(kept)}
    if time_ms is not None:
        evidence["exclusive_time_ms"] = round(time_ms, 3)
        if execution_ms:
            evidence["exclusive_time_ratio"] = round(min(1.0, time_ms / execution_ms), 3)
    over = f" in {runs:,.0f} runs" if runs > 1 else ""
    yield check.finding(
        subject=node.label,
        message=f"{node.label} read {read:,.0f} rows{over} to keep {kept:,.0f}.",
        hint=_hint(condition),
        evidence=evidence,
        severity=_severity(time_ms, execution_ms, often),
        level=EvidenceLevel.EXECUTED,
        impact_s_per_day=impact_s_per_day,
        table=_qualified_table(node, context),
    )


def _is_short(execution_ms: float | None, mean_exec_time_ms: float | None) -> bool:
    """By the explained run and, where it is known, by the calls in production: their values may cost more."""
    known = [ms for ms in (execution_ms, mean_exec_time_ms) if ms is not None]
    return bool(known) and max(known) < check["execution_ms"]


def _is_system_table(node: PlanNode) -> bool:
    if node.schema is not None:
        return node.schema in SYSTEM_SCHEMAS
    return (node.relation_name or "").startswith("pg_")


def _join_that_filters(node: PlanNode) -> PlanNode | None:
    """The nested loop that reads this scan again for each outer row and throws most of its rows away."""
    join = node.parent
    if join is None or join.node_type != "Nested Loop" or node.parent_relationship != "Inner":
        return None
    again = (node.loops or 0) / node.processes >= check["join_runs"]
    return join if again and join.expression("Join Filter") else None


def _time_ms(node: PlanNode, join: PlanNode | None) -> float | None:
    """Wall-clock time of the scan, and of comparing its rows in the join; None when rounding hides it."""
    parts = [part for part in (node, join) if part is not None]
    times = [part.exclusive_time_ms for part in parts]
    errors = [part.exclusive_time_error_ms or 0.0 for part in parts]
    total = sum(time for time in times if time is not None)
    if None in times or total <= 0 or sum(errors) > total * check["time_error_ratio"]:
        return None
    return total


def _impact_s_per_day(time_ms: float | None, context: Context) -> float | None:
    """What the scan costs a day; never more than the statement, which is slower under EXPLAIN ANALYZE."""
    if time_ms is None or context.calls_per_day is None:
        return None
    if context.mean_exec_time_ms is not None:
        time_ms = min(time_ms, context.mean_exec_time_ms)
    return time_ms / 1000 * context.calls_per_day


def _severity(time_ms: float | None, execution_ms: float | None, often: bool) -> Severity:
    if time_ms is None or not execution_ms:
        return check.severity
    share = time_ms / execution_ms
    if share < check["warning_ratio"]:
        return Severity.INFO
    long = share >= check["critical_ratio"] and time_ms >= check["critical_ms"]
    return Severity.CRITICAL if long or often else Severity.WARNING


def _hint(condition: str | None) -> str:
    if condition is None:
        return "See which condition an index could serve."
    shown = redact_expression(condition)
    shown = shown if len(shown) <= 300 else f"{shown[:300]}..."
    if LEADING_WILDCARD.search(condition):
        return (
            f"See whether an index can serve {shown}. A B-tree cannot serve a pattern that starts with a"
            " wildcard; a GIN index with gin_trgm_ops (extension pg_trgm) can, from three letters on."
        )
    return f"See whether an index can serve {shown}."


def _qualified_table(node: PlanNode, context: Context) -> str | None:
    if node.table is not None or node.relation_name is None or context.facts is None:
        return node.table
    found = context.facts.find_table(node.relation_name, node.schema)
    return found.qualified_name if found else None
