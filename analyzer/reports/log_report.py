"""A server's log -> the dearest statements in it, and what the checks find in their plans; as text and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from analyzer.checks import AS_THEY_COME, Context, Outcome, Rules, run_checks
from analyzer.checks.node import ranked
from analyzer.findings import Finding
from analyzer.logs.events import LoggedPlan, logged_plan, redacted
from analyzer.logs.line_prefix import logged_time
from analyzer.logs.statements import LoggedStatement, logged_statements
from analyzer.logs.totals import LogTotals
from analyzer.plans import PlanError
from analyzer.plans.shape import shape_of
from analyzer.plans.show import plan_as_json
from analyzer.statements.display import one_line
from analyzer.words.durations import time_words
from analyzer.words.lists import counted
from analyzer.words.sizes import size_words
from analyzer.words.visible import visible_line

MOST_STEPS = 5  # of a plan, on its line
TEXT_HIDDEN = "(a text that may hold secrets, or cannot be read as SQL: not shown)"
TO_LOG = (
    "The server logs them with log_min_duration_statement (messages in English, German, French, Spanish or Italian:"
    " lc_messages), and their plans with auto_explain."
)
NOT_UNDERSTOOD = (
    "No line of a format that is read has a statement with its duration, though it holds texts like those: give it as"
    " the server wrote it (stderr, csvlog, jsonlog, syslog; in English, German, French, Spanish or Italian), or as"
    " journalctl, Kubernetes or Docker carry it."
)


@dataclass(frozen=True, slots=True)
class JudgedPlan:
    """``plan`` holds no values; None where it cannot be read: ``problem`` says why."""

    plan: LoggedPlan | None
    outcome: Outcome | None
    problem: str = ""

    @property
    def findings(self) -> list[Finding]:
        return list(ranked(self.outcome.findings)) if self.outcome else []

    @property
    def steps(self) -> str:
        """Its first ones, in EXPLAIN's order."""
        nodes = self.plan.plan.nodes if self.plan else []
        labels = " > ".join(node.label for node in nodes[:MOST_STEPS])
        return labels + (f" and {len(nodes) - MOST_STEPS:,} more" if len(nodes) > MOST_STEPS else "")


@dataclass(frozen=True, slots=True)
class ReportedStatement:
    statement: LoggedStatement
    plans: tuple[JudgedPlan, ...]

    @property
    def text(self) -> str:
        return self.statement.normalized_sql or TEXT_HIDDEN


@dataclass(frozen=True, slots=True)
class LogReport:
    """``statements``: the dearest; ``left_out`` counts the others. ``notes``: what the log does not tell."""

    statements: tuple[ReportedStatement, ...]
    left_out: int
    span: str
    entries: int
    plans: int
    notes: tuple[str, ...]

    @property
    def runs(self) -> int:
        return self.entries - self.plans


def log_report(
    totals: LogTotals, most: int, *, cut: int = 0, has_unread: bool = False, rules: Rules = AS_THEY_COME
) -> LogReport:
    """``cut``: entries that were too long to be read whole. ``has_unread``: something looks like an entry."""
    logged = logged_statements(totals)
    shown = tuple(ReportedStatement(s, tuple(_judged(s, rules))) for s in logged[:most])
    return LogReport(
        shown,
        len(logged) - len(shown),
        _span(totals),
        totals.entries,
        totals.plans,
        tuple(_notes(totals, cut, has_unread=has_unread)),
    )


def _judged(statement: LoggedStatement, rules: Rules) -> Iterator[JudgedPlan]:
    shapes: set[str] = set()
    for entry in statement.plans:
        try:
            plan = redacted(logged_plan(entry))
        except PlanError as problem:
            yield JudgedPlan(None, None, str(problem))
            continue
        shape = shape_of(plan.plan)
        if shape in shapes:  # told apart by their text alone
            continue
        shapes.add(shape)
        known = Context(fingerprint=statement.fingerprint, normalized_sql=statement.normalized_sql)
        yield JudgedPlan(plan, run_checks(plan.plan, known, rules=rules))


def _span(totals: LogTotals) -> str:
    times = [logged_time(when) if when else None for when in (totals.first, totals.last)]
    return " to ".join(f"{at:%Y-%m-%d %H:%M:%S %Z}" for at in times if at)


def _notes(totals: LogTotals, cut: int, *, has_unread: bool) -> Iterator[str]:
    if not totals.entries and has_unread:
        yield NOT_UNDERSTOOD
    elif not totals.entries:
        yield f"No statement with its duration is in it. {TO_LOG}"
    elif not totals.plans:
        yield "No plan is in it: auto_explain writes them."
    if totals.without_text:
        yield (
            f"{counted(totals.without_text, 'duration')} without a statement, as log_duration writes them:"
            " log_min_duration_statement writes both."
        )
    if totals.given_up:
        yield f"{counted(totals.given_up, 'text')} that took little time left out, because there are too many."
    if cut:
        yield f"{counted(cut, 'time')} an entry was too long to be read whole."


def report_as_json(report: LogReport) -> dict[str, Any]:
    return {
        "span": report.span,
        "runs": report.runs,
        "plans": report.plans,
        "statements": [_statement_as_json(each) for each in report.statements],
        "statements_left_out": report.left_out,
        "notes": list(report.notes),
    }


def _statement_as_json(reported: ReportedStatement) -> dict[str, Any]:
    statement = reported.statement
    return {
        "fingerprint": statement.fingerprint,
        "normalized_sql": statement.normalized_sql,
        "database": statement.database,
        "logged_runs": statement.calls,
        "total_time_ms": round(statement.total_ms, 3),
        "slowest_ms": statement.slowest_ms,
        "plans": [_plan_as_json(judged) for judged in reported.plans],
    }


def _plan_as_json(judged: JudgedPlan) -> dict[str, Any]:
    if judged.plan is None or judged.outcome is None:
        return {"problem": judged.problem}
    findings = [{**asdict(f), "severity": f.severity.name.lower(), "key": f.key} for f in judged.findings]
    return {**plan_as_json(judged.plan.plan), "duration_ms": judged.plan.duration_ms, "findings": findings}


def report_as_text(report: LogReport, read_bytes: int) -> list[str]:
    """Lines, made visible: texts of a log may hold anything."""
    span = f", {report.span}" if report.span else ""
    lines = [
        f"{size_words(read_bytes)} of log{span}: {counted(report.runs, 'run')}, {counted(report.plans, 'plan')}.",
        *report.notes,
    ]
    for number, reported in enumerate(report.statements, 1):
        lines += ["", *map(visible_line, _statement_as_text(number, reported))]
    if report.left_out:
        lines += ["", f"{counted(report.left_out, 'more statement')} took less time."]
    return lines


def _statement_as_text(number: int, reported: ReportedStatement) -> Iterator[str]:
    statement = reported.statement
    where = f" in {statement.database}" if statement.database else ""
    yield (
        f"{number}. {time_words(statement.total_ms)} in {counted(statement.calls, 'logged run')}"
        f"{where}, the slowest {time_words(statement.slowest_ms)}"
    )
    yield f"   {one_line(reported.text)}"
    for judged in reported.plans:
        if judged.plan is None or judged.outcome is None:
            yield f"   A plan cannot be read: {judged.problem}"
            continue
        yield f"   Plan ({time_words(judged.plan.duration_ms)}): {judged.steps}"
        for finding in judged.findings:
            yield f"   {finding.severity.name.lower()} {finding.code}: {finding.message}"
            yield f"     {finding.hint}"
