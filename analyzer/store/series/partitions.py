"""The time series: which tables, how they are cut by time, and how long they are kept.

| table | one row per | cut by | kept (days) |
| --- | --- | --- | --- |
| statement_delta | interval and entry that changed: fresh | hour | until packed |
| statement_packed | server, hour and some hundred points of fresh rows, as compressed columns | day | MINUTES |
| statement_recent | server and some minutes: sums of the deltas, as columns (sums.py) | day | 2 |
| statement_hour, statement_day | server and hour / day, likewise | day / month | HOURS / DAYS |
| server_delta | interval: all statements of a server together, without ours | day | HOURS |
| activity_sample | backend seen in pg_stat_activity, no texts | day | MINUTES |
| session_look | minute in which sessions were looked at: how often, and how many were at work | day | HOURS |
| session_load | minute and part of the sessions at work (session_load.py) | day | MINUTES |
| session_load_hour | hour and part, likewise | day | HOURS |
| relation_sample | table whose counters changed since the catalog reading before | day | HOURS |
| size_day | day and database, large table, or sequence that is well into its values (sizes.py) | month | DAYS |

They have no foreign keys: rows of a deleted server go with their partition. Partitions are made ahead by
``ensure_partitions`` and, should nobody have run it, by the writer that needs one. They are attached, not created
in place, and detached concurrently, so that neither readers nor writers wait for long.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from analyzer.store.locks import PARTITIONS, STORE, wait_for

logger = logging.getLogger(__name__)

SUFFIX = {"hour": "%Y%m%d%H", "day": "%Y%m%d", "month": "%Y%m"}


@dataclass(frozen=True, slots=True)
class Series:
    table: str
    key: str  # the partitioning column
    step: str  # hour, day, month
    ahead: int  # partitions made before they are needed
    keep: str  # setting with the days to keep
    at_most_days: int = 10_000  # where less than the setting will do

    def start_of(self, at: datetime) -> datetime:
        return floor_to(at, self.step)

    def name_of(self, start: datetime) -> str:
        return f"{self.table}_p{start.strftime(SUFFIX[self.step])}"

    def start_from(self, partition: str) -> datetime:
        suffix = partition[len(self.table) + 2 :]
        return datetime.strptime(suffix, SUFFIX[self.step]).replace(tzinfo=UTC)


SERIES: dict[str, Series] = {
    s.table: s
    for s in (
        Series("statement_delta", "taken_at", "hour", 3, "ANALYZER_KEEP_MINUTES_DAYS"),
        Series("statement_packed", "hour", "day", 1, "ANALYZER_KEEP_MINUTES_DAYS"),
        Series("statement_recent", "starts_at", "day", 1, "ANALYZER_KEEP_MINUTES_DAYS", at_most_days=2),
        Series("statement_hour", "starts_at", "day", 1, "ANALYZER_KEEP_HOURS_DAYS"),
        Series("statement_day", "starts_at", "month", 1, "ANALYZER_KEEP_DAYS_DAYS"),
        Series("server_delta", "taken_at", "day", 1, "ANALYZER_KEEP_HOURS_DAYS"),
        Series("activity_sample", "taken_at", "day", 1, "ANALYZER_KEEP_MINUTES_DAYS"),
        Series("session_look", "starts_at", "day", 1, "ANALYZER_KEEP_HOURS_DAYS"),
        Series("session_load", "starts_at", "day", 1, "ANALYZER_KEEP_MINUTES_DAYS"),
        Series("session_load_hour", "starts_at", "day", 1, "ANALYZER_KEEP_HOURS_DAYS"),
        Series("relation_sample", "taken_at", "day", 1, "ANALYZER_KEEP_HOURS_DAYS"),
        Series("size_day", "day", "month", 1, "ANALYZER_KEEP_DAYS_DAYS"),
    )
}


def floor_to(at: datetime, step: str) -> datetime:
    """Start (UTC) of the hour, day or month that holds ``at``."""
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if step == "hour":
        return at
    return at.replace(hour=0) if step == "day" else at.replace(hour=0, day=1)


def next_start(start: datetime, step: str) -> datetime:
    if step == "month":
        return floor_to(start + timedelta(days=32), "month")
    return start + (timedelta(hours=1) if step == "hour" else timedelta(days=1))


def partitions_of(table: str) -> list[tuple[str, datetime]]:
    """Attached partitions and their starts, oldest first."""
    series = SERIES[table]
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = to_regclass(%s) order by 1",
            [table],
        )
        return [(name, series.start_from(name)) for (name,) in cursor.fetchall()]


def ensure_partition(table: str, at: datetime) -> str:
    """The partition of ``table`` that takes rows of ``at``; made when missing. Name of the partition."""
    series = SERIES[table]
    start = series.start_of(at)
    name = series.name_of(start)
    if not _is_attached(name):
        with transaction.atomic(), connection.cursor() as cursor:
            wait_for(STORE, PARTITIONS)
            if not _is_attached(name):
                # there already when it was detached by a run that was cut short
                cursor.execute(f"create table if not exists {name} (like {table} including all)")
                _attach(table, name, start)
    return name


def ensure_partitions(now: datetime) -> None:
    """Every partition that rows of now and the near future need."""
    for series in SERIES.values():
        for start in _upcoming(series, now):
            ensure_partition(series.table, start)


def drop_old(now: datetime) -> list[str]:
    """Drop the partitions whose time to keep is over; their names."""
    dropped = []
    for series in SERIES.values():
        oldest = now - timedelta(days=min(getattr(settings, series.keep), series.at_most_days))
        for name, start in partitions_of(series.table):
            if next_start(start, series.step) <= oldest:
                drop_partition(series.table, name)
                dropped.append(name)
    return dropped


def drop_partition(table: str, name: str, *, only_empty: bool = False) -> None:
    """Detach and drop. Concurrently where possible: nobody waits. Safe to repeat after an interruption.

    ``only_empty``: one that got rows until the moment it was detached goes back where it was.
    """
    with connection.cursor() as cursor:
        if connection.in_atomic_block:
            cursor.execute(f"alter table {table} detach partition {name}")
        else:
            cursor.execute("select inhdetachpending from pg_inherits where inhrelid = to_regclass(%s)", [name])
            row = cursor.fetchone()
            if row is not None:
                how = "finalize" if row[0] else "concurrently"
                cursor.execute(f"alter table {table} detach partition {name} {how}")
        cursor.execute(f"select exists (select from {name})")
        if only_empty and cursor.fetchone()[0]:
            _attach(table, name, SERIES[table].start_from(name))
        else:
            cursor.execute(f"drop table if exists {name}")


def _attach(table: str, name: str, start: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"alter table {table} attach partition {name} for values from (%s) to (%s)",
            [start.isoformat(), next_start(start, SERIES[table].step).isoformat()],
        )


def _is_attached(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_inherits where inhrelid = to_regclass(%s)", [name])
        return cursor.fetchone() is not None


def _upcoming(series: Series, now: datetime) -> Iterator[datetime]:
    start = series.start_of(now)
    yield start
    for _ in range(series.ahead):
        start = next_start(start, series.step)
        yield start
