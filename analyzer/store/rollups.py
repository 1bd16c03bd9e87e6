"""Sums per hour and per day, kept up to date from fresh rows.

Each server has a mark (``rolled_up.taken_at``): everything up to it is in the sums. Adding what lies between the
mark and the last reading, and moving the mark, are one transaction, so a row is counted once, whatever is cut
short or run twice. Readers take the sums and add the fresh rows after the mark.
"""

from datetime import datetime

from django.db import connection, transaction

from analyzer.models import LastReading, Server
from analyzer.store.columns import COLUMNS, rollup_expressions
from analyzer.store.partitions import ensure_partition, floor_to, next_start
from analyzer.store.snapshots import LOCK_READING

LEVELS = {"statement_hour": "hour", "statement_day": "day"}


def roll_up(server: Server) -> int:
    """Add the deltas since the mark to the sums of their hours and days; the number of hour rows touched."""
    with transaction.atomic(), connection.cursor() as cursor:
        # keep_reading holds this lock too: no row at or before the last reading is still on its way
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCK_READING, server.pk])
        upto = LastReading.objects.filter(server=server).values_list("taken_at", flat=True).first()
        if upto is None:
            return 0
        after = rolled_up_to(server) or _first_delta(server.pk, upto)
        touched = 0
        if after < upto:
            touched = _add("statement_hour", server.pk, after, upto)
            _add("statement_day", server.pk, after, upto)
            _mark_seen(server.pk, after, upto)
        cursor.execute(
            "insert into rolled_up (server_id, taken_at) values (%s, %s)"
            " on conflict (server_id) do update set taken_at = excluded.taken_at",
            [server.pk, upto],
        )
    return touched


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


def _add(table: str, server_id: int, after: datetime, upto: datetime) -> int:
    step = LEVELS[table]
    start = floor_to(after, step)
    while start <= upto:
        ensure_partition(table, start)
        start = next_start(start, step)
    new = rollup_expressions("d")
    names = ", ".join(COLUMNS)
    both = rollup_expressions("b")
    # old row and new sums are rolled up together, by the same expressions as rows are
    merge = (
        f"select {', '.join(f'{both[name]}::bigint' for name in COLUMNS)} from (values"
        f" ({', '.join(f't.{n}' for n in COLUMNS)}), ({', '.join(f'excluded.{n}' for n in COLUMNS)})) as b ({names})"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into {table} as t (starts_at, entry_id, server_id, {names})"
            f" select date_trunc('{step}', d.taken_at, 'UTC'), d.entry_id, d.server_id,"
            f" {', '.join(f'{new[name]}::bigint' for name in COLUMNS)}"
            " from statement_delta d where d.server_id = %s and d.taken_at > %s and d.taken_at <= %s"
            " group by 1, 2, 3"
            f" on conflict (entry_id, starts_at) do update set ({names}) = ({merge})",
            [server_id, after, upto],
        )
        return int(cursor.rowcount)


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
