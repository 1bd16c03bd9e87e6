"""Thirty days of a server with 5,000 statements at 60 s, in the store.

What one call of a statement costs is measured on the real monitored server; how often it runs is made up: a few
statements very often, most now and then, each at least once a minute, so that every interval has all 5,000.
The current hours go in as readings do; older ones are written by the store's own packing, a few hours of them
over and over (see SHAPES): what a query reads is as much as in life, and it is made in a minute or two.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray

from analyzer.models import Server, Snapshot
from analyzer.monitored.connection import connect
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.store.series import deltas, sums
from analyzer.store.series.columns import COLUMNS, INDEX, N_SUMS, SUM_COLUMNS
from analyzer.store.series.copying import to_microseconds
from analyzer.store.series.packing import write_chunks
from analyzer.store.series.partitions import ensure_partition, floor_to
from analyzer.store.series.snapshots import keep_names, keep_reading, keep_texts, write_deltas
from bench.monitored import MonitoredServer

DAYS, PACKED_HOURS, SHAPES = 30, 28, 4  # SHAPES: hours made anew; the others repeat them
INTERVAL_S = 60

Ints = NDArray[np.int64]


@dataclass
class Profile:
    """Per statement (row): entry id, what a call adds to each of COLUMNS, calls a minute."""

    entry_ids: Ints
    per_call: NDArray[np.float64]
    calls_per_minute: NDArray[np.float64]
    random: np.random.Generator

    def interval(self) -> Ints:
        """COLUMNS of one interval of all statements."""
        n = len(self.entry_ids)
        calls = np.maximum(1, self.random.poisson(self.calls_per_minute))
        values = self.per_call * calls[:, None]
        is_time = np.array([name.endswith("_us") for name in COLUMNS])
        values[:, is_time] *= self.random.lognormal(0, 0.3, (n, 1))  # a slow minute is slow for all its times
        values[:, ~is_time] *= self.random.lognormal(0, 0.05, (n, 1))
        # what happens now and then (a block read, a page dirtied) is a whole number too
        whole = np.floor(values + self.random.random(values.shape)).astype(np.int64)
        whole[:, INDEX["calls"]] = calls
        rows = self.per_call[:, INDEX["rows"]]
        steady = rows == np.rint(rows)
        whole[steady, INDEX["rows"]] = (rows * calls)[steady].astype(np.int64)
        whole[:, N_SUMS:] = 0
        mean_us = whole[:, INDEX["total_exec_time_us"]] / calls
        spread = mean_us * self.random.lognormal(-0.5, 0.4, n)
        whole[:, INDEX["stddev_exec_time_us"]] = np.where(calls > 1, spread, 0)
        record = self.random.random(n) < 0.01  # a new slowest call, once in a hundred intervals
        whole[record, INDEX["max_exec_time_us"]] = (mean_us * 20)[record]
        return whole


def profile(server: Server, monitored: MonitoredServer) -> Profile:
    """From the real server: its entries with their texts, and what one call of each cost."""
    monitored.run_all()
    with connect(monitored.settings) as session:
        keep_names(server, read_names(session))
        first = read_statement_counters(session)
        kept = keep_reading(server, first)
        keep_texts(server, read_statement_texts(session, kept.unknown_keys))
        monitored.run_all(3)
        second = read_statement_counters(session)
    previous = deltas.Cumulative(first.state, first.keys, first.counters, first.stats_since, _ids(server, first.keys))
    at = deltas.match(second.keys, previous.keys)
    found = deltas.compute(previous, second, at, INTERVAL_S, INTERVAL_S)
    random = np.random.default_rng(7)
    rows = found.rows[(at[found.rows] >= 0) & (found.values[:, INDEX["calls"]] == 3)]
    values = found.values[np.isin(found.rows, rows)] / 3.0
    rank = random.permutation(len(rows)) + 1
    return Profile(previous.entry_ids[at[rows]], values, np.minimum(3000, 6000 / rank), random)


def _ids(server: Server, keys: NDArray[np.void]) -> Ints:
    ids = {(e.role_oid, e.database_oid, e.queryid, e.toplevel): e.pk for e in server.entries.all()}
    return np.array([ids[tuple(key)] for key in keys.tolist()], dtype=np.int64)


def fresh_hour(server: Server, found: Profile, hour: datetime, minutes: int = 60) -> None:
    """As readings write it, interval by interval."""
    for minute in range(minutes):
        at = hour + timedelta(minutes=minute, seconds=12)
        values = found.interval()
        write_deltas(server.pk, to_microseconds(at), found.entry_ids, values)
        _server_deltas(server, [at], values.sum(axis=0)[None, :])


def thirty_days(server: Server, found: Profile) -> None:
    """All levels up to the hour before the fresh ones; those are the caller's."""
    end = floor_to(timezone.now(), "hour") - timedelta(hours=2)
    shapes = [_hour_of(found) for _ in range(SHAPES)]
    for back in range(1, PACKED_HOURS + 1):
        hour = end - timedelta(hours=back)
        ensure_partition("statement_packed", hour)
        if back <= SHAPES:
            entries, offsets_us, values = shapes[back - 1]
            write_chunks(server.pk, hour, entries, to_microseconds(hour) + offsets_us, values)
            continue
        columns = _rest("statement_packed", "hour")
        _run(
            f"insert into statement_packed (hour, {columns}) select %s, {columns} from statement_packed"
            " where server_id = %s and hour = %s",
            [hour, server.pk, end - timedelta(hours=(back - 1) % SHAPES + 1)],
        )
    spans = [_span(entries, values.reshape(-1, 60, len(COLUMNS))) for entries, _, values in shapes]
    for back in range(1, 24 * DAYS + 1):
        hour = end - timedelta(hours=back)
        sums.write("statement_hour", server.pk, hour, hour + timedelta(hours=1), 3600, spans[back % SHAPES])
    day = sums.Accumulator(spans[0].entry_ids, COLUMNS)
    of_all = sums.Entries(day.entry_ids)
    for hour_of_day in range(24):
        hourly = spans[hour_of_day % SHAPES]
        day.add(of_all, lambda name, where, h=hourly: h.column(name)[where])  # type: ignore[misc]
    for back in range(1, DAYS + 1):
        start = floor_to(end, "day") - timedelta(days=back)
        sums.write("statement_day", server.pk, start, start + timedelta(days=1), 86_400, day)
    parts = [_span(e, v.reshape(-1, 60, len(COLUMNS))[:, :5]) for e, _, v in shapes]
    for back in range(1, 12 * 30 + 1):
        start = end - timedelta(minutes=5 * back)
        sums.write("statement_recent", server.pk, start, start + timedelta(minutes=5), 300, parts[back % SHAPES])
    _server_levels(server, end, shapes)


def _span(entries: Ints, values: Ints) -> sums.Accumulator:
    """Entries x intervals x COLUMNS -> sums."""
    total = sums.Accumulator(np.unique(entries), COLUMNS)
    of_all = sums.Entries(total.entry_ids)
    for i in range(values.shape[1]):
        total.add(of_all, lambda name, where, i=i: values[where, i, INDEX[name]])  # type: ignore[misc]
    return total


def _hour_of(found: Profile) -> tuple[Ints, Ints, Ints]:
    """60 intervals, sorted by entry, then time: entries, microseconds since the hour, COLUMNS."""
    n = len(found.entry_ids)
    order = np.argsort(found.entry_ids)
    values = np.stack([found.interval()[order] for _ in range(60)], axis=1).reshape(n * 60, len(COLUMNS))
    jitter = found.random.integers(0, 900_000, 60)
    offsets = np.arange(60) * 60_000_000 + 12_000_000 + jitter
    return np.repeat(found.entry_ids[order], 60), np.tile(offsets, n), values


def _server_levels(server: Server, end: datetime, shapes: list[tuple[Ints, Ints, Ints]]) -> None:
    for back in range(1, 24 * DAYS + 1):
        hour = end - timedelta(hours=back)
        _, offsets, values = shapes[(back - 1) % SHAPES]
        times = [hour + timedelta(microseconds=int(o)) for o in offsets[:60]]
        _server_deltas(server, times, values.reshape(-1, 60, len(COLUMNS)).sum(axis=0))


def _server_deltas(server: Server, times: list[datetime], values: Ints) -> None:
    ensure_partition("server_delta", times[0])
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"copy server_delta (server_id, taken_at, interval_s, {', '.join(SUM_COLUMNS)}) from stdin"
        ) as copy,
    ):
        for at, row in zip(times, values, strict=True):
            copy.write_row((server.pk, at, float(INTERVAL_S), *(int(v) or None for v in row[:N_SUMS])))
    Snapshot.objects.bulk_create(
        [
            Snapshot(server=server, taken_at=at, interval_s=INTERVAL_S, statements_version="1.12", entries=5000,
                     changed_entries=5000)
            for at in times
        ]
    )  # fmt: skip


def _rest(table: str, without: str) -> str:
    """The other columns of a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select string_agg(attname, ', ' order by attnum) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attname <> %s",
            [table, without],
        )
        return str(cursor.fetchone()[0])


def _run(sql: str, params: list[object] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
