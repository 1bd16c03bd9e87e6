"""Average active sessions of a span: over time by wait, and divided by statement, role, application, ... of a wait."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.db import connection

from analyzer.models import Server
from analyzer.store.series.windows import STEPS_S, Window

MOST_BARS = 180  # judgement: of a chart as wide as the page, four pixels each
SHORTEST_S, HOUR_S = 60, 3600  # what is kept: minutes, and for longer hours
# What a page divides load by -> its column.
DIVISIONS: Mapping[str, str] = {
    "statement": "statement_id",
    "role": "role_oid",
    "application": "application_name",
    "database": "database_oid",
    "route": "route",
    "event": "wait_event",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """``looks``: 0 where nobody looked. ``active``: sessions at work by wait event type, summed over the looks."""

    at: datetime
    looks: int
    active: Mapping[str, float]


@dataclass(frozen=True)
class LoadTimeline:
    """``start`` and ``end`` are whole buckets', so a little more than the window. ``table``: where parts are read."""

    step_s: int
    start: datetime
    end: datetime
    table: str
    buckets: Sequence[Bucket]
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


def step_of(window: Window) -> int:
    """Width of a bar, in seconds."""
    return next((s for s in STEPS_S if s >= SHORTEST_S and window.duration_s / s <= MOST_BARS), STEPS_S[-1])


def load_timeline(server: Server, window: Window, now: datetime) -> LoadTimeline:
    """Two queries."""
    step = step_of(window)
    oldest_minute = now - timedelta(days=settings.ANALYZER_KEEP_MINUTES_DAYS)
    if window.start < oldest_minute:
        step = max(step, HOUR_S)
    table = "session_load" if step < HOUR_S else "session_load_hour"
    first = int(window.start.timestamp()) // step * step
    count = max(1, math.ceil((window.end.timestamp() - first) / step))
    start, end = (datetime.fromtimestamp(first + step * n, tz=UTC) for n in (0, count))
    within = "server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s"
    params = {"server": server.pk, "start": start, "end": end, "step": step}
    bin_ = "extract(epoch from date_bin(%(step)s * interval '1 second', starts_at, 'epoch'))::int8"
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {bin_}, sum(looks)::int8, sum(active_squared) from session_look where {within} group by 1", params
        )
        looks = {at: (n, squared) for at, n, squared in cursor.fetchall()}
        cursor.execute(f"select {bin_}, wait_event_type, sum(active) from {table} where {within} group by 1, 2", params)
        active: dict[int, dict[str, float]] = {}
        for at, name, seen in cursor.fetchall():
            active.setdefault(at, {})[name] = seen
    buckets = [
        Bucket(datetime.fromtimestamp(at, tz=UTC), looks[at][0] if at in looks else 0, active.get(at, {}))
        for at in range(first, first + step * count, step)
    ]
    return LoadTimeline(step, start, end, table, buckets, sum(squared for _, squared in looks.values()))


def load_parts(
    server: Server, timeline: LoadTimeline, division: str, *, most: int = 10, **only: int | str
) -> list[LoadPart]:
    """The largest parts by ``division``; ``only``: of those with these values (``wait_event_type="IO"``). One query."""
    if not timeline.looks:
        return []
    column = DIVISIONS[division]
    narrowed = "".join(f" and {name} = %({name})s" for name in only)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {column}, sum(active), sum(sum(active)) over () from {timeline.table}"
            f" where server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s{narrowed}"
            " group by 1 order by 2 desc, 1 limit %(most)s",
            {"server": server.pk, "start": timeline.start, "end": timeline.end, "most": most, **only},
        )
        return [LoadPart(value, seen / timeline.looks, seen / total, total) for value, seen, total in cursor.fetchall()]
