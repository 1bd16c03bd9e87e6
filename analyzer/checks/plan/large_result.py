"""A result of many rows, or many bytes, that goes to the client.

EXPLAIN ANALYZE throws the rows away: what it takes to turn them into text, to send them and to keep them in the
client's memory comes on top of the time it shows, and is often more (17 and later measure the first with the option
SERIALIZE). Ask for the columns and rows that are needed: LIMIT with keyset pagination, sums made by the server, a
cursor or COPY for an export. To verify, count what the client uses of the rows it gets. Leave it alone for exports that
want everything, through COPY or a cursor. No part of the measured run is counted as lost, but for the time of
SERIALIZE.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan
from analyzer.words.durations import time_words
from analyzer.words.sizes import MB, size_words

NOT_SENT = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:copy|declare|fetch|insert|create|refresh|merge)\b", re.I | re.S
)
INTO = re.compile(r"\binto\s+(?:temp|temporary|unlogged|table)?\s*[\w\"]", re.IGNORECASE)

check = Check(
    __name__,
    code="PL061",
    title="Large result sent to the client",
    severity=Severity.INFO,
    rows=Threshold(10_000, "rows", "measured: 200,000 took 40 ms to find and 2.1 s to fetch; see plan_rules, 1.6"),
    size=Threshold(10 * MB, "bytes", "judgement: 0.1 s of a network of 1 Gbit/s"),
    many_rows=Threshold(100_000, "rows", "judgement: from here on a warning; nobody reads so many"),
)


@check.on(Plan)
def large_result(plan: Plan, context: Context) -> Iterator[Finding]:
    root = plan.root
    rows = root.total_actual_rows
    if not root.loops or not rows or root.node_type == "ModifyTable":
        return
    sql = context.normalized_sql or plan.query_text
    if sql and (NOT_SENT.match(sql) or INTO.search(sql)):
        return
    size_bytes, is_measured = _size(plan, rows)
    if rows < check["rows"] and (size_bytes or 0) < check["size"]:
        return
    time_ms = plan.serialization_time_ms
    took = f" Turning them into text took {time_words(time_ms)}." if time_ms else ""
    is_counted = bool(took) or plan.is_time_logged  # auto_explain's duration ends when the rows are sent
    size = "" if size_bytes is None else f", {'' if is_measured else 'about '}{size_words(size_bytes)}"
    evidence: dict[str, Quantity] = {"result_rows": round(rows)}
    if size_bytes is not None:
        evidence["result_bytes"] = round(size_bytes)
    yield check.finding(
        node=root,
        subject=root.label,
        message=(
            f"The statement returns {rows:,.0f} rows{size}.{took}"
            f"{'' if is_counted else ' The time shown does not count turning them into text and sending them.'}"
        ),
        hint=(
            "Return fewer: LIMIT and keyset pagination, only the columns that are used, sums made by the server. For an"
            " export use COPY or a cursor."
        ),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        severity=Severity.WARNING if rows >= check["many_rows"] else Severity.INFO,
        time_ms=time_ms,
        run_time_ms=run_time_ms(root),
    )


def _size(plan: Plan, rows: float) -> tuple[float | None, bool]:
    """Bytes, and whether they were counted (SERIALIZE) instead of estimated by the planner's width of a row.

    None without either (COSTS OFF), and where the planner gives no width: rows without columns.
    """
    serialization = plan.raw.get("Serialization")
    volume = serialization.get("Output Volume") if isinstance(serialization, dict) else None
    if isinstance(volume, int | float) and volume:
        return volume * 1024.0, True
    return rows * plan.root.plan_width_bytes if plan.root.plan_width_bytes else None, False
