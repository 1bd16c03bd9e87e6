"""N+1: a lookup that runs once for every row another statement returns.

The application loads a list and then, row by row, what belongs to each row: one statement becomes N+1. Each is fast,
so no list of slow queries shows them; together they cost round trips and server time. Seen here from the server
alone: how many of the lookup's calls come in bursts, for each call of a statement that marks the page
(behaviour/fit.py), and which statement's rows bring the keys (behaviour/parents.py). What one page looks up is one
finding, with one call to write (behaviour/pages.py).

Possible: the counters alone; likely: and a foreign key; confirmed: sessions were seen running the lookup right after
itself or after the list, or both bear the tag of one route (behaviour/grades.py). Statements that bear tags have the
finding name the route and the line of code: a comment behind each, as sqlcommenter and marginalia write them
(/*route='orders.list',file='orders/views.py:41'*/). A route that half of all sampled statements bear, as GraphQL's,
confirms nothing. What sessions show is said after eight intervals, the rest after twenty.

What asks by no key (a range of days, a path, an OR of two columns) is named from ten times a call of the page on,
without the rows that bring its values. A statement with an IN list may be a prefetch on one page and a lookup row by
row on another, where its text is only that of whoever came first: it is named only with the rows that bring its keys,
or where a key of a joined table (a tenant's) stands beside the list and the page runs it ten times a call.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.behaviour.admin_lists import is_admin_list
from analyzer.behaviour.fit import Regressor, Series, bursts
from analyzer.behaviour.fixes import condition_fix, fixes, loop_fixes
from analyzer.behaviour.frequency import age, began, is_in_few, is_steady
from analyzer.behaviour.grades import Grade, GradeEvidence, grounds_of, weakest
from analyzer.behaviour.origins import are_of_different_pages, origin_of, shared_route
from analyzer.behaviour.pages import Lookup, PageLookup, by_page, of_different_rows, steps
from analyzer.behaviour.pairs import ChildLookup, Link, base_table, children_of, links
from analyzer.behaviour.parents import parent_of
from analyzer.behaviour.sessions import judge_sessions, long_runs
from analyzer.behaviour.wording import what_to_do, where, with_distinct_subjects, wording
from analyzer.behaviour.workload import ObservedWorkload, StatementSeries
from analyzer.checks import Check, NotRun, Threshold
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.lookup import ParentShape, parent_shape
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="ST001",
    title="N+1: a lookup runs once per row of another statement",
    severity=Severity.WARNING,
    intervals=Threshold(20, "intervals", "measured: 2 false alarms in 33 demo windows of 12 to 15, none from 20"),
    new_intervals=Threshold(10, "intervals since it began", "judgement: a new page; before, it may be a batch job"),
    sure_intervals=Threshold(8, "intervals", "judgement: enough where sessions confirm what the counters show"),
    sure_new_intervals=Threshold(5, "intervals since it began", "judgement: the same for a new page"),
    child_calls=Threshold(1_000, "calls in 60 intervals or more", "judgement: fewer are not worth a change"),
    peak_calls=Threshold(0.5, "calls per second", "judgement: at the busiest interval"),
    child_mean=Threshold(20, "ms per call", "judgement: a slower lookup is a slow query first"),
    unique_rows=Threshold(1.05, "rows per call", "judgement: above it is a batch already"),
    least_per_row=Threshold(0.1, "lookups per parent row", "simulated; under 1 where the ORM caches repeats"),
    most_per_row=Threshold(4.5, "lookups per parent row", "measured: up to 4 of one kind on pages of django-oscar"),
    per_call=Threshold(5, "lookups per call of the page", "judgement: Sentry and Scout count from 5 on"),
    loop_per_call=Threshold(10, "lookups per call of the page", "judgement: where no rows bring the keys"),
    page_calls=Threshold(2, "calls of the page per busy interval", "judgement: a job that loops is called once"),
    page_peak=Threshold(4, "calls of the page in its busiest interval", "judgement: of a page that is called seldom"),
    steady=Threshold(0.1, "variation of calls", "judgement: below it is polling, unless it comes in bursts"),
    batch_share=Threshold(0.8, "of the calls in few intervals", "judgement: a batch job, not a page"),
    batch_intervals=Threshold(0.34, "of the intervals", "judgement: what few means; a job every third minute"),
    likelihood=Threshold(3, "log likelihood ratio", "judgement: twenty times as likely as by chance"),
    followed=Threshold(3, "executions right after itself or its parent", "judgement: fewer may be chance"),
    loop_run=Threshold(10, "lookups in a row in a session", "judgement: no page looks up that many on purpose"),
    loop_runs=Threshold(3, "runs in the window", "judgement: once may be a batch"),
    critical_time=Threshold(3_600, "s per day", "judgement: an hour of waiting a day"),
)
# a page that always has five rows is estimated at a little less
TOLERANCE = 0.96
INTERVALS_OF_CALLS = 60  # that child_calls is of, and of more
TAGS_HINT = (
    " Statements that name their route and file in a comment (/*route='orders.list',file='orders/views.py:41'*/, as"
    " sqlcommenter writes it) show where in the code it is."
)


@check.on(ObservedWorkload)
def n_plus_one_burst(workload: ObservedWorkload) -> Iterator[Finding]:
    facts = workload.facts
    if facts is None:
        raise NotRun("the schema has not been read yet")
    too_few = NotRun(f"needs {check['intervals']:.0f} intervals without a gap, there are {workload.intervals}")
    if workload.intervals < check["sure_intervals"]:
        raise too_few
    is_early = workload.intervals < check["intervals"]
    children = {id(s): children_of(s.normalized_sql, facts) for s in workload.series}
    shapes = {id(s): parent_shape(s.normalized_sql, facts) for s in workload.series if s.rows.any()}
    others = [s for s in workload.series if all(child.is_by_conditions for child in children[id(s)])]
    load = _load([s.calls for s in others], workload.intervals)
    lookups: list[PageLookup] = []
    loops: list[Lookup] = []
    for series in workload.series:
        if not _is_frequent(series, children[id(series)], workload.interval_s):
            continue
        lookup = Lookup(series, children[id(series)])
        named = list(_judge(workload, lookup, shapes, load, facts))
        if is_early or age(series.calls) < check["new_intervals"]:
            named = [one for one in named if _is_sure(one)]
        lookups.extend(named)
        if not named and lookup.is_by_single_keys and _is_loop(workload, series):
            loops.append(lookup)
    lookups = of_different_rows(lookups)
    yield from with_distinct_subjects([_finding(workload, group, facts) for group in by_page(lookups)])
    if is_early:
        raise too_few
    for lookup in loops:
        yield _loop_finding(workload, lookup, facts)


def _load(calls: Sequence[Series], intervals: int) -> Series:
    """How the traffic goes as a whole: each statement counts the same, lest the busiest page is taken for all."""
    return np.asarray(np.sum([c / c.sum() for c in calls if c.any()], axis=0)) + np.zeros(intervals)


def _is_loop(workload: ObservedWorkload, series: StatementSeries) -> bool:
    return long_runs(workload.sessions, series.fingerprint, int(check["loop_run"])) >= max(1, check["loop_runs"])


def _is_frequent(series: StatementSeries, children: Sequence[ChildLookup], interval_s: float) -> bool:
    calls = float(series.calls.sum())
    if (
        not children
        or not series.toplevel
        or calls < _least_calls(len(series.calls))
        or series.calls.max() / interval_s < check["peak_calls"]
        or series.exec_time_ms.sum() / calls > check["child_mean"]
        or is_steady(series.calls, check["steady"])
        or _is_batch(series.calls)
    ):
        return False
    # a unique key of a joined table brings several rows; = ANY (array) would be a batch already
    is_unique = any(child.is_unique and not child.shape.joined for child in children)
    return not (is_unique and series.rows.sum() / calls > check["unique_rows"])


def _least_calls(intervals: int) -> float:
    """Of a window shorter than an hour: in proportion."""
    return check["child_calls"] * min(1.0, intervals / INTERVALS_OF_CALLS)


def _is_sure(lookup: PageLookup) -> bool:
    """By the order in sessions: so early a route in common may be chance."""
    return lookup.parent is not None and lookup.verdict.is_shown(check["likelihood"], check["followed"])


def _grounds(lookup: PageLookup) -> GradeEvidence:
    return grounds_of(lookup, check["likelihood"], check["followed"])


def _is_batch(calls: Series) -> bool:
    """A job, or so new that it may be one."""
    return age(calls) < check["sure_new_intervals"] or is_in_few(calls, check["batch_intervals"], check["batch_share"])


def _judge(
    workload: ObservedWorkload, lookup: Lookup, shapes: dict[int, ParentShape | None], load: Series, facts: SchemaFacts
) -> Iterator[PageLookup]:
    series = lookup.series
    since = slice(began(series.calls), None)  # a new page has nothing to say of the time before it
    least = check["per_call"] * TOLERANCE
    linked: list[tuple[StatementSeries, Link]] = []
    columns: list[Regressor] = []
    for at, other in enumerate(workload.series):
        shape = shapes.get(id(other))
        if other.fingerprint == series.fingerprint or other.role_oid != series.role_oid:
            continue
        candidates = (link for child in lookup.children for link in links(child, shape, facts)) if shape else iter(())
        link = next(candidates, None)
        if link is not None:
            linked.append((other, link))
        calls, rows = float(other.calls[since].sum()), float(other.rows[since].sum())
        if not other.toplevel or not calls or calls * least > float(series.calls.sum()):
            continue
        columns.append(Regressor(at, other.calls[since], 1.0, link is not None))
        if rows >= 2 * calls:
            columns.append(Regressor(at, other.rows[since], rows / calls, link is not None))
    for burst in bursts(series.calls[since], columns, load[since], least):
        page = workload.series[burst.column.at]
        if burst.share * float(series.calls.sum()) < _least_calls(workload.intervals) / 2 or not _is_page(page, series):
            continue
        parent = parent_of(burst, page, linked, load, (check["least_per_row"], check["most_per_row"]))
        if parent is None and (lookup.children[0].is_list or burst.sure_per_call < check["loop_per_call"]):
            continue
        above = parent.series if parent else page
        if are_of_different_pages(workload.sessions, series, above):
            continue
        verdict = judge_sessions(workload.sessions, series.fingerprint, above.fingerprint)
        yield PageLookup(lookup, burst, page, parent, verdict, shared_route(workload.sessions, series, (above, page)))


def _is_page(page: StatementSeries, lookup: StatementSeries) -> bool:
    """Called more often than a job that loops once whenever its time has come, or by chance."""
    busy = (page.calls > 0) & (lookup.calls > 0)
    if not busy.any():
        return False
    mean, peak = float(page.calls[busy].mean()), float(page.calls.max())
    return mean >= check["page_calls"] or (mean >= check["page_calls"] / 2 and peak >= check["page_peak"])


def _finding(workload: ObservedWorkload, group: Sequence[PageLookup], facts: SchemaFacts) -> Finding:
    first = group[0]
    per_day, watched_s = workload.per_day(first.lookup.series.fingerprint)
    ids = {one.lookup.series.fingerprint for one in group}
    tops = [one for one in group if one.parent is None or one.parent.series.fingerprint not in ids]
    top = (tops or list(group))[0]
    parent = top.parent
    page_calls = float(top.page.calls.sum()) * per_day
    lookups = sum(one.burst.per_call for one in group)
    server_s = waiting_s = 0.0
    for one in group:
        mean_ms = float(one.lookup.series.exec_time_ms.sum()) / float(one.lookup.series.calls.sum())
        # lookups a day that one statement would do for
        spared = max(0.0, one.burst.per_call - 1) * float(one.page.calls.sum()) * per_day
        server_s += spared * mean_ms / 1000
        waiting_s += spared * workload.round_trip_ms / 1000
    lost_s = server_s + waiting_s
    grounds = weakest([_grounds(one) for one in group])
    origin = origin_of(workload.sessions, top.lookup.series, top.route or next((o.route for o in group if o.route), ""))
    severity = Severity.INFO if grounds.grade is Grade.POSSIBLE else Severity.WARNING
    if severity is Severity.WARNING and lost_s >= check["critical_time"]:
        severity = Severity.CRITICAL
    base = base_table(parent.series.normalized_sql, parent.link.parent, facts) if parent else None
    is_admin = parent is not None and base is not None and is_admin_list(parent.series, base, workload.series)
    admin = f" It is a list of Django's admin ({base.qualified_name})." if is_admin and base else ""
    what = and_list([f"{one.lookup.name} ({one.burst.per_call:.1f} times)" for one in group])
    words = wording(group, parent, base)
    return check.finding(
        about=first.lookup.series.fingerprint,
        title=f"{words.title} (N+1 on {origin.route})" if origin.route else f"{words.title} (N+1)",
        subject=words.subject,
        severity=severity,
        message=f"Looked up {words.description}{where(origin)}: {what}; {grounds.words}.{admin}",
        hint=what_to_do(group, parent)
        + ("" if origin.route or origin.file else TAGS_HINT),
        evidence={
            "lookups_per_call": lookups,
            "lookups_per_row": sum(one.parent.per_row for one in tops if one.parent),
            "parent_rows_per_call": parent.rows_per_call if parent else 0.0,
            "parent_calls_per_day": page_calls,
            "lookup_calls_per_day": sum(
                float(one.lookup.series.calls.sum()) * one.burst.share for one in group
            ) * per_day,
            **({"statements": len(group)} if len(group) > 1 else {}),
            "explained_ratio": min(one.burst.share for one in group),
            "partial_r2_ratio": min(one.burst.partial_r2 for one in group),
            "server_time_s_per_day": server_s,
            "assumed_waiting_s_per_day": waiting_s,
            "assumed_round_trip_ms": workload.round_trip_ms,
            "sampled_executions": sum(one.verdict.sampled for one in group),
            "longest_run": max(one.verdict.longest_run for one in group),
            "confidence": str(grounds.grade),
            "rests_on": and_list(grounds.rests_on),
            **{name: value for name, value in origin._asdict().items() if value},
        },
        impact_s_per_day=lost_s,
        impact_assumed_s_per_day=waiting_s,
        watched_s=watched_s,
        table=first.lookup.rows.qualified_name,
        fixes=(
            fixes(base, steps(parent.series, base, group, facts), facts, workload.models, is_admin=is_admin)
            if parent and base
            else tuple(fix for one in group for fix in _loop_fixes(one.lookup, facts, workload))
        ),
        related_fingerprints=(
            (parent.series if parent else top.page).fingerprint,
            *(one.lookup.series.fingerprint for one in group[1:]),
        ),
    )  # fmt: skip


def _loop_finding(workload: ObservedWorkload, lookup: Lookup, facts: SchemaFacts) -> Finding:
    """A loop of lookups whose parent is cached, or not to be seen."""
    keys = ", ".join(lookup.columns)
    table = lookup.rows.qualified_name
    origin = origin_of(workload.sessions, lookup.series, "")
    runs = workload.sessions.runs.get(lookup.series.fingerprint, ())
    per_day, watched_s = workload.per_day(lookup.series.fingerprint)
    calls_per_day = float(lookup.series.calls.sum()) * per_day
    return check.finding(
        about=lookup.series.fingerprint,
        title=f"{lookup.rows.name} is looked up in a loop",
        subject=f"{table}({keys}) in a loop",
        severity=Severity.INFO,
        message=f"{table} is looked up by {keys} up to {max(runs)} times in a row{where(origin)} (possible).",
        hint="If the keys are known before the loop, fetch all rows with one statement.",
        evidence={
            "longest_run": max(runs),
            "lookup_calls_per_day": calls_per_day,
            "confidence": str(Grade.POSSIBLE),
            "rests_on": "the order of statements in sessions",
            **{name: value for name, value in origin._asdict().items() if value},
        },
        watched_s=watched_s,
        table=table,
        fixes=_loop_fixes(lookup, facts, workload),
    )


def _loop_fixes(lookup: Lookup, facts: SchemaFacts, workload: ObservedWorkload) -> tuple[Fix, ...]:
    child = lookup.children[0]
    if child.is_by_conditions or child.rows_of is not None:
        return (condition_fix(),)
    return loop_fixes(child.table, next(iter(child.shape.key_columns), None), facts, workload.models)
