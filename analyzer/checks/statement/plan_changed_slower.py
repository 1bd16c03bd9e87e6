"""A statement's plan changed, and its calls take longer since.

Plans change when statistics, sizes, indexes, settings or the values asked for do; what matters is whether calls take
longer. Compared are plans for the same kind of values by the same planner, and the median time per call of the spans
before and since, as pg_stat_statements counted it. A plan that comes back (it alternates), one that made the
statement faster or as fast, times as they are at that time of every day, and a slowdown that the other statements
share are no finding: the statement's chart marks each change.

Why it changed is looked for on the planner twin: with single things as they were before (statistics of a column, an
index, a setting, a table's size, the values), it plans the statement until one, or two together, turn the one plan into
the other.
"""

from collections.abc import Iterator

from analyzer.behaviour.past import (
    BeforeAndSince,
    ShapeChange,
    StatementPast,
    compare_around,
    same_time_of_day,
    utc_words,
)
from analyzer.checks import Check, NotRun, Threshold
from analyzer.findings import EvidenceLevel, Finding, Severity
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="ST010",
    title="Plan changed, and it is slower",
    severity=Severity.WARNING,
    slower=Threshold(1.5, "times the time per call", "judgement: less is not worth a look"),
    spans=Threshold(3, "spans before and since", "judgement: of five minutes, or of an hour"),
    calls=Threshold(20, "calls before and since", "judgement: fewer tell of their values"),
    same_hours=Threshold(6, "hours at the same time of day", "judgement: two days, of three hours each"),
    lost=Threshold(24, "s/day", "judgement: a second an hour"),
    spread=Threshold(3, "standard deviations", "judgement: the usual bound of an outlier, from the median distance"),
    critical_lost=Threshold(3_600, "s/day", "judgement: an hour of waiting a day"),
)
DEVIATION = 1.4826  # standard deviations per median distance, of the normal distribution
SAME_WORK = 0.8  # judgement: of the time's factor; so many more rows explain it

HINT = (
    "See what changed then: statistics (ANALYZE), an index, a setting, the table's size, the values asked for. Both"
    " plans are on the statement's page."
)


@check.on(StatementPast)
def plan_changed_slower(past: StatementPast) -> Iterator[Finding]:
    unknown = False
    for change in past.changes:
        if change.alternates or not change.is_in_force:
            continue
        compared = compare_around(past, change, least_calls=1)
        if compared is None or not _is_enough(compared):
            unknown = True
        elif (
            _lost_s_per_day(compared) >= check["lost"] and _is_slower(compared) and not _is_so_each_day(past, compared)
        ):
            yield _finding(past, change, compared)
            return
    if unknown:
        raise NotRun(f"needs {check['spans']:.0f} spans and {check['calls']:.0f} calls before and since a new plan")


def _lost_s_per_day(compared: BeforeAndSince) -> float:
    after = compared.after
    return compared.lost_ms / 1000 * after.total_calls * 86_400 / after.watched_s


def _finding(past: StatementPast, change: ShapeChange, compared: BeforeAndSince) -> Finding:
    cause = past.causes.get((change.before.shape, change.after.shape))
    before, after, lost_s = compared.before, compared.after, _lost_s_per_day(compared)
    return check.finding(
        subject=f"plan {change.after.shape[:8]}",
        severity=Severity.CRITICAL if lost_s >= check["critical_lost"] else Severity.WARNING,
        message=(
            f"A call takes {time_words(after.median_ms)} since {utc_words(compared.since_s)},"
            f" {time_words(before.median_ms)} before. {_what(past, change)}{f' {cause.description}' if cause else ''}"
        ),
        hint=(cause.hint if cause else "") or HINT,
        evidence={
            "time_before_ms": round(before.median_ms, 3),
            "time_after_ms": round(after.median_ms, 3),
            "slower_factor": round(compared.factor, 2),
            "calls_before": int(before.total_calls),
            "calls_since": int(after.total_calls),
            "rows_per_call_before": round(before.rows_per_call, 2),
            "rows_per_call_since": round(after.rows_per_call, 2),
            "blocks_per_call_before": round(before.blocks_per_call, 1),
            "blocks_per_call_since": round(after.blocks_per_call, 1),
            "others_slower_factor": compared.others_factor and round(compared.others_factor, 2),
            "values": change.after.values,
        },
        level=EvidenceLevel.EXECUTED,
        impact_s_per_day=lost_s,
        watched_s=after.watched_s,
    )


def _is_enough(compared: BeforeAndSince) -> bool:
    return all(
        len(part) >= max(1, check["spans"]) and part.total_calls >= check["calls"]
        for part in (compared.before, compared.after)
    )


def _is_slower(compared: BeforeAndSince) -> bool:
    """By more than chance, than the other statements, and than more rows explain."""
    before, after = compared.before, compared.after
    factor = compared.factor / max(1.0, compared.others_factor or 1.0)
    is_more_work = (
        before.rows_per_call > 0 and after.rows_per_call / before.rows_per_call >= compared.factor * SAME_WORK
    )
    deviation = DEVIATION * max(before.mad_ms, after.mad_ms)
    return factor >= check["slower"] and compared.lost_ms >= check["spread"] * deviation and not is_more_work


def _is_so_each_day(past: StatementPast, compared: BeforeAndSince) -> bool:
    """At this time of day it took about as long with the old plan: by day other values are asked for than at night."""
    usual = same_time_of_day(past.hours.with_calls(1), compared.since_s, compared.after)
    if len(usual) < check["same_hours"]:
        return False
    return compared.after.median_ms < check["slower"] * usual.median_ms


def _what(past: StatementPast, change: ShapeChange) -> str:
    what = past.what_changed.get((change.before.shape, change.after.shape), "")
    between = f"{utc_words(change.before.last_seen.timestamp())} and {utc_words(change.after.first_seen.timestamp())}"
    return f"Between {between} its plan changed{f': {what}' if what else ''}."
