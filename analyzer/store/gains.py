"""What the statements of a finding that is gone took before, and take since: measured, from the sums of whole hours.

Before: up to a week until the change, which lies within the last day that the finding was open (rates are of a day), or
is known where an index made it. Since: up to a week from then on, told after the first measured hour. ``gain`` of the
event that closed it:

    {"until": the end of the last hour counted; where something was measured also "before_s_per_day", "since_s_per_day",
     "since_measured_s", "index": that mended it or "", "statements": [{"fingerprint", "before_s_per_day",
     "since_s_per_day", "counts"}]}

``counts`` is false of a statement that has not run since and did not run regularly before: it may only not be due.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import F

from analyzer.behaviour.past import SpanFigures
from analyzer.models import Database, FindingEvent, FindingRecord, Server, Statement, SuggestionRecord
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.past import HOUR_S, figures_of
from analyzer.store.series.rollups import rolled_up_to
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S

WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
SUMMED_OVER = timedelta(days=30)
# judgement: a night says nothing of a day; a few lost samples take nothing from it
LEAST_SUMMED_S = 0.9 * DAY_S
REGULAR_RATIO, REGULAR_HOURS = 0.5, 12  # judgement: of the hours measured; what runs less often may only not be due
MOST_STATEMENTS = 20
SWITCHED_OFF = "the check was switched off"


@dataclass(frozen=True, slots=True)
class Gained:
    """What findings that are gone save; of each statement once. ``findings`` were measured for a day since."""

    s_per_day: float
    findings: int


@dataclass(frozen=True, slots=True)
class _Spans:
    """``before``, ``since``: from, until (Unix seconds, whole hours). ``index``: that mended it; ``helped`` by it."""

    before: tuple[int, int]
    since: tuple[int, int]
    index: str = ""
    helped: tuple[str, ...] = ()  # fingerprints


def measure_gone(server: Server, now: datetime) -> int:
    """Bring the gains of findings that closed within a week up to date. The number written."""
    mark = rolled_up_to(server)
    closings = list(
        FindingEvent.objects.filter(
            finding__server=server, finding__database__isnull=False, finding__closed_at=F("at"),
            what=FindingEvent.What.CLOSED, at__gt=now - WEEK - DAY,
        )
        .exclude(detail__startswith=SWITCHED_OFF)
        .select_related("finding__database")
        .order_by("pk")
    )  # fmt: skip
    last = int(floor_to(mark, "hour").timestamp()) if mark is not None else 0
    due = [closing for closing in closings if int(closing.gain.get("until") or 0) < last]
    written = []
    for database in {closing.finding.database for closing in due if closing.finding.database is not None}:
        indexes = _built(database, now)
        mine = [c for c in due if c.finding.database == database]
        some = [(c, _spans(c, indexes.get(c.finding.key, ()), last)) for c in mine]
        some = [(c, s) for c, s in some if s.since[1] > max(s.since[0], int(c.gain.get("until") or 0))]
        written += _measured(server, database, some)
    FindingEvent.objects.bulk_update(written, ["gain"])
    return sum("since_s_per_day" in closing.gain for closing in written)


def gained(servers: Iterable[Server] | None, now: datetime) -> Gained:
    """Of findings that went within 30 days and did not come back. One query."""
    closings = FindingEvent.objects.filter(
        what=FindingEvent.What.CLOSED, at__gt=now - SUMMED_OVER, finding__closed_at=F("at"),
        gain__since_measured_s__gte=LEAST_SUMMED_S,
    )  # fmt: skip
    if servers is not None:
        closings = closings.filter(finding__server__in=servers)
    best: dict[tuple[int, str], float] = {}
    findings = 0
    for server_id, gain in closings.values_list("finding__server_id", "gain"):
        counted = [s for s in gain["statements"] if s["counts"]]
        findings += bool(counted)
        for statement in counted:
            key = (server_id, statement["fingerprint"])
            saved = statement["before_s_per_day"] - statement["since_s_per_day"]
            best[key] = max(saved, best.get(key, saved))
    return Gained(sum(best.values()), findings)


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
    before_s, since_s = (
        sum(seconds for at, seconds in hours.items() if start <= at < end) for start, end in (spans.before, spans.since)
    )
    if min(before_s, since_s) < SHORTEST_OF_A_DAY_S * 0.9:
        return {}
    measured_hours = sum(spans.before[0] <= at < spans.before[1] for at in hours)
    statements = []
    for fingerprint, all_of in figures.items():
        before, since = all_of.between(*spans.before), all_of.between(*spans.since)
        if not len(before):
            continue
        is_regular = len(before) >= max(REGULAR_HOURS, REGULAR_RATIO * measured_hours)
        statements.append(
            {
                "fingerprint": fingerprint,
                "before_s_per_day": _per_day(before, before_s),
                "since_s_per_day": _per_day(since, since_s),
                "counts": bool(len(since)) or is_regular,
            }
        )
    if not statements:
        return {}
    return {
        "before_s_per_day": sum(s["before_s_per_day"] for s in statements),
        "since_s_per_day": sum(s["since_s_per_day"] for s in statements),
        "since_measured_s": since_s,
        "index": spans.index,
        "until": spans.since[1],
        "statements": statements,
    }


def _per_day(figures: SpanFigures, measured_s: float) -> float:
    return float(np.sum(figures.time_ms)) / 1000 * DAY_S / measured_s
