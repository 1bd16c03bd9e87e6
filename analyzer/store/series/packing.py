"""Fresh rows of hours that are over -> compressed columns, and back.

A chunk holds up to CHUNK_POINTS points (one entry in one interval) of one server and hour, sorted by entry, then
time; a server and hour may have several, and more may join when late rows come. Each counter is one value:

    byte 0: bytes per number (1 to 8), plus 128 when deflated
    rest:   the numbers' lowest bytes, then the next ones, ... (planes), as they are or deflated

NULL says that all are zero. Planes of high bytes are mostly zeros, so a counter costs what its digits are worth.
``entry_ids`` holds differences from the entry before (the first from ``first_entry``), ``taken_at`` the distinct
times of the chunk (microseconds since the hour) followed by each point's index into them.
"""

import logging
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from analyzer.store.series.columns import COLUMNS
from analyzer.store.series.copying import copy_out, copy_rows, microseconds_sql, to_microseconds
from analyzer.store.series.partitions import drop_partition, ensure_partition, floor_to, partitions_of

logger = logging.getLogger(__name__)

CHUNK_POINTS = 2000  # measured (docs/performance.md): more hardly compresses better, and is slower for one entry
# Hours stay fresh until they ended this long ago: a page's last hour is then never cut out of chunks.
FRESH_FOR = timedelta(hours=2)
ENTRIES_AT_ONCE = 2000  # bounds the memory of packing: 2,000 entries x 60 intervals x 43 counters x 8 bytes = 41 MB

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Points:
    """``values[:, i]`` is ``columns[i]``; times are Unix microseconds."""

    entry_ids: Ints
    taken_at_us: Ints
    values: Ints
    columns: tuple[str, ...]

    def column(self, name: str) -> Ints:
        out: Ints = self.values[:, self.columns.index(name)]
        return out

    def __len__(self) -> int:
        return len(self.entry_ids)


def encode(numbers: Ints, *, deflate: bool = True) -> bytes | None:
    """None when all are zero. Numbers are not negative."""
    top = int(numbers.max(initial=0))
    if top == 0:
        return None
    width = (top.bit_length() + 7) // 8
    planes = np.ascontiguousarray(numbers.astype("<i8")).view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()
    packed = zlib.compress(planes, level=6, wbits=-15) if deflate else planes
    return bytes([width | 128]) + packed if len(packed) < len(planes) else bytes([width]) + planes


def decode(data: bytes | None, points: int) -> Ints:
    if data is None:
        return np.zeros(points, dtype=np.int64)
    width = data[0] & 127
    raw = zlib.decompress(data[1:], wbits=-15) if data[0] & 128 else data
    return joined(np.frombuffer(raw, np.uint8, offset=0 if data[0] & 128 else 1).reshape(width, points))


def joined(planes: NDArray[np.uint8]) -> Ints:
    """The numbers whose lowest bytes are the first row, the next ones the second, ..."""
    numbers: Ints = planes[0].astype(np.int64)
    for i in range(1, len(planes)):
        numbers |= planes[i].astype(np.int64) << (8 * i)
    return numbers


def encode_times(offsets_us: Ints) -> bytes:
    times, index = np.unique(offsets_us, return_inverse=True)
    return struct.pack("<H", len(times)) + times.astype("<u4").tobytes() + (encode(index) or b"")


def decode_times(data: bytes, points: int) -> Ints:
    (n,) = struct.unpack_from("<H", data)
    times = np.frombuffer(data, "<u4", n, 2).astype(np.int64)
    return times[decode(data[2 + 4 * n :] or None, points)]


def pack_hours(now: datetime) -> int:
    """Pack every fresh hour that ended FRESH_FOR ago; the number of points packed."""
    packed = 0
    for name, start in partitions_of("statement_delta"):
        if start + timedelta(hours=1) + FRESH_FOR > now:
            continue
        try:
            packed += pack_hour(name, start)
        except NotRolledUp:
            logger.warning("%s is not in the hourly sums yet; the next run packs it", name)
        else:
            drop_partition("statement_delta", name, only_empty=True)  # a late row may have come since
    return packed


def pack_hour(partition: str, hour: datetime) -> int:
    """Chunks in, rows out, in one transaction: cut short, nothing has happened; run again, nothing is left to do."""
    with transaction.atomic(), connection.cursor() as cursor:
        ensure_partition("statement_packed", hour)
        cursor.execute("set local lock_timeout = '5s'")
        cursor.execute(f"lock table {partition} in share row exclusive mode")  # readers may, writers may not
        cursor.execute(
            # servers that were deleted meanwhile are not among them: their rows go without being packed
            "select d.server_id, coalesce(d.taken_at <= r.taken_at, false)"
            f" from (select server_id, max(taken_at) as taken_at from {partition} group by 1) d"
            " join analyzer_server s on s.id = d.server_id left join rolled_up r on r.server_id = d.server_id"
        )
        servers = cursor.fetchall()
        if any(not is_rolled for _, is_rolled in servers):
            raise NotRolledUp(partition)
        points = sum(_pack_server(partition, hour, server_id) for server_id, _ in servers)
        cursor.execute(f"truncate {partition}")
    return points


class NotRolledUp(Exception):
    """An hour was to be packed before its rows were in the hourly sums; the next run does both."""


def _pack_server(partition: str, hour: datetime, server_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"select distinct entry_id from {partition} where server_id = %s order by 1", [server_id])
        entries = [entry for (entry,) in cursor.fetchall()]
        # most counters are zero in every row of a server: those are not even read
        cursor.execute(
            f"select {', '.join(f'count({c})' for c in COLUMNS)} from {partition} where server_id = %s", [server_id]
        )
        used = [c for c, n in zip(COLUMNS, cursor.fetchone(), strict=True) if n]
    counters = "".join(f", coalesce({name}, 0)" for name in used)
    total = 0
    for i in range(0, len(entries), ENTRIES_AT_ONCE):
        first, last = entries[i], entries[min(i + ENTRIES_AT_ONCE, len(entries)) - 1]
        rows = copy_out(
            f"select entry_id, {microseconds_sql('taken_at')}{counters} from {partition}"
            " where server_id = %s and entry_id between %s and %s order by entry_id, taken_at",
            2 + len(used),
            [server_id, first, last],
        )
        write_chunks(server_id, hour, rows[:, 0], rows[:, 1], rows[:, 2:], used)
        total += len(rows)
    return total


def write_chunks(
    server_id: int, hour: datetime, entry_ids: Ints, taken_at_us: Ints, values: Ints, columns: Sequence[str] = COLUMNS
) -> None:
    """Points of one server and hour, sorted by entry, then time; ``values[:, i]`` is ``columns[i]``."""
    names = ("hour", "first_entry", "last_entry", "server_id", "points", "entry_ids", "taken_at", *columns)
    hour_us = to_microseconds(hour)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy statement_packed ({', '.join(names)}) from stdin (format binary)") as copy,
    ):
        copy.set_types(["timestamptz", "int8", "int8", "int8", "int4", *["bytea"] * (2 + len(columns))])
        for i in range(0, len(entry_ids), CHUNK_POINTS):
            part = slice(i, i + CHUNK_POINTS)
            entries = entry_ids[part]
            copy.write_row(
                (
                    hour, int(entries[0]), int(entries[-1]), server_id, len(entries),
                    encode(np.diff(entries, prepend=entries[0])) or b"",
                    encode_times(taken_at_us[part] - hour_us),
                    *(encode(np.ascontiguousarray(values[part, c])) for c in range(len(columns))),
                )
            )  # fmt: skip


def read_points(
    server_id: int, start: datetime, end: datetime, columns: Sequence[str], entry_ids: Sequence[int] | None = None
) -> Points:
    """Points with start < taken_at <= end, fresh and packed, of some entries or all; in no order."""
    fresh = read_fresh(server_id, start, end, columns, entry_ids)
    packed = _read_packed(server_id, start, end, columns, entry_ids)
    rows = np.concatenate([packed, fresh]) if len(packed) else fresh
    return Points(rows[:, 0], rows[:, 1], rows[:, 2:], tuple(columns))


def read_fresh(
    server_id: int, start: datetime, end: datetime, columns: Sequence[str], entry_ids: Sequence[int] | None = None
) -> Ints:
    counters = "".join(f", coalesce({name}, 0)" for name in columns)
    where = "taken_at > %(start)s and taken_at <= %(end)s and " + (
        "server_id = %(server)s" if entry_ids is None else "entry_id = any(%(entries)s)"
    )
    return copy_out(
        f"select entry_id, {microseconds_sql('taken_at')}{counters} from statement_delta where {where}",
        2 + len(columns),
        {"server": server_id, "start": start, "end": end, "entries": list(entry_ids or ())},
    )


def _read_packed(
    server_id: int, start: datetime, end: datetime, columns: Sequence[str], entry_ids: Sequence[int] | None
) -> Ints:
    some = (
        ""
        if entry_ids is None
        else " and exists (select 1 from unnest(%(entries)s::bigint[]) e where e between first_entry and last_entry)"
    )
    about = (microseconds_sql("hour"), "first_entry", "points::bigint", "entry_ids", "taken_at")
    copied = copy_rows(
        f"select {', '.join([*about, *columns])} from statement_packed"
        f" where server_id = %(server)s and hour >= %(first)s and hour <= %(end)s{some}",
        {"server": server_id, "first": floor_to(start, "hour"), "end": end, "entries": list(entry_ids or ())},
    )
    parts = []
    for row in copied:
        hour_us, first_entry, points = (int.from_bytes(field or b"", "big") for field in row[:3])
        parts.append(unpack_chunk(hour_us, first_entry, points, row[3] or b"", row[4] or b"", *row[5:]))
    if not parts:
        return np.zeros((0, 2 + len(columns)), dtype=np.int64)
    rows = np.concatenate(parts)
    keep = (rows[:, 1] > to_microseconds(start)) & (rows[:, 1] <= to_microseconds(end))
    if entry_ids is not None:
        keep &= np.isin(rows[:, 0], np.asarray(entry_ids, dtype=np.int64))
    out: Ints = rows[keep]
    return out


def unpack_chunk(
    hour_us: int, first_entry: int, points: int, entry_ids: bytes, taken_at: bytes, *counters: bytes | None
) -> Ints:
    """Rows of entry id, Unix microseconds and the counters given."""
    rows = np.empty((points, 2 + len(counters)), dtype=np.int64)
    rows[:, 0] = first_entry + np.cumsum(decode(entry_ids or None, points))
    rows[:, 1] = hour_us + decode_times(taken_at, points)
    for i, data in enumerate(counters):
        rows[:, 2 + i] = decode(data, points)
    return rows
