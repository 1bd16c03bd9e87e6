"""COPY in PostgreSQL's binary format between numpy arrays and tables.

With fields of fixed width whole tables are built and read by numpy, without a Python object per value.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

from analyzer.monitored.copy_format import HEADER, TRAILER

Ints = NDArray[np.int64]


def to_microseconds(at: datetime) -> int:
    """Unix time in whole microseconds, exact (``datetime.timestamp()`` is a float)."""
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, tz=UTC).replace(microsecond=us % 1_000_000)


def binary_rows(required: Sequence[Ints], counters: Ints) -> bytes:
    """Rows of bigint columns: ``required`` ones as they are, those of ``counters`` (n x m) NULL where 0."""
    n, m = counters.shape
    fields = len(required) + m
    record = np.empty((n, 2 + fields * 12), dtype=np.uint8)
    record[:, 0:2] = list(fields.to_bytes(2, "big"))
    values = np.column_stack([*required, counters]).astype(">i8", copy=False) if n else counters.astype(">i8")
    body = record[:, 2:].reshape(n, fields, 12)
    body[:, :, 4:] = np.ascontiguousarray(values).view(np.uint8).reshape(n, fields, 8) if n else 0
    present = np.ones((n, fields), dtype=bool)
    present[:, len(required) :] = counters != 0
    body[:, :, :4] = np.where(present[:, :, None], np.array([0, 0, 0, 8], np.uint8), np.array([255] * 4, np.uint8))
    keep = np.ones(record.shape, dtype=bool)
    keep[:, 2:].reshape(n, fields, 12)[:, :, 4:] = present[:, :, None]
    return HEADER + record[keep].tobytes() + TRAILER


def copy_in(table: str, columns: Sequence[str], rows: bytes) -> None:
    """``table`` and ``columns`` are ours, never somebody's input."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin (format binary)") as copy,
    ):
        copy.write(rows)


def copy_out(select: str, columns: int, params: Sequence[Any] | Mapping[str, Any] = ()) -> Ints:
    """The rows of ``select``, whose columns are all bigint and never NULL, as an n x ``columns`` array.

    The server glues each column together, so that one row comes back: libpq hands rows out one by one.
    """
    names = [f"c{i}" for i in range(columns)]
    glued = ", ".join(f"string_agg(int8send({name}), '')" for name in names)
    (row,) = copy_rows(f"select {glued} from ({select}) as q ({', '.join(names)})", params)
    if row[0] is None:
        return np.zeros((0, columns), dtype=np.int64)
    rows: Ints = np.stack([np.frombuffer(data or b"", ">i8") for data in row], axis=1).astype(np.int64)
    return rows


def copy_rows(select: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[list[bytes | None]]:
    """Each row's fields as the server sends them in binary: bytea unescaped, bigint as 8 bytes."""
    connection.ensure_connection()
    # Django's cursor that counts queries takes no parameters for COPY; psycopg's own quoting fills them in
    filled = psycopg.ClientCursor(connection.connection).mogrify(select, params)
    with connection.cursor() as cursor, cursor.copy(f"copy ({filled}) to stdout (format binary)") as copy:
        data = b"".join(copy)
    at = len(HEADER)
    while (fields := int.from_bytes(data[at : at + 2], "big", signed=True)) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(fields):
            length = int.from_bytes(data[at : at + 4], "big", signed=True)
            at += 4
            row.append(data[at : at + length] if length >= 0 else None)
            at += max(length, 0)
        yield row


def microseconds_sql(expression: str) -> str:
    """SQL: a timestamptz as Unix microseconds, exact."""
    return f"(extract(epoch from {expression}) * 1000000)::bigint"
