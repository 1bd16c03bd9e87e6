"""A reading of pg_stat_statements -> a Snapshot and the deltas of its entries, in one transaction.

Entries get their row at once, with ``statement`` NULL until ``keep_texts`` knows their text: so no delta is lost
while a text is fetched. A crash between two readings leaves the store as after the first of them. When a reading was
taken is said by the store's clock (clock.py).
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from analyzer.models import LastReading, Server, Snapshot
from analyzer.monitored.copy_format import EPOCH_US
from analyzer.monitored.readings import KEY_DTYPE, StatementReading
from analyzer.store import events
from analyzer.store.locks import READING, wait_for
from analyzer.store.series import clock, deltas, long_intervals
from analyzer.store.series.columns import COLUMNS, INDEX, SUM_COLUMNS
from analyzer.store.series.copying import binary_rows, copy_in, from_us, to_microseconds
from analyzer.store.series.partitions import ensure_partition
from analyzer.store.texts import keep_names, keep_texts, retryable_entries


@dataclass(frozen=True, slots=True)
class KeptReading:
    """``snapshot`` is None when the reading is older than the last one, or the same: it was ignored.

    ``unknown_keys`` (KEY_DTYPE) are the entries whose text is wanted by ``keep_texts``; ``changed`` counts
    the entries that got a delta; ``gap_reason`` "" says that the interval counts.
    """

    snapshot: Snapshot | None
    unknown_keys: NDArray[np.void]
    gap_reason: str
    changed: int


def keep_reading(server: Server, reading: StatementReading, *, taken_at: datetime | None = None) -> KeptReading:
    """``taken_at``: by the store's clock; None: it is asked."""
    with transaction.atomic():
        wait_for(READING, server.pk)
        last = LastReading.objects.filter(server=server).first()
        taken_at = taken_at or clock.taken_at(reading)
        previous = deltas.load(bytes(last.data)) if last is not None else None
        at = deltas.match(reading.keys, previous.keys) if previous else np.full(len(reading.keys), -1)
        if last is not None and taken_at <= last.taken_at:
            if taken_at == last.taken_at or (previous and deltas.is_older(reading, previous, at)):
                return KeptReading(None, np.zeros(0, KEY_DTYPE), "not newer than the last reading", 0)
            clock.forget_from(server.pk, taken_at)
        interval_s = (taken_at - last.taken_at).total_seconds() if last is not None else None
        changes = deltas.compute(previous, reading, at, interval_s, server.sample_interval_s)
        entry_ids = _entry_ids(server.pk, reading.keys, previous, at)
        own_ids, textless_ids = _special_entries(server.pk)
        is_own = np.isin(entry_ids, own_ids)
        wanted = np.isin(entry_ids, textless_ids)
        if last is not None and taken_at.hour != last.taken_at.hour:  # hourly: texts that were hidden or missing
            wanted |= np.isin(entry_ids, retryable_entries(server.pk))

        others = ~is_own[changes.rows]
        values, changed_ids = changes.values[others], entry_ids[changes.rows][others]
        # what runs inside functions (track = all) is part of the calling statement's figures already
        is_top = reading.keys["toplevel"][changes.rows]
        exec_time_us = np.where(is_top, changes.values[:, INDEX["total_exec_time_us"]], 0)
        snapshot = Snapshot.objects.create(
            server=server,
            taken_at=taken_at,
            interval_s=None if changes.gap_reason else changes.interval_s,
            gap_reason=changes.gap_reason,
            server_started_at=reading.state.started_at,
            stats_reset_at=reading.state.stats_reset_at,
            deallocations=reading.state.deallocations,
            statements_version=reading.state.statements_version,
            entries=len(reading.keys),
            changed_entries=len(values),
            evicted_entries=changes.evicted_entries,
            read_time_ms=reading.read_time_ms,
            own_exec_time_ms=float(exec_time_us[~others].sum()) / 1000,
            total_exec_time_ms=float(exec_time_us.sum()) / 1000,
        )
        if changes.interval_s is not None and last is not None and not changes.gap_reason:
            if deltas.is_long(changes.interval_s, server.sample_interval_s):
                parts = long_intervals.parts(last.taken_at, taken_at, values)
            else:
                parts = [long_intervals.IntervalPart(taken_at, changes.interval_s, np.arange(len(values)), values)]
            for part in parts:
                write_deltas(server.pk, to_microseconds(part.taken_at), changed_ids[part.rows], part.values)
                _write_server_delta(server.pk, part, is_top[others][part.rows])
        if previous is not None and last is not None:
            events.note_run(server, previous.state, reading.state, taken_at, min(last.taken_at, taken_at))
        LastReading.objects.update_or_create(
            server=server, defaults={"taken_at": taken_at, "data": deltas.dump(reading, entry_ids)}
        )
    return KeptReading(snapshot, reading.keys[wanted], changes.gap_reason, len(values))


def write_deltas(server_id: int, taken_at_us: int, entry_ids: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """Fresh rows of one interval, by COPY."""
    ensure_partition("statement_delta", from_us(taken_at_us))
    if not len(values):
        return
    n = len(values)
    required = [np.full(n, taken_at_us - EPOCH_US), entry_ids, np.full(n, server_id)]
    copy_in("statement_delta", ("taken_at", "entry_id", "server_id", *COLUMNS), binary_rows(required, values))


def _write_server_delta(server_id: int, part: long_intervals.IntervalPart, is_top: NDArray[np.bool_]) -> None:
    ensure_partition("server_delta", part.taken_at)
    sums = {name: int(part.values[is_top, INDEX[name]].sum()) or None for name in SUM_COLUMNS}
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into server_delta (server_id, taken_at, interval_s, {', '.join(sums)})"
            f" values (%s, %s, %s{', %s' * len(sums)})",
            [server_id, part.taken_at, part.interval_s, *sums.values()],
        )


def _entry_ids(
    server_id: int, keys: NDArray[np.void], previous: deltas.Cumulative | None, at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """StatementEntry ids of all keys; entries that are new get their row."""
    ids = np.zeros(len(keys), dtype=np.int64)
    if previous is not None:
        ids[at >= 0] = previous.entry_ids[at[at >= 0]]
    new = np.flatnonzero(at < 0)
    if len(new):
        columns = [keys[new][name].tolist() for name in ("role_oid", "database_oid", "queryid", "toplevel")]
        unnest = "unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[])"
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into analyzer_statemententry (server_id, role_oid, database_oid, queryid, toplevel, is_own)"
                f" select %s, role_oid, database_oid, queryid, toplevel, false"
                f" from {unnest} as k (role_oid, database_oid, queryid, toplevel) on conflict do nothing",
                [server_id, *columns],
            )
            cursor.execute(
                f"select k.n, e.id from {unnest} with ordinality as k (role_oid, database_oid, queryid, toplevel, n)"
                " join analyzer_statemententry e using (role_oid, database_oid, queryid, toplevel)"
                " where e.server_id = %s",
                [*columns, server_id],
            )
            for n, entry_id in cursor.fetchall():
                ids[new[n - 1]] = entry_id
    return ids


def _special_entries(server_id: int) -> tuple[list[int], list[int]]:
    """Entries that are our own, and entries whose text is wanted: they have none yet, or it is due."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, is_own from analyzer_statemententry"
            " where server_id = %s and (is_own or statement_id is null or is_text_due)",
            [server_id],
        )
        rows = cursor.fetchall()
    return [i for i, is_own in rows if is_own], [i for i, is_own in rows if not is_own]


__all__ = ["KeptReading", "keep_names", "keep_reading", "keep_texts", "write_deltas"]
