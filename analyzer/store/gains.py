"""What the statements of a finding that is gone took before, and take since: measured, from the sums of whole hours.

Before: up to a week until the change, which lies within the last day that the finding was open (rates are of a day), or
is known where an index made it. Since: up to a week from then on, told after the first measured hour. ``gain`` of the
event that closed it:

    {"before_s_per_day", "since_s_per_day", "since_measured_s", "index": that mended it or "", "until": the end of the
     last hour counted, "statements": [{"fingerprint", "before_s_per_day", "since_s_per_day", "counts"}]}

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

from analyzer.behaviour.past import Figures
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
    """``before`` and ``since``: from, until (Unix seconds, whole hours)."""

    before: tuple[int, int]
    since: tuple[int, int]
    index: str


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
    if mark is None or not closings:
        return 0
    last = int(floor_to(mark, "hour").timestamp())
    due = [(c, spans) for c in closings if (spans := _spans(c, last)).since[1] > int(c.gain.get("until") or 0)]
    due = [(c, spans) for c, spans in due if spans.since[1] > spans.since[0]]
    written = []
    for database in {c.finding.database for c, _ in due if c.finding.database is not None}:
        mine = [(c, spans) for c, spans in due if c.finding.database == database]
        written += _measured(server, database, mine)
    FindingEvent.objects.bulk_update(written, ["gain"])
    return len(written)


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


def _spans(closing: FindingEvent, last: int) -> _Spans:
    """``last``: the end of the last hour that is summed."""
    record = closing.finding
    built = _built(record, closing.at)
    if built is not None and built.built_at is not None:
        until, begin = datetime.fromisoformat(built.outcome["until"]), built.built_at
    else:
        opened = record.reopened_at or record.first_seen
        until, begin = closing.at - min(DAY, (closing.at - opened) / 2), closing.at
    end = int(until.timestamp()) // HOUR_S * HOUR_S
    start = -(-math.ceil(begin.timestamp()) // HOUR_S) * HOUR_S
    week_s = int(WEEK.total_seconds())
    index = built.built_index_name if built is not None else ""
    return _Spans((end - week_s, end), (start, min(last, start + week_s)), index)


def _built(record: FindingRecord, closed_at: datetime) -> SuggestionRecord | None:
    """The index that was built for it shortly before it closed."""
    return (
        SuggestionRecord.objects.filter(
            database=record.database, finding_keys__contains=[record.key], outcome__until__isnull=False,
            built_at__gte=closed_at - 2 * DAY, built_at__lte=closed_at + HOUR,
        )
        .order_by("-built_at")
        .first()
    )  # fmt: skip


def _measured(
    server: Server, database: Database, closings: Sequence[tuple[FindingEvent, _Spans]]
) -> list[FindingEvent]:
    """The closings whose statements were measured before and since, with their gain. A few queries."""
    named = {c.pk: _fingerprints(c.finding) for c, _ in closings}
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
        gain = _gain(known, spans, hours)
        if gain:
            closing.gain = gain
            written.append(closing)
    return written


def _fingerprints(record: FindingRecord) -> set[str]:
    """The statements a finding is about; else those that its index was made for."""
    about = [record.about, *record.related_fingerprints] if record.statement_id else record.related_fingerprints
    if not about:
        for (helps,) in SuggestionRecord.objects.filter(
            database=record.database, finding_keys__contains=[record.key]
        ).values_list("helps"):
            about = [*about, *(help_["fingerprint"] for help_ in helps)]
    return set(about[:MOST_STATEMENTS])


def _measured_hours(server: Server, start: datetime, end: datetime) -> Mapping[int, float]:
    """Start of an hour (Unix seconds) -> measured seconds in it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select extract(epoch from date_trunc('hour', taken_at - interval '1 us'))::int8, sum(interval_s)::float8"
            " from server_delta where server_id = %s and taken_at > %s and taken_at <= %s group by 1",
            [server.pk, start, end],
        )
        return dict(cursor.fetchall())


def _gain(figures: Mapping[str, Figures], spans: _Spans, hours: Mapping[int, float]) -> dict[str, Any]:
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


def _per_day(figures: Figures, measured_s: float) -> float:
    return float(np.sum(figures.time_ms)) / 1000 * DAY_S / measured_s
