"""What the statements of a finding that is gone took before, and take since: measured, from the sums of whole hours.

Before: up to a week until the change, which lies within the last day that the finding was open (rates are of a day), or
is known where an index made it. Since: up to a week from then on, told after the first measured hour. As soon as a day
of it can be compared with the same hours of the week before, no other hours count: a weekend is no gain. ``gain`` of
the event that closed it:

    {"until": the end of the last hour counted; where something was measured also "before_s_per_day", "since_s_per_day",
     "since_measured_s", "compared_s": of it like for like, "index": that mended it or "",
     "statements": [{"fingerprint", "before_s_per_day", "since_s_per_day", "counts"}]}

``counts`` is false of a statement that has not run since and did not run regularly before: it may only not be due.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import F

from analyzer.behaviour.past import SpanFigures
from analyzer.models import Database, FindingEvent, FindingRecord, Server, Statement, SuggestionRecord
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.past import HOUR_S, figures_of
from analyzer.store.series.rollups import rolled_up_to
from analyzer.store.statements_not_run import GONE_AFTER
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S

WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
SUMMED_OVER = timedelta(days=30)
# judgement: a night says nothing of a day; a few lost samples take nothing from it
LEAST_SUMMED_S = 0.9 * DAY_S
SATURDAY = 5
REGULAR_RATIO, REGULAR_HOURS = 0.5, 12  # judgement: of the hours measured; what runs less often may only not be due
NO_LESS = 0.9  # judgement: what is left of the time; the load of days differs by more than a tenth
MOST_STATEMENTS = 20
MOST_AT_ONCE = 100  # closings; the others have their turn an hour later
# how the reasons begin why a finding closed that nobody mended
SWITCHED_OFF = "the check was switched off"
NOT_SEEN = f"its statement was not seen for {GONE_AFTER.days} days"
GOES_ON = "it goes on with others, or without them"
MAY_BE_NEEDED = "a standby that is not watched may use it"
NOT_MENDED = (SWITCHED_OFF, NOT_SEEN, GOES_ON, MAY_BE_NEEDED)


@dataclass(frozen=True, slots=True)
class MeasuredSavings:
    """What findings that are gone save; of each statement once. ``findings`` whose statements take less since."""

    s_per_day: float
    findings: int


@dataclass(frozen=True, slots=True)
class _Spans:
    """``before``, ``since``: from, until (Unix seconds, whole hours). ``index``: that mended it; ``helped`` by it."""

    before: tuple[int, int]
    since: tuple[int, int]
    index: str = ""
    helped: tuple[str, ...] = ()  # fingerprints


@dataclass(frozen=True, slots=True)
class _Hours:
    """Hours (their start, Unix seconds) to compare: before with the weight of their time, since as they are."""

    before: Mapping[int, float]
    before_s: float
    since: Mapping[int, float]
    since_s: float
    compared_s: float = 0.0


def measure_gone(server: Server, now: datetime) -> int:
    """Bring the gains of findings that closed within a week up to date, of so many at once: first those not looked at
    for longest, of them the costliest. The number written.
    """
    mark = rolled_up_to(server)
    closings = list(
        FindingEvent.objects.filter(
            finding__server=server, finding__database__isnull=False, finding__closed_at=F("at"),
            kind=FindingEvent.Kind.CLOSED, at__gt=now - WEEK - DAY,
        )
        .exclude(detail__regex=f"^({'|'.join(NOT_MENDED)})")
        .select_related("finding__database")
        .order_by("pk")
    )  # fmt: skip
    last = int(floor_to(mark, "hour").timestamp()) if mark is not None else 0
    due = [closing for closing in closings if int(closing.gain.get("until") or 0) < last]
    pending: list[tuple[FindingEvent, _Spans]] = []
    for database in {closing.finding.database for closing in due if closing.finding.database is not None}:
        indexes = _built(database, now)
        mine = [c for c in due if c.finding.database == database]
        some = [(c, _spans(c, indexes.get(c.finding.key, ()), last)) for c in mine]
        pending += [(c, s) for c, s in some if s.since[1] > max(s.since[0], int(c.gain.get("until") or 0))]
    pending.sort(key=lambda each: (int(each[0].gain.get("until") or 0), -(each[0].impact_s_per_day or 0.0), each[0].pk))
    chosen: dict[Database, list[tuple[FindingEvent, _Spans]]] = {}
    for closing, spans in pending[:MOST_AT_ONCE]:
        if closing.finding.database is not None:
            chosen.setdefault(closing.finding.database, []).append((closing, spans))
    written = [closing for database, some in chosen.items() for closing in _measured(server, database, some)]
    FindingEvent.objects.bulk_update(written, ["gain"])
    return sum("since_s_per_day" in closing.gain for closing in written)


def gained(servers: Iterable[Server] | None, now: datetime) -> MeasuredSavings:
    """Of findings that went within 30 days and did not come back: by the last that went of each statement, where that
    takes less since. One query.
    """
    closings = FindingEvent.objects.filter(
        kind=FindingEvent.Kind.CLOSED, at__gt=now - SUMMED_OVER, finding__closed_at=F("at"),
        gain__compared_s__gte=LEAST_SUMMED_S,
    ).order_by("at", "pk")  # fmt: skip
    if servers is not None:
        closings = closings.filter(finding__server__in=servers)
    saved: dict[tuple[int, str], float] = {}
    of_findings: list[set[tuple[int, str]]] = []
    for server_id, gain in closings.values_list("finding__server_id", "gain"):
        by_statement = {(server_id, s["fingerprint"]): _saved(s) for s in gain["statements"] if s["counts"]}
        saved |= by_statement
        of_findings.append({key for key, less in by_statement.items() if less > 0})
    gaining = {key for key, less in saved.items() if less > 0}
    return MeasuredSavings(
        sum(saved[key] for key in gaining), sum(not keys.isdisjoint(gaining) for keys in of_findings)
    )


def is_gain(gain: Mapping[str, Any]) -> bool:
    """Whether what the finding was about takes less since, by a day of the same hours at least."""
    if gain.get("compared_s", 0.0) < LEAST_SUMMED_S:
        return False
    less = gain["since_s_per_day"] < NO_LESS * gain["before_s_per_day"]
    return less and any(s["counts"] and _saved(s) > 0 for s in gain["statements"])


def _saved(statement: Mapping[str, Any]) -> float:
    """A day; 0 where it takes about as long as before, or longer."""
    before, since = float(statement["before_s_per_day"]), float(statement["since_s_per_day"])
    return before - since if since < NO_LESS * before else 0.0


def _spans(closing: FindingEvent, indexes: Sequence[SuggestionRecord], last: int) -> _Spans:
    """``indexes``: that were built for it. ``last``: the end of the last hour that is summed."""
    record = closing.finding
    shortly = (i for i in indexes if i.built_at and closing.at - 2 * DAY <= i.built_at <= closing.at + HOUR)
    built = next(shortly, None)
    if built is not None and built.built_at is not None:
        until, begin = datetime.fromisoformat(built.outcome["until"]), built.built_at
    else:
        opened = record.reopened_at or record.first_seen
        until, begin = closing.at - min(DAY, (closing.at - opened) / 2), closing.at
    end = int(until.timestamp()) // HOUR_S * HOUR_S
    start = -(-math.ceil(begin.timestamp()) // HOUR_S) * HOUR_S
    week_s = int(WEEK.total_seconds())
    spans = (end - week_s, end), (start, min(last, start + week_s))
    if built is None:
        return _Spans(*spans)
    return _Spans(*spans, built.built_index_name, tuple(help_["fingerprint"] for help_ in built.helps))


def _built(database: Database, now: datetime) -> dict[str, list[SuggestionRecord]]:
    """By the key of the finding they were for, the newest first. One query."""
    found: dict[str, list[SuggestionRecord]] = {}
    records = SuggestionRecord.objects.filter(
        database=database, outcome__until__isnull=False, built_at__gt=now - WEEK - 3 * DAY
    )
    for record in records.order_by("-built_at"):
        for key in record.finding_keys:
            found.setdefault(key, []).append(record)
    return found


def _measured(
    server: Server, database: Database, closings: Sequence[tuple[FindingEvent, _Spans]]
) -> list[FindingEvent]:
    """With their gain, or only until when it was looked for. A few queries."""
    if not closings:
        return []
    named = {c.pk: _fingerprints(c.finding, spans) for c, spans in closings}
    ids = dict(
        Statement.objects.filter(server=server, fingerprint__in=set().union(*named.values())).values_list(
            "fingerprint", "pk"
        )
    )
    start = datetime.fromtimestamp(min(s.before[0] for _, s in closings), tz=closings[0][0].at.tzinfo)
    end = datetime.fromtimestamp(max(s.since[1] for _, s in closings), tz=start.tzinfo)
    figures = figures_of(database, list(ids.values()), "statement_hour", HOUR_S, start, end) if ids else {}
    hours = _measured_hours(server, start, end)
    written = []
    for closing, spans in closings:
        known = {name: figures[ids[name]] for name in sorted(named[closing.pk]) if ids.get(name) in figures}
        closing.gain = _gain(known, spans, hours) or {**closing.gain, "until": spans.since[1]}
        written.append(closing)
    return written


def _fingerprints(record: FindingRecord, spans: _Spans) -> set[str]:
    """The statements a finding is about; else those that its index was made for."""
    about = [record.about] if record.statement_id else []
    return set([*about, *record.related_fingerprints][:MOST_STATEMENTS] or spans.helped[:MOST_STATEMENTS])


def _measured_hours(server: Server, start: datetime, end: datetime) -> Mapping[int, float]:
    """Start of an hour (Unix seconds) -> measured seconds in it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select extract(epoch from date_trunc('hour', taken_at - interval '1 us'))::int8, sum(interval_s)::float8"
            " from server_delta where server_id = %s and taken_at > %s and taken_at <= %s group by 1",
            [server.pk, start, end],
        )
        return dict(cursor.fetchall())


def _gain(figures: Mapping[str, SpanFigures], spans: _Spans, hours: Mapping[int, float]) -> dict[str, Any]:
    """{} where one of the two spans was measured for less than an hour, or nothing ran before."""
    all_of, alike = _all_hours(spans, hours), _like_for_like(spans, hours)
    if min(all_of.before_s, all_of.since_s) < SHORTEST_OF_A_DAY_S * 0.9:
        return {}
    is_enough = alike.compared_s >= LEAST_SUMMED_S
    compared, statements = (alike, _statements(figures, alike)) if is_enough else (all_of, [])
    if not statements:
        compared, statements = all_of, _statements(figures, all_of)
    if not statements:
        return {}
    return {
        "before_s_per_day": sum(s["before_s_per_day"] for s in statements),
        "since_s_per_day": sum(s["since_s_per_day"] for s in statements),
        "since_measured_s": all_of.since_s,
        "compared_s": compared.compared_s,
        "index": spans.index,
        "until": spans.since[1],
        "statements": statements,
    }


def _all_hours(spans: _Spans, hours: Mapping[int, float]) -> _Hours:
    before, since = (
        {at: seconds for at, seconds in hours.items() if start <= at < end}
        for start, end in (spans.before, spans.since)
    )
    return _Hours(dict.fromkeys(before, 1.0), sum(before.values()), since, sum(since.values()))


def _like_for_like(spans: _Spans, hours: Mapping[int, float]) -> _Hours:
    """Each hour since against the same one of the week before; where that was not measured, against the same hour of
    other working days, or of the weekend's other day.
    """
    before = {at: s for at, s in hours.items() if spans.before[0] <= at < spans.before[1] and s > 0}
    by_kind: dict[tuple[bool, int], list[int]] = {}
    for at in before:
        by_kind.setdefault(_kind_of_hour(at), []).append(at)
    weighed_s: dict[int, float] = {}
    since: dict[int, float] = {}
    for at, seconds in hours.items():
        if spans.since[0] <= at < spans.since[1]:
            week_before = at - 7 * DAY_S
            like = [week_before] if week_before in before else by_kind.get(_kind_of_hour(at), [])
            for one in like:
                weighed_s[one] = weighed_s.get(one, 0.0) + seconds / len(like)
            if like:
                since[at] = seconds
    total_s = sum(since.values())
    return _Hours({at: s / before[at] for at, s in weighed_s.items()}, total_s, since, total_s, total_s)


def _kind_of_hour(at: int) -> tuple[bool, int]:
    """Of a working day or of a weekend, and its number. By UTC: only which hours are alike matters."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    return moment.weekday() >= SATURDAY, moment.hour


def _statements(figures: Mapping[str, SpanFigures], hours: _Hours) -> list[dict[str, Any]]:
    """Those that ran in the hours before."""
    found = []
    for fingerprint, all_of in figures.items():
        before = [hours.before.get(int(at), 0.0) for at in all_of.starts_s]
        since = [float(int(at) in hours.since) for at in all_of.starts_s]
        ran_before = sum(weight > 0 for weight in before)
        if ran_before:
            is_regular = ran_before >= max(REGULAR_HOURS, REGULAR_RATIO * len(hours.before))
            found.append(
                {
                    "fingerprint": fingerprint,
                    "before_s_per_day": _per_day(all_of, before, hours.before_s),
                    "since_s_per_day": _per_day(all_of, since, hours.since_s),
                    "counts": any(since) or is_regular,
                }
            )
    return found


def _per_day(figures: SpanFigures, weights: Sequence[float], measured_s: float) -> float:
    return float(np.dot(figures.time_ms, weights)) / 1000 * DAY_S / measured_s
