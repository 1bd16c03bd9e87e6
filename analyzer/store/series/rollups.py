"""Sums of deltas, made a few minutes behind the readings (see sums.py for how they are kept).

Each server has a mark (``rolled_up.taken_at``): everything up to it is in the sums. Summing what lies between the
mark and the last reading, and moving the mark, are one transaction, so a row is counted once, whatever is cut
short or run twice; hours and days are made of what is below them when the mark passes their end. Readers take
the sums and add the fresh rows after the mark.
"""

from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from analyzer.models import LastReading, Server
from analyzer.store.locks import READING, wait_for
from analyzer.store.series import sums
from analyzer.store.series.columns import COLUMNS
from analyzer.store.series.copying import to_microseconds
from analyzer.store.series.packing import read_fresh
from analyzer.store.series.partitions import floor_to, next_start

RECENT = timedelta(minutes=5)  # windows of hours are exact to this


def roll_up(server: Server) -> int:
    """Sum up the deltas since the mark; the number of entries and spans that were summed."""
    with transaction.atomic(), connection.cursor() as cursor:
        # keep_reading holds this lock too: no row at or before the last reading is still on its way
        wait_for(READING, server.pk)
        upto = LastReading.objects.filter(server=server).values_list("taken_at", flat=True).first()
        if upto is None:
            return 0
        after = rolled_up_to(server) or _first_delta(server.pk, upto)
        summed = 0
        start = after
        while start < upto:
            end = min(upto, next_start(floor_to(start, "hour"), "hour"))
            summed += _sum_fresh(server.pk, start, end)
            if floor_to(end, "hour") == end:
                _sum_sums("statement_recent", "statement_hour", server.pk, end - timedelta(hours=1), end)
            if floor_to(end, "day") == end:
                _sum_sums("statement_hour", "statement_day", server.pk, end - timedelta(days=1), end)
            start = end
        if after < upto:
            _mark_seen(server.pk, after, upto)
        cursor.execute(
            "insert into rolled_up (server_id, taken_at) values (%s, %s)"
            " on conflict (server_id) do update set taken_at = excluded.taken_at",
            [server.pk, upto],
        )
    return summed


def rolled_up_to(server: Server) -> datetime | None:
    """The mark; None before the first time."""
    with connection.cursor() as cursor:
        cursor.execute("select taken_at from rolled_up where server_id = %s", [server.pk])
        row = cursor.fetchone()
    return row[0] if row else None


def _first_delta(server_id: int, upto: datetime) -> datetime:
    """Just before the oldest fresh row, for a server that was never rolled up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(taken_at) - interval '1 microsecond' from statement_delta where server_id = %s", [server_id]
        )
        first: datetime | None = cursor.fetchone()[0]
    return first or upto


def _sum_fresh(server_id: int, after: datetime, upto: datetime) -> int:
    """Fresh rows of (after, upto], which lies within an hour, into statement_recent: spans of RECENT at most."""
    within = "server_id = %s and taken_at > %s and taken_at <= %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"select taken_at, interval_s from server_delta where {within} order by 1", [server_id, after, upto]
        )
        intervals = cursor.fetchall()
        if not intervals:
            return 0
        counts = ", ".join(f"count({c})" for c in COLUMNS)
        cursor.execute(f"select {counts} from statement_delta where {within}", [server_id, after, upto])
        used = sums.needed([c for c, n in zip(COLUMNS, cursor.fetchone(), strict=True) if n])
    rows = read_fresh(server_id, after, upto, used, None)
    summed = 0
    start = after
    while start < upto:
        end = min(upto, start - (start - floor_to(start, "hour")) % RECENT + RECENT)
        covered_s = sum(seconds for at, seconds in intervals if start < at <= end)
        if covered_s:
            span = rows[(rows[:, 1] > to_microseconds(start)) & (rows[:, 1] <= to_microseconds(end))]
            total = sums.Accumulator(np.unique(span[:, 0]), used)
            for at in np.unique(span[:, 1]):
                one = span[span[:, 1] == at]
                one = one[np.argsort(one[:, 0])]
                total.add(
                    sums.Entries(one[:, 0]),
                    lambda name, where, r=one: r[where, 2 + used.index(name)],  # type: ignore[misc]
                )
            sums.write("statement_recent", server_id, start, end, float(covered_s), total)
            summed += len(total.entry_ids)
        start = end
    return summed


def _sum_sums(below: str, table: str, server_id: int, start: datetime, end: datetime) -> None:
    """The spans of ``below`` that make up [start, end) into one of ``table``."""
    parts = list(
        sums.read(
            below,
            "server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s",
            {"server": server_id, "start": start, "end": end},
            COLUMNS,
        )
    )
    if not parts:
        return
    used = sums.needed([c for c in COLUMNS if any(part.data[c] is not None for part in parts)])
    total = sums.Accumulator(np.unique(np.concatenate([part.entries.ids for part in parts])), used)
    for part in parts:
        total.add(part.entries, part.pick)
    covered_s = sum(part.covered_s for part in parts if part.is_first)
    sums.write(table, server_id, start, end, covered_s, total)


def _mark_seen(server_id: int, after: datetime, upto: datetime) -> None:
    """``Statement.last_seen``, to within an hour: writing it at every reading would cost more than it tells."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update analyzer_statement s set last_seen = %(upto)s from ("
            " select distinct e.statement_id from statement_delta d join analyzer_statemententry e on e.id = d.entry_id"
            " where d.server_id = %(server)s and d.taken_at > %(after)s and d.taken_at <= %(upto)s) seen"
            " where s.id = seen.statement_id and s.last_seen < %(upto)s - interval '1 hour'",
            {"server": server_id, "after": after, "upto": upto},
        )
