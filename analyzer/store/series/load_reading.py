"""Average active sessions of a span: over time by wait, and divided by statement, role, application, ... of a wait."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import connection

from analyzer.models import Server
from analyzer.schema.server import SessionsAtWork
from analyzer.store.series.windows import STEPS_S, Window
from analyzer.words.durations import DAY_S

MOST_BARS = 180  # judgement: of a chart as wide as the page, four pixels each
SHORTEST_S, HOUR_S = 60, 3600  # what is kept: minutes, and for longer hours
LOAD_OF = timedelta(days=7)  # judgement: it holds every day's habits once
WITHIN = "server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s"
# What a page divides load by -> its column.
DIVISIONS: Mapping[str, str] = {
    "statement": "statement_id",
    "role": "role_oid",
    "application": "application_name",
    "database": "database_oid",
    "route": "route",
    "event": "wait_event",
}
NUMBERED = frozenset({"statement", "role", "database"})


@dataclass(frozen=True, slots=True)
class LoadBucket:
    """``looks``: 0 where nobody looked. ``active``: sessions at work by wait event type, summed over the looks."""

    at: datetime
    looks: int
    active: Mapping[str, float]


@dataclass(frozen=True)
class LoadSpan:
    """``start`` and ``end`` are whole buckets', so a little more than the window. ``table``: where parts are read."""

    step_s: int
    start: datetime
    end: datetime
    table: str

    def params(self, server: Server, **more: int | str) -> dict[str, Any]:
        return {"server": server.pk, "start": self.start, "end": self.end, **more}


@dataclass(frozen=True)
class LoadTimeline(LoadSpan):
    buckets: Sequence[LoadBucket]
    active_squared: float  # summed over the looks

    @cached_property
    def looks(self) -> int:
        return sum(bucket.looks for bucket in self.buckets)

    @cached_property
    def by_wait(self) -> dict[str, float]:
        """Average active sessions by wait event type, the largest first."""
        sums: dict[str, float] = {}
        for bucket in self.buckets:
            for name, active in bucket.active.items():
                sums[name] = sums.get(name, 0.0) + active
        return {name: sums[name] / self.looks for name in sorted(sums, key=lambda name: (-sums[name], name))}

    @property
    def average(self) -> float | None:
        """Average active sessions; None where nobody looked."""
        return sum(self.by_wait.values()) if self.looks else None

    @property
    def uncertainty(self) -> float | None:
        """Two standard errors of the average, the looks taken as independent; None of fewer than two looks."""
        if self.looks < 2 or self.average is None:
            return None
        variance = max(0.0, self.active_squared / self.looks - self.average**2) * self.looks / (self.looks - 1)
        return 2 * math.sqrt(variance / self.looks)


@dataclass(frozen=True, slots=True)
class LoadPart:
    """``value`` of a division: a statement's id, a role's oid, a name; 0 or "" where it is not known."""

    value: int | str
    average: float  # active sessions
    share_ratio: float  # of all that was asked for
    of_sightings: float  # sessions seen at work, all parts together: what the share is made of

    @property
    def uncertainty_ratio(self) -> float:
        """Two standard errors of the share, each sighting taken as independent."""
        n = max(1.0, self.of_sightings)
        return 2 * math.sqrt(self.share_ratio * (1 - self.share_ratio) / n)


@dataclass(frozen=True, slots=True)
class Caller(LoadPart):
    """A part with what it waited for and how many statements it was seen running, of those known by their text."""

    by_wait: Mapping[str, float]  # average active sessions, the largest first
    statements: int


def step_of(window: Window) -> int:
    """Width of a bar, in seconds."""
    return next((s for s in STEPS_S if s >= SHORTEST_S and window.duration_s / s <= MOST_BARS), STEPS_S[-1])


def load_span(window: Window, now: datetime) -> LoadSpan:
    """In minutes as long as they are kept and fit a chart, else in hours."""
    step = step_of(window)
    if window.start < now - timedelta(days=settings.ANALYZER_KEEP_MINUTES_DAYS):
        step = max(step, HOUR_S)
    first = int(window.start.timestamp()) // step * step
    count = max(1, math.ceil((window.end.timestamp() - first) / step))
    start, end = (datetime.fromtimestamp(first + step * n, tz=UTC) for n in (0, count))
    return LoadSpan(step, start, end, "session_load" if step < HOUR_S else "session_load_hour")


def load_timeline(server: Server, window: Window, now: datetime) -> LoadTimeline:
    """Two queries."""
    span = load_span(window, now)
    params = span.params(server, step=span.step_s)
    bin_ = "extract(epoch from date_bin(%(step)s * interval '1 second', starts_at, 'epoch'))::int8"
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {bin_}, sum(looks)::int8, sum(active_squared) from session_look where {WITHIN} group by 1", params
        )
        looks = {at: (n, squared) for at, n, squared in cursor.fetchall()}
        cursor.execute(
            f"select {bin_}, wait_event_type, sum(active) from {span.table} where {WITHIN} group by 1, 2", params
        )
        active: dict[int, dict[str, float]] = {}
        for at, name, seen in cursor.fetchall():
            active.setdefault(at, {})[name] = seen
    buckets = [
        LoadBucket(datetime.fromtimestamp(at, tz=UTC), looks[at][0] if at in looks else 0, active.get(at, {}))
        for at in range(int(span.start.timestamp()), int(span.end.timestamp()), span.step_s)
    ]
    squared = sum(squared for _, squared in looks.values())
    return LoadTimeline(span.step_s, span.start, span.end, span.table, buckets, squared)


def sessions_at_work(server: Server, now: datetime) -> SessionsAtWork | None:
    """Over the last week; None of fewer than a day's minutes. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select percentile_disc(0.99) within group (order by active / looks), count(*),"
            " extract(epoch from %(now)s - min(starts_at))::float8"
            " from session_look where server_id = %(server)s and looks > 0 and starts_at >= %(start)s",
            {"server": server.pk, "now": now, "start": now - LOAD_OF},
        )
        most, minutes, watched_s = cursor.fetchone()
    return SessionsAtWork(most, watched_s / DAY_S) if minutes >= DAY_S / SHORTEST_S else None


def largest(server: Server, span: LoadSpan, division: str, most: int) -> list[int | str]:
    """The values with the most load, known ones only. One query."""
    column = DIVISIONS[division]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {column} from {span.table} where {WITHIN} group by 1 order by sum(active) desc, 1 limit %(most)s",
            span.params(server, most=most + 1),
        )
        return [value for (value,) in cursor.fetchall() if value][:most]


def load_parts(
    server: Server, timeline: LoadTimeline, most: Mapping[str, int], **only: int | str
) -> dict[str, list[LoadPart]]:
    """The ``most`` largest parts by each division asked for. One query.

    ``only``: of the sessions with these values (``wait_event_type="IO"``).
    """
    parts: dict[str, list[LoadPart]] = {division: [] for division in most}
    if not timeline.looks:
        return parts
    columns = {DIVISIONS[division]: division for division in most}
    named = "case " + " ".join(f"when grouping({column}) = 0 then '{column}'" for column in columns) + " end"
    value = f"coalesce({', '.join(f'{column}::text' for column in columns)})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"select divided, value, seen, total from (select {named} as divided, {value} as value,"
            f" sum(active) as seen, sum(sum(active)) over (partition by {named}) as total,"
            f" row_number() over (partition by {named} order by sum(active) desc, {value}) as place"
            f" from {timeline.table} where {WITHIN}{_narrowed(only)}"
            f" group by grouping sets ({', '.join(f'({column})' for column in columns)})) p"
            " where place <= %(most)s order by divided, place",
            timeline.params(server, most=max(most.values()), **only),
        )
        for column, text, seen, total in cursor.fetchall():
            division = columns[column]
            part_value: int | str = int(text) if division in NUMBERED else text
            if len(parts[division]) < most[division]:
                parts[division].append(LoadPart(part_value, seen / timeline.looks, seen / total, total))
    return parts


def load_callers(server: Server, timeline: LoadTimeline, division: str, most: int) -> list[Caller]:
    """The largest by ``division`` with their waits. One query."""
    if not timeline.looks:
        return []
    column = DIVISIONS[division]
    with connection.cursor() as cursor:
        cursor.execute(
            f"with part as (select {column} as value, wait_event_type, statement_id, sum(active) as seen"
            f" from {timeline.table} where {WITHIN} group by 1, 2, 3),"
            " wait as (select value, wait_event_type, sum(seen) as seen from part group by 1, 2),"
            " statement as (select value, count(distinct statement_id) filter (where statement_id <> 0) as n"
            "   from part group by 1)"
            " select value, sum(seen), sum(sum(seen)) over (), json_object_agg(wait_event_type, seen), n"
            " from wait join statement using (value) group by value, n order by 2 desc, 1 limit %(most)s",
            timeline.params(server, most=most),
        )
        rows = cursor.fetchall()
    looks = timeline.looks
    return [
        Caller(
            value,
            seen / looks,
            seen / total,
            total,
            {name: waits[name] / looks for name in sorted(waits, key=lambda name: (-waits[name], name))},
            statements,
        )
        for value, seen, total, waits, statements in (
            (*row[:3], row[3] if isinstance(row[3], dict) else json.loads(row[3]), row[4]) for row in rows
        )
    ]


def statements_of(server: Server, span: LoadSpan, **only: int | str) -> list[int]:
    """Ids of the statements that were seen at work with these values (``route="orders.list"``). One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select distinct statement_id from {span.table} where {WITHIN} and statement_id <> 0{_narrowed(only)}",
            span.params(server, **only),
        )
        return [pk for (pk,) in cursor.fetchall()]


def _narrowed(only: Mapping[str, object]) -> str:
    """``only``: columns, which our own code names."""
    return "".join(f" and {name} = %({name})s" for name in only)
