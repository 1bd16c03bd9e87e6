"""Which clock says when something happened: the store's, for everything that is kept.

There are three. A monitored server's own clock tells how two moments *of that server* compare (``stats_since``
against its last reading, ``stats_reset_at`` against itself) and nothing else: it may be hours off, and jumps when
somebody mends it, which says nothing about its counters. Every worker and web process has one, perhaps on another
machine. The store's is the one that all of them share, so it says when a reading was taken and how long an interval
is; a server's clock that jumps costs no sample. From a reading to the store ``time.monotonic()`` counts, which does
not jump.

The store's own clock can jump too. Ahead: the interval is far too long, or it is said to be (see deltas.py). Back: what
was kept as later than now cannot be told from what is to come, so it goes; the interval is a gap that says so, and
sampling goes on. Steps that are due in what is no longer the near future are due at once
(``analyzer/steps/schedule.py``).
"""

import time
from datetime import datetime, timedelta

from django.db import connection

from analyzer.models import ServerEvent, Snapshot
from analyzer.monitored.readings import StatementReading
from analyzer.store.series.partitions import floor_to


def store_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def taken_at(reading: StatementReading) -> datetime:
    """When a reading was taken, by the store's clock: it may have waited for its turn to be kept."""
    return store_now() - timedelta(seconds=max(0.0, time.monotonic() - reading.read_at_s) if reading.read_at_s else 0)


def forget_from(server_id: int, at: datetime) -> None:
    """Drop what a server has from ``at`` on in the time series: the clock was wrong then.

    The caller holds the lock of the server's readings. Sums that reach beyond ``at`` are made again from what is below
    them; those of the last minutes only while its rows are still fresh.
    """
    minute, hour, day = at.replace(second=0, microsecond=0), floor_to(at, "hour"), floor_to(at, "day")
    with connection.cursor() as cursor:
        for series, key, last in (
            ("statement_delta", "taken_at >=", at),
            ("statement_packed", "hour >=", at),
            ("server_delta", "taken_at >=", at),
            ("activity_sample", "taken_at >=", at),
            ("session_look", "starts_at >=", minute),
            ("session_load", "starts_at >=", minute),
            ("session_load_hour", "starts_at >=", hour),
            ("statement_hour", "starts_at >=", hour),
            ("statement_day", "starts_at >=", day),
        ):
            cursor.execute(f"delete from {series} where server_id = %s and {key} %s", [server_id, last])
        for series in ("relation_sample", "size_day"):
            cursor.execute(
                f"delete from {series} where taken_at >= %s"
                " and database_id in (select id from analyzer_database where server_id = %s)",
                [at, server_id],
            )
        cursor.execute(
            "with gone as (delete from statement_recent where server_id = %(server)s and ends_at > %(at)s"
            "   returning starts_at)"
            " update rolled_up set taken_at = least(taken_at, %(at)s, (select min(starts_at) from gone))"
            " where server_id = %(server)s",
            {"server": server_id, "at": at},
        )
    Snapshot.objects.filter(server_id=server_id, taken_at__gte=at).delete()
    ServerEvent.objects.filter(server_id=server_id, at__gt=at).exclude(kind=ServerEvent.Kind.DEPLOY).delete()
