"""A statement without LIMIT returns tens of thousands of rows each time.

The client gets them all: they are turned into text, sent, and made into objects, which takes longer than finding them
and is not in the statement's time. Rows per call are counted by pg_stat_statements over all calls. Ask for pages
(keyset pagination), let the server sum up, or read an export through COPY or a cursor in portions. Where an executed
plan shows the same, PL061 tells it. Leave it alone for exports that run seldom.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.statements.parse import has_limit
from analyzer.words.durations import count_words, ran_once

check = Check(
    __name__,
    code="ST029",
    title="Very many rows are returned",
    severity=Severity.INFO,
    rows=Threshold(10_000, "rows a call", "measured: 200,000 took 40 ms to find and 2.1 s to fetch"),
    many_rows=Threshold(100_000, "rows a call", "judgement: from here on a warning; nobody reads so many"),
    calls=Threshold(10, "calls a day", "judgement: fewer are exports"),
)


@check.on(StatementFacts)
def returns_very_many_rows(statement: StatementFacts) -> Iterator[Finding]:
    rows, calls = statement.rows_per_call or 0.0, statement.calls_per_day or 0.0
    if statement.kind != "select" or rows < check["rows"] or calls < check["calls"]:
        return
    if not isinstance(statement.tree, ast.SelectStmt) or has_limit(statement.tree):
        return
    if ran_once(calls, statement.watched_s):
        return
    if any((plan.root.total_actual_rows or 0) >= check["rows"] for plan in statement.plans):
        return
    yield check.finding(
        subject="Rows",
        table=statement.table.qualified_name if statement.table else None,
        severity=Severity.WARNING if rows >= check["many_rows"] else Severity.INFO,
        message=f"Each of its calls, {count_words(calls, statement.watched_s)}, returns {rows:,.0f} rows on average.",
        hint="Return fewer: pages by key, sums made by the server; for an export COPY or a cursor read in portions.",
        evidence={"rows_per_call": round(rows), "calls_per_day": round(calls)},
    )
