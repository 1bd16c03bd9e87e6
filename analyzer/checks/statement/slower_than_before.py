"""A statement takes longer per call than it used to, and no new plan explains it.

The last hours are compared, each with what is usual: the median of the same time of day of other days where there are
enough of these, else of all hours of the last two weeks. Grown tables and results show as more blocks and rows per
call; with neither, calls wait: for reads, locks or processors. A slowdown that the database's other statements share
is the server's and not told of each. After a week the slower time is the usual one.
"""

from collections.abc import Iterator

from analyzer.behaviour.past import HOUR_S, BeforeAndSince, SpanFigures, StatementPast, others_factor, usual, utc_words
from analyzer.checks import Check, EvidenceLevel, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="ST011",
    title="Slower than it used to be",
    severity=Severity.WARNING,
    gives_way_to=frozenset({"ST010"}),
    slower=Threshold(1.5, "times the usual time per call", "judgement: less is not worth a look"),
    hours=Threshold(4, "hours in a row", "simulated: 6 false alarms in 6,000 fortnights that scatter by 10 to 50 %"),
    calls=Threshold(20, "calls per hour", "judgement: fewer tell of their values"),
    past_hours=Threshold(48, "hours before", "judgement: two days and nights"),
    same_hours=Threshold(12, "hours at the same time of day", "judgement: four days, of three hours each"),
    above=Threshold(0.9, "of the hours compared with", "simulated: at 0.95 rare outliers hide a third of what is 2.5x"),
    spread=Threshold(3, "standard deviations", "judgement: the usual bound of an outlier, from the median distance"),
    lost=Threshold(24, "s/day", "judgement: a second an hour"),
    critical_lost=Threshold(3_600, "s/day", "judgement: an hour of waiting a day"),
)
DEVIATION = 1.4826  # standard deviations per median distance, of the normal distribution
FRESH_HOURS = 6  # judgement: what ran before is not now
SAME_WORK = 0.8  # judgement: of the time's factor; so many more rows or blocks explain it


@check.on(StatementPast)
def slower_than_before(past: StatementPast) -> Iterator[Finding]:
    hours = past.hours.with_calls(check["calls"])
    least = int(max(1, check["hours"]))
    fresh = hours.pick(hours.starts_s >= past.read_at.timestamp() - FRESH_HOURS * HOUR_S)
    if len(fresh) < least:
        return
    last = hours.pick(hours.starts_s >= hours.starts_s[-least])
    before = hours.pick(hours.starts_s < last.starts_s[0])
    compared_with = [_usual(before, at) for at in last.starts_s.tolist()]
    if not all(_is_slower(last, n, of) for n, of in enumerate(compared_with)):
        return
    old = compared_with[-1]
    compared = BeforeAndSince(_since(hours, old), old, last, others_factor(past, before, last))
    calls_per_day = last.total_calls * 86_400 / last.watched_s
    lost_s = compared.lost_ms / 1000 * calls_per_day
    if lost_s < check["lost"] or compared.factor / max(1.0, compared.others_factor or 1.0) < check["slower"]:
        return
    yield check.finding(
        subject="time per call",
        severity=Severity.CRITICAL if lost_s >= check["critical_lost"] else Severity.WARNING,
        message=(
            f"A call takes {time_words(last.median_ms)} since {utc_words(compared.since_s)}, usually"
            f" {time_words(old.median_ms)}. {_why(compared)} {_plans(past)}"
        ),
        hint=_hint(compared),
        evidence={
            "time_usual_ms": round(old.median_ms, 3),
            "time_after_ms": round(last.median_ms, 3),
            "slower_factor": round(compared.factor, 2),
            "hours_compared_with": len(old),
            "calls_since": int(last.total_calls),
            "rows_per_call_before": round(old.rows_per_call, 2),
            "rows_per_call_since": round(last.rows_per_call, 2),
            "blocks_per_call_before": round(old.blocks_per_call, 1),
            "blocks_per_call_since": round(last.blocks_per_call, 1),
            "others_slower_factor": compared.others_factor and round(compared.others_factor, 2),
        },
        level=EvidenceLevel.EXECUTED,
        impact_s_per_day=lost_s,
        watched_s=last.watched_s,
    )


def _usual(before: SpanFigures, at_s: float) -> SpanFigures:
    figures = usual(before, at_s, int(max(1, check["past_hours"])), int(max(1, check["same_hours"])))
    if figures is None:
        raise NotRun(f"needs {check['past_hours']:.0f} earlier hours with {check['calls']:.0f} calls each")
    return figures


def _is_slower(last: SpanFigures, n: int, of: SpanFigures) -> bool:
    ms = float(last.ms_per_call[n])
    is_above = float((of.ms_per_call < ms).mean()) >= check["above"]
    return (
        is_above
        and ms >= check["slower"] * of.median_ms
        and ms - of.median_ms >= check["spread"] * DEVIATION * of.mad_ms
    )


def _since(hours: SpanFigures, old: SpanFigures) -> float:
    """Start of the unbroken run of slow hours at the end."""
    fast = (hours.ms_per_call < check["slower"] * old.median_ms).nonzero()[0]
    first = int(fast[-1]) + 1 if len(fast) else 0
    return float(hours.starts_s[min(first, len(hours) - 1)])


def _factors(compared: BeforeAndSince) -> tuple[float, float]:
    """Of rows and of blocks per call; 0 where there were none."""
    old, new = compared.before, compared.after
    rows = new.rows_per_call / old.rows_per_call if old.rows_per_call else 0.0
    return rows, new.blocks_per_call / old.blocks_per_call if old.blocks_per_call else 0.0


def _why(compared: BeforeAndSince) -> str:
    rows, blocks = _factors(compared)
    if rows >= compared.factor * SAME_WORK:
        return f"It returns {rows:.1f} times as many rows."
    if blocks >= compared.factor * SAME_WORK:
        return f"It touches {blocks:.1f} times as many blocks."
    return "Neither rows nor blocks per call grew as much."


def _hint(compared: BeforeAndSince) -> str:
    rows, blocks = _factors(compared)
    if rows >= compared.factor * SAME_WORK:
        return "See whether callers need all rows: a limit, a narrower condition, pages."
    if blocks >= compared.factor * SAME_WORK:
        return "See whether its tables grew or bloated, and whether its index still serves the values asked for."
    return "See what its sessions wait for: reads that no longer come from the cache, locks, busy processors."


def _plans(past: StatementPast) -> str:
    changes = past.changes
    if changes and changes[0].alternates:
        return "Its plan alternates between shapes that were seen before."
    if changes:
        return f"Its plan was first seen to be another by {utc_words(changes[0].after.first_seen.timestamp())}."
    if not past.plans:
        return "No plan of it is known."
    first = min(period.first_seen for period in past.plans)
    return f"Its plan has kept its shape since {utc_words(first.timestamp())}, when it was first looked at."
