"""N+1: a lookup that runs once for every row another statement returns.

The application loads a list and then, row by row, what belongs to each row: one statement becomes N+1. Each is fast, so
no list of slow queries shows them; together they cost round trips and server time. Seen here from the server alone:
how many of the lookup's calls follow the rows of a statement it is tied to by a foreign key, interval by interval, and
what sampled sessions show.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzer.behaviour import StatementSeries, Workload
from analyzer.checks import Check, NotRun, Threshold
from analyzer.facts import SchemaFacts
from analyzer.findings import Finding, Severity
from analyzer.nplusone.fit import ParentFit, Series, fit_parents
from analyzer.nplusone.fixes import fixes, loop_fixes
from analyzer.nplusone.pairs import Child, Link, child_of, links
from analyzer.nplusone.sessions import SessionVerdict, judge_sessions, long_runs
from analyzer.statements.lookup import parent_shape

check = Check(
    __name__,
    code="ST001",
    title="N+1: a lookup runs once per row of another statement",
    severity=Severity.WARNING,
    intervals=Threshold(20, "intervals", "measured: 2 false alarms in 33 demo windows of 12 to 15, none from 20"),
    child_calls=Threshold(1_000, "calls in the window", "judgement: fewer are not worth a change"),
    peak_calls=Threshold(2, "calls per second", "judgement: at the busiest interval"),
    child_mean=Threshold(20, "ms per call", "judgement: a slower lookup is a slow query first"),
    unique_rows=Threshold(1.05, "rows per call", "judgement: above it is a batch already"),
    parent_rows=Threshold(2, "rows per call", "judgement: of one row nothing is repeated"),
    parents=Threshold(12, "statements", "judgement: those that return most"),
    share=Threshold(0.3, "of the lookup's calls", "simulated: 200 hours with and without N+1, none false"),
    partial_r2=Threshold(0.15, "of the squared error", "simulated: 200 hours with and without N+1, none false"),
    least_per_row=Threshold(0.1, "lookups per parent row", "simulated; under 1 where the ORM caches repeats"),
    most_per_row=Threshold(1.2, "lookups per parent row", "simulated"),
    per_call=Threshold(5, "lookups per parent call", "judgement: Sentry and Scout count from 5 on"),
    steady=Threshold(0.1, "variation of calls", "judgement: below it is polling"),
    batch_share=Threshold(0.8, "of the calls in few intervals", "judgement: a batch job, not a page"),
    batch_intervals=Threshold(0.15, "of the intervals", "judgement: what few means"),
    likelihood=Threshold(3, "log likelihood ratio", "judgement: twenty times as likely as by chance"),
    run=Threshold(3, "lookups in a row in a session", "judgement: the median of its runs"),
    loop_run=Threshold(10, "lookups in a row in a transaction", "judgement: no page looks up that many on purpose"),
    loop_runs=Threshold(3, "runs in the window", "judgement: once may be a batch"),
    critical_time=Threshold(3_600, "s per day", "judgement: an hour of waiting a day"),
)


_Tie = tuple[StatementSeries, Link]  # a statement that could be the parent, and how


@dataclass(frozen=True, slots=True)
class _Pair:
    parent: StatementSeries
    link: Link
    fit: ParentFit
    verdict: SessionVerdict


@check.on(Workload)
def n_plus_one_burst(workload: Workload) -> Iterator[Finding]:
    facts = workload.facts
    if facts is None:
        raise NotRun("the schema has not been read yet")
    if workload.intervals < check["intervals"]:
        raise NotRun(f"needs {check['intervals']:.0f} intervals without a gap, there are {workload.intervals}")
    children = {id(s): child for s in workload.series if (child := _as_child(s, facts, workload.interval_s))}
    parents = [
        (s, shape) for s in workload.series if _could_be_parent(s) and (shape := parent_shape(s.normalized_sql, facts))
    ]
    lookups = [s for s in workload.series if id(s) in children]
    total_calls = np.sum([s.calls for s in workload.series], axis=0)
    tied = {
        id(s): [
            (parent, link)
            for parent, shape in parents
            if parent.fingerprint != s.fingerprint and parent.role_oid == s.role_oid
            if (link := next(links(children[id(s)], shape, facts), None))
        ]
        for s in lookups
    }
    for series in lookups:
        candidates = sorted(tied[id(series)], key=lambda pair: -float(pair[0].rows.sum()))[: int(check["parents"])]
        pairs = list(_judge(workload, series, candidates, total_calls - _siblings(series, lookups, tied)))
        for pair in pairs:
            yield _finding(workload, series, children[id(series)], pair)
        if not pairs and long_runs(workload.sessions, series.fingerprint, int(check["loop_run"])) >= check["loop_runs"]:
            yield _loop_finding(workload, series, children[id(series)])


def _as_child(series: StatementSeries, facts: SchemaFacts, interval_s: float) -> Child | None:
    calls = float(series.calls.sum())
    if (
        not series.toplevel
        or calls < check["child_calls"]
        or series.calls.max() / interval_s < check["peak_calls"]
        or series.exec_time_ms.sum() / calls > check["child_mean"]
        or series.calls.std() / series.calls.mean() < check["steady"]
        or _is_batch(series)
    ):
        return None
    child = child_of(series.normalized_sql, facts)
    if child and child.is_unique and series.rows.sum() / calls > check["unique_rows"]:
        return None  # = ANY (array): a batch already
    return child


def _is_batch(series: StatementSeries) -> bool:
    """Most of the calls fall into a few intervals: a nightly job, not a page."""
    busiest = np.sort(series.calls)[::-1]
    few = max(1, int(len(busiest) * check["batch_intervals"]))
    return bool(busiest[:few].sum() > check["batch_share"] * busiest.sum())


def _could_be_parent(series: StatementSeries) -> bool:
    calls = float(series.calls.sum())
    return series.toplevel and calls > 0 and float(series.rows.sum()) / calls >= check["parent_rows"]


def _siblings(series: StatementSeries, lookups: list[StatementSeries], tied: dict[int, list[_Tie]]) -> Series:
    """Calls of this lookup and of others of the same parents: they move with the parent, so they are no load."""
    own_parents = {id(parent) for parent, _ in tied[id(series)]}
    same = [s for s in lookups if s is series or own_parents & {id(parent) for parent, _ in tied[id(s)]}]
    return np.asarray(np.sum([s.calls for s in same], axis=0))


def _judge(workload: Workload, series: StatementSeries, candidates: list[_Tie], load: Series) -> Iterator[_Pair]:
    if not candidates:
        return
    fits = fit_parents(series.calls, [(parent.rows, parent.calls) for parent, _ in candidates], load)
    for (parent, link), fit in zip(candidates, fits, strict=True):
        if (
            fit.share >= check["share"]
            and fit.partial_r2 >= check["partial_r2"]
            and check["least_per_row"] <= fit.children_per_row <= check["most_per_row"]
            and fit.children_per_call >= check["per_call"]
        ):
            yield _Pair(parent, link, fit, judge_sessions(workload.sessions, series.fingerprint, parent.fingerprint))


def _confidence(series: StatementSeries, pair: _Pair) -> str:
    """confirmed: the sessions or the route show it too; likely: the fit and a foreign key; possible: the fit alone."""
    ratio = pair.verdict.log_likelihood_ratio
    same_route = bool(series.tags.get("route")) and series.tags.get("route") == pair.parent.tags.get("route")
    if (ratio is not None and ratio >= check["likelihood"]) or pair.verdict.longest_run >= check["run"] or same_route:
        return "confirmed"
    return "likely" if pair.link.by_constraint else "possible"


def _finding(workload: Workload, series: StatementSeries, child: Child, pair: _Pair) -> Finding:
    per_day, watched_s = workload.per_day(series.fingerprint)
    calls = float(series.calls.sum())
    mean_ms = float(series.exec_time_ms.sum()) / calls
    parent_calls = float(pair.parent.calls.sum()) * per_day
    per_call = pair.fit.children_per_call
    spared = max(0.0, per_call - 1) * parent_calls  # lookups a day that one statement would do for
    server_s, waiting_s = spared * mean_ms / 1000, spared * workload.round_trip_ms / 1000
    lost_s = server_s + waiting_s
    confidence = _confidence(series, pair)
    keys = ", ".join(child.shape.key_columns or child.shape.array_columns)
    table = child.table.qualified_name
    severity = Severity.INFO if confidence == "possible" else Severity.WARNING
    if severity is Severity.WARNING and lost_s >= check["critical_time"]:
        severity = Severity.CRITICAL
    return check.finding(
        about=series.fingerprint,
        title=f"{child.table.name} is looked up once per row of {pair.link.parent_table.rpartition('.')[2]} (N+1)",
        subject=f"{table}({keys}) per row of {pair.link.parent_table}",
        severity=severity,
        message=(
            f"{table} is looked up by {keys} {per_call:.1f} times per call of a statement that returns"
            f" {pair.fit.rows_per_call:.1f} rows of {pair.link.parent_table} ({pair.link.shape}; {confidence})."
        ),
        hint="Fetch what belongs to all rows at once: the fix below turns N+1 statements into one or two.",
        evidence={
            "lookups_per_call": per_call,
            "lookups_per_row": pair.fit.children_per_row,
            "parent_rows_per_call": pair.fit.rows_per_call,
            "parent_calls_per_day": parent_calls,
            "lookup_calls_per_day": calls * per_day,
            "explained_ratio": pair.fit.share,
            "partial_r2_ratio": pair.fit.partial_r2,
            "server_time_s_per_day": server_s,
            "assumed_waiting_s_per_day": waiting_s,
            "assumed_round_trip_ms": workload.round_trip_ms,
            "sampled_executions": pair.verdict.sampled,
            "longest_run": pair.verdict.longest_run,
            "confidence": confidence,
        },
        impact_s_per_day=lost_s,
        impact_assumed_s_per_day=waiting_s,
        watched_s=watched_s,
        table=table,
        fixes=fixes(
            pair.link.shape,
            pair.link.parent_table.rpartition(".")[2],
            child.table.name,
            pair.link.foreign_key_column,
        ),
        related_fingerprints=(pair.parent.fingerprint,),
    )


def _loop_finding(workload: Workload, series: StatementSeries, child: Child) -> Finding:
    """A loop of lookups whose parent is cached, or not to be seen."""
    keys = ", ".join(child.shape.key_columns or child.shape.array_columns)
    table = child.table.qualified_name
    runs = workload.sessions.runs.get(series.fingerprint, ())
    per_day, watched_s = workload.per_day(series.fingerprint)
    calls_per_day = float(series.calls.sum()) * per_day
    return check.finding(
        about=series.fingerprint,
        title=f"{child.table.name} is looked up in a loop",
        subject=f"{table}({keys}) in a loop",
        severity=Severity.INFO,
        message=f"{table} is looked up by {keys} in loops of up to {max(runs)} within one transaction (possible).",
        hint="If the keys are known before the loop, fetch all rows with one statement.",
        evidence={"longest_run": max(runs), "lookup_calls_per_day": calls_per_day, "confidence": "possible"},
        watched_s=watched_s,
        table=table,
        fixes=loop_fixes(child.table.name, (child.shape.key_columns or child.shape.array_columns)[0]),
    )
