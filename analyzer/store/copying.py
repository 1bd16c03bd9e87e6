"""COPY in PostgreSQL's binary format between numpy arrays and tables.

The format: a header, then per row the number of fields and, per field, its length (-1 for NULL) and its bytes in
network order. With fixed-width fields whole tables are built and read by numpy, without a Python object per value.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, where PostgreSQL's timestamps begin, in Unix microseconds

Ints = NDArray[np.int64]


def to_us(at: datetime) -> int:
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


def copy_out(select: str, columns: int, params: Sequence[Any] | dict[str, Any] = ()) -> Ints:
    """The rows of ``select``, whose columns are all bigint and never NULL, as an n x ``columns`` array."""
    connection.ensure_connection()
    # Django's cursor that counts queries takes no parameters for COPY; psycopg's own quoting fills them in
    filled = psycopg.ClientCursor(connection.connection).mogrify(select, params)
    with connection.cursor() as cursor, cursor.copy(f"copy ({filled}) to stdout (format binary)") as copy:
        data = b"".join(bytes(block) for block in copy)
    body = data[len(HEADER) : -len(TRAILER)]
    width = 2 + columns * 12
    if len(body) % width:
        raise ValueError(f"copy_out: {len(body)} bytes are no whole number of rows of {width}")
    rows = np.frombuffer(body, np.uint8).reshape(-1, width)[:, 2:].reshape(-1, columns, 12)[:, :, 4:]
    return np.ascontiguousarray(rows).view(">i8").reshape(-1, columns).astype(np.int64)


def us_sql(expression: str) -> str:
    """SQL: a timestamptz as Unix microseconds, exact."""
    return f"(extract(epoch from {expression}) * 1000000)::bigint"
