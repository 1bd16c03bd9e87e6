"""Figures over time for charts. A bucket that was not measured is None, one without calls is 0. A few queries each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from analyzer.models import Server, Statement
from analyzer.store.series.columns import without_calls
from analyzer.store.series.copying import to_microseconds
from analyzer.store.series.packing import read_fresh, read_points
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.spans import MOST_NAMED, EntrySums, Spans, read_spans
from analyzer.store.series.windows import Window

CHARTED: tuple[str, ...] = (
    "calls", "total_exec_time_us", "rows", "shared_hit_blocks", "shared_read_blocks", "temp_written_blocks",
    "shared_read_time_us", "wal_bytes",
)  # fmt: skip
SPARKED = "total_exec_time_us"  # what sparklines are of: in every reading of sums
SPARKLINES_MINUTES_UP_TO_S = 2 * 3600
HOURS_UP_TO_S = 8 * 86_400  # longer charts come from daily sums
LEAST_MEASURED = 0.5  # judgement: of a bucket; the newest is shown with the one before it until then
MINUTES_UP_TO_S = 24 * 3600  # a statement's chart of more than a day comes from hourly sums
# Whole steps since 1970, as ``_starts``. Seconds taken out of each row's time would be numeric: three times as slow.
BUCKET = "date_bin(%(step)s * interval '1 second', taken_at, 'epoch')"


@dataclass(frozen=True, slots=True)
class TimelineBucket:
    """Sums over one bucket; all None where nothing was measured."""

    at: datetime  # its start
    covered_s: float  # measured seconds in it
    calls: int | None
    total_exec_time_ms: float | None
    rows: int | None
    shared_hit_blocks: int | None
    shared_read_blocks: int | None
    temp_written_blocks: int | None
    shared_read_time_ms: float | None
    wal_bytes: int | None

    @property
    def mean_exec_time_ms(self) -> float | None:
        return self.total_exec_time_ms / self.calls if self.calls and self.total_exec_time_ms is not None else None

    @property
    def load(self) -> float | None:
        """Execution time per measured time: average number of sessions busy with it."""
        if self.total_exec_time_ms is None or not self.covered_s:
            return None
        return self.total_exec_time_ms / 1000 / self.covered_s


@dataclass(frozen=True, slots=True)
class Gap:
    """A reading that gave no deltas, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Timeline:
    step_s: int
    buckets: list[TimelineBucket]
    gaps: list[Gap]

    @property
    def whole_buckets(self) -> list[TimelineBucket]:
        """With the newest put to the one before it while little of it is measured: alone it would say nothing.

        A statement that runs once a minute would fall to 0 at the end of every chart.
        """
        measured = [i for i, bucket in enumerate(self.buckets) if bucket.covered_s]
        if len(measured) < 2 or measured[-2] + 1 != measured[-1]:
            return self.buckets
        before, newest = self.buckets[measured[-2]], self.buckets[measured[-1]]
        if newest.covered_s >= self.step_s * LEAST_MEASURED:
            return self.buckets
        both: dict[str, Any] = {}
        none: dict[str, Any] = {}
        for name in (f.name for f in fields(TimelineBucket) if f.name != "at"):
            earlier, later = getattr(before, name), getattr(newest, name)
            both[name] = None if earlier is None or later is None else earlier + later
            none[name] = None
        whole = list(self.buckets)
        whole[measured[-2]] = replace(before, **both)
        whole[measured[-1]] = replace(newest, **none | {"covered_s": 0.0})
        return whole


def server_timeline(server: Server, window: Window) -> Timeline:
    """All statements of the server together, without ours. Two queries."""
    step = window.step_for(server.sample_interval_s)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {BUCKET}, sum(interval_s), {', '.join(f'coalesce(sum({c}), 0)::bigint' for c in CHARTED)}"
            " from server_delta"
            " where server_id = %(server)s and taken_at > %(start)s and taken_at <= %(end)s group by 1",
            {"server": server.pk, "step": step, "start": window.start, "end": window.end},
        )
        by_time = {int(row[0].timestamp()): row[1:] for row in cursor.fetchall()}
    buckets = []
    for at in window.bucket_starts(step):
        covered_s, *sums = by_time.get(int(at.timestamp()), (0.0, *[None] * len(CHARTED)))
        buckets.append(_bucket(at, float(covered_s), dict(zip(CHARTED, sums, strict=True))))
    return Timeline(step, buckets, _gaps(server.pk, window))


def statement_timeline(statement: Statement, window: Window, columns: Sequence[str] = CHARTED) -> Timeline:
    """One statement, whoever ran it. At most five queries, whatever the window.

    ``columns``: of CHARTED, what is wanted; the others are None. Every one is decoded for thousands of points.
    """
    server_id = statement.server_id
    step = window.step_for(statement.server.sample_interval_s)
    adds_calls = dict(statement.entries.values_list("pk", "adds_calls"))
    entry_ids, fetches = list(adds_calls), [pk for pk, adds in adds_calls.items() if not adds]
    by_hour, by_day = window.duration_s > MINUTES_UP_TO_S, window.duration_s > HOURS_UP_TO_S
    if by_hour:
        step = max(step, 86_400 if by_day else 3600)
    starts = _starts(window, step)
    covered = _covered(server_id, starts, step, _sums_from(window) if by_hour else window.start, window.end)
    sums = np.zeros((len(starts), len(columns)), dtype=np.int64)
    if by_hour:
        ids = np.array(sorted(entry_ids), dtype=np.int64)
        spans = read_spans(statement.server, window, columns, days=by_day, entry_ids=ids.tolist())
        for at_us, values in _times(spans, ids, columns, fetches):
            bucket = (at_us // 1_000_000 - starts[0]) // step
            inside = (bucket >= 0) & (bucket < len(starts))
            np.add.at(sums, bucket[inside], values[inside])
    else:
        points = read_points(server_id, window.start, window.end, columns, entry_ids)
        without_calls(points.entry_ids, points.values, columns, fetches)
        np.add.at(sums, (points.taken_at_us // 1_000_000 - starts[0]) // step, points.values)
    buckets = [
        _bucket(datetime.fromtimestamp(s, tz=UTC), c, dict(zip(columns, row, strict=True)) if c else {})
        for s, c, row in zip(starts.tolist(), covered.tolist(), sums.tolist(), strict=True)
    ]
    return Timeline(step, buckets, _gaps(server_id, window))


def sparklines(
    sums: EntrySums, lines: Collection[tuple[int, ...]], points: int = 30
) -> dict[tuple[int, ...], list[float | None]]:
    """Load (sessions at once) per bucket of each line, which adds up the statements with these ids: at most ``points``
    buckets and two. At most three queries.

    Per measured time, so that the first and the newest bucket, which are cut, show no fall.
    """
    spans, window = sums.spans, sums.spans.window
    by_day = window.duration_s > HOURS_UP_TO_S
    unit = 300 if window.duration_s <= SPARKLINES_MINUTES_UP_TO_S else 86_400 if by_day else 3600
    step = max(unit, -(-int(window.duration_s) // points // unit) * unit)
    starts = _starts(window, step)
    row_of = {statement: i for i, statement in enumerate(dict.fromkeys(pk for line in lines for pk in line))}
    keep = np.isin(sums.statement_ids, list(row_of))
    entry_ids = sums.total.entry_ids[keep]
    rows = np.array([row_of[statement] for statement in sums.statement_ids[keep].tolist()], dtype=np.int64)
    named = entry_ids.tolist() if len(entry_ids) <= MOST_NAMED else None
    if spans.is_whole:  # then the chunks tell what was measured, too
        some, after = None, spans.fresh_from
    else:
        some, after = named, window.start if unit == 300 else floor_to(window.start, "hour")
    covered = _covered(spans.server.pk, starts, step, after, window.end)
    by_entry = np.zeros((len(entry_ids), len(starts)), dtype=np.int64)
    for chunk in spans.within(timedelta(seconds=step), (SPARKED,), some):
        bucket = (int(chunk.starts_at.timestamp()) - int(starts[0])) // step
        if 0 <= bucket < len(starts):
            mine, at = chunk.entries.find(entry_ids)
            by_entry[mine, bucket] += chunk.pick(SPARKED, at)
            covered[bucket] += chunk.covered_s if chunk.is_first and spans.is_whole else 0
    fresh = read_fresh(spans.server.pk, spans.fresh_from, window.end, (SPARKED,), named)
    fresh = fresh[np.isin(fresh[:, 0], entry_ids)]
    buckets = (fresh[:, 1] // 1_000_000 - starts[0]) // step
    np.add.at(by_entry, (np.searchsorted(entry_ids, fresh[:, 0]), buckets), fresh[:, 2])
    time_us = np.zeros((len(row_of), len(starts)))
    np.add.at(time_us, rows, by_entry)
    added = [time_us[[row_of[pk] for pk in line]].sum(axis=0) for line in lines]
    time_us = np.array(added).reshape(len(lines), len(starts))
    if len(starts) > 1 and covered[-2] and covered[-1] < step * LEAST_MEASURED:
        time_us[:, -2] += time_us[:, -1]
        covered[-2] += covered[-1]
        time_us, covered = time_us[:, :-1], covered[:-1]
    return {
        line: [float(v) / 1e6 / c if c else None for v, c in zip(times, covered.tolist(), strict=True)]
        for line, times in zip(lines, time_us, strict=True)
    }


def _times(
    spans: Spans, entry_ids: NDArray[np.int64], columns: Sequence[str], fetches: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Times (Unix microseconds) and counters of the entries (ascending): from sums, then fresh rows."""
    if not len(entry_ids):
        return
    for chunk in spans.chunks:
        mine, at = chunk.entries.find(entry_ids)
        values = np.column_stack([chunk.pick(name, at) for name in columns])
        without_calls(entry_ids[mine], values, columns, fetches)
        yield np.full(len(values), to_microseconds(chunk.starts_at)), values
    points = read_fresh(spans.server.pk, spans.fresh_from, spans.window.end, columns, entry_ids.tolist())
    without_calls(points[:, 0], points[:, 2:], columns, fetches)
    yield points[:, 1], points[:, 2:]


def _starts(window: Window, step: int) -> NDArray[np.int64]:
    first = int(window.start.timestamp()) // step * step
    return np.arange(first, int(window.end.timestamp()) + 1, step, dtype=np.int64)


def _sums_from(window: Window) -> datetime:
    """Hourly sums cannot be cut inside their hour: charts made of them begin with a whole one."""
    return floor_to(window.start, "hour")


def _covered(
    server_id: int, starts: NDArray[np.int64], step: int, after: datetime, until: datetime
) -> NDArray[np.float64]:
    """Measured seconds per bucket."""
    covered = np.zeros(len(starts))
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {BUCKET}, sum(interval_s) from server_delta"
            " where server_id = %(server)s and taken_at > %(after)s and taken_at <= %(until)s group by 1",
            {"step": step, "server": server_id, "after": after, "until": until},
        )
        for at, seconds in cursor.fetchall():
            bucket = (int(at.timestamp()) - int(starts[0])) // step
            if 0 <= bucket < len(covered):
                covered[bucket] = seconds
    return covered


def _bucket(at: datetime, covered_s: float, sums: Mapping[str, int | None]) -> TimelineBucket:
    time_us, read_time_us = sums.get("total_exec_time_us"), sums.get("shared_read_time_us")
    return TimelineBucket(
        at=at,
        covered_s=covered_s,
        calls=sums.get("calls"),
        total_exec_time_ms=None if time_us is None else time_us / 1000,
        rows=sums.get("rows"),
        shared_hit_blocks=sums.get("shared_hit_blocks"),
        shared_read_blocks=sums.get("shared_read_blocks"),
        temp_written_blocks=sums.get("temp_written_blocks"),
        shared_read_time_ms=None if read_time_us is None else read_time_us / 1000,
        wal_bytes=sums.get("wal_bytes"),
    )


def _gaps(server_id: int, window: Window) -> list[Gap]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select taken_at, gap_reason from analyzer_snapshot where server_id = %s and taken_at > %s"
            " and taken_at <= %s and gap_reason <> '' order by taken_at",
            [server_id, window.start, window.end],
        )
        return [Gap(*row) for row in cursor.fetchall()]
