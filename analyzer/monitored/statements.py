"""Reads pg_stat_statements: counters of every entry without texts, and texts of the entries asked for.

Counters come as one binary COPY whose rows are all equally long, so numpy takes them as they are: no Python object
per value. The server converts nothing for it: each conversion costs it as much as sending. Texts are read only for
new entries: the server loads its whole text file for them.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import StatementFailed
from analyzer.monitored import loader
from analyzer.monitored.connection import MonitoredConnection
from analyzer.readings import (
    COUNTERS,
    KEY_DTYPE,
    ServerState,
    StatementReading,
    StatementText,
)

COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, where PostgreSQL's timestamps begin, in Unix microseconds
TYPES = {"role_oid": ">u4", "database_oid": ">u4", "toplevel": "?"}
# one more than analyzer.statements reads, so a text cut here is still seen to be too long there
TEXT_CHARACTERS = 100_001
READING = "reading the statement counters"


def read_statement_counters(conn: MonitoredConnection, *, limit: int = 100_000) -> StatementReading:
    """Cumulative counters of all entries the login may see (those without queryid are hidden from it).

    ``limit`` guards us against a server that never stops; pg_stat_statements.max is 5,000 unless raised.
    """
    schema, version = conn.need_statements_extension()
    began = time.perf_counter()
    with conn.transaction_read_only():
        state = read_server_state(conn)
        data = conn.copy_out(
            "statement_counters",
            action=READING,
            identifiers={"schema": schema, "limit": limit},
            extension_version=version,
        )
    columns = _columns(loader.load("statement_counters", conn.server_version_num, version))
    rows = _rows(data, columns)
    keys = np.empty(len(rows), dtype=KEY_DTYPE)
    for name in KEY_DTYPE.names or ():
        keys[name] = rows[name]
    counters = np.empty((len(COUNTERS), len(rows))).T  # written column by column
    for i, name in enumerate(COUNTERS):
        counters[:, i] = rows[name] if name in columns else np.nan
    if "stats_since" in columns:
        stats_since = (rows["stats_since"] + EPOCH_US) / 1e6
    else:
        stats_since = np.full(len(rows), np.nan)
    return StatementReading(
        state=state,
        keys=keys,
        counters=counters,
        stats_since=stats_since,
        offered=tuple(name for name in COUNTERS if name in columns),
        read_time_ms=(time.perf_counter() - began) * 1000,
    )


def read_server_state(conn: MonitoredConnection) -> ServerState:
    """Which server answers, and since when it counts."""
    schema, version = conn.need_statements_extension()
    with conn.transaction_read_only():
        row = conn.run(
            "statement_state",
            action="reading the server's state",
            identifiers={"schema": schema},
            extension_version=version,
        )[0]
    return ServerState(
        taken_at=row.taken_at,
        server_version_num=conn.server_version_num,
        started_at=row.started_at,
        statements_version=version,
        stats_reset_at=row.stats_reset_at,
        deallocations=row.deallocations,
        is_in_recovery=row.is_in_recovery,
    )


def read_statement_texts(
    conn: MonitoredConnection, keys: NDArray[np.void] | Iterable[tuple[int, int, int, bool]]
) -> list[StatementText]:
    """Texts of the entries with these keys (as KEY_DTYPE has them); those gone since are absent."""
    wanted = [tuple(key) for key in (keys.tolist() if isinstance(keys, np.ndarray) else keys)]
    if not wanted:
        return []
    schema, version = conn.need_statements_extension()
    roles, databases, queryids, toplevels = (list(column) for column in zip(*wanted, strict=True))
    params: dict[str, Any] = {
        "role_oids": roles,
        "database_oids": databases,
        "queryids": queryids,
        "toplevels": toplevels,
        "characters": TEXT_CHARACTERS,
    }
    with conn.transaction_read_only():
        rows = conn.run(
            "statement_texts",
            params,
            action="reading the statements' texts",
            identifiers={"schema": schema},
            extension_version=version,
        )
    return [StatementText(r.role_oid, r.database_oid, r.queryid, r.toplevel, r.text) for r in rows]


@lru_cache(maxsize=8)
def _columns(statement: str) -> tuple[str, ...]:
    """Names of a COPY's columns, from its text."""
    select_list = statement[statement.index("\nselect") : statement.index("\nfrom ")]
    return tuple(line.rstrip(",").split()[-1].split(".")[-1] for line in select_list.splitlines()[2:])


def _type(column: str) -> str:
    """As numpy names what PostgreSQL sends: oid, boolean, float8 (times), int8."""
    return TYPES.get(column, ">f8" if column.endswith("_ms") else ">i8")


@lru_cache(maxsize=8)
def _row_type(columns: tuple[str, ...]) -> tuple[np.dtype[np.void], NDArray[np.int64], NDArray[np.uint8]]:
    """A row of a binary COPY without NULL, and where in it each value's length ends, with what it must say.

    A row is an int2 (the number of columns), then for each value an int4 (its length) and the value.
    Source: the manual, COPY, "Binary Format".
    """
    widths = [np.dtype(_type(name)).itemsize for name in columns]
    ends = 2 + np.cumsum([4 + width for width in widths])
    offsets = (ends - widths).tolist()
    row = np.dtype(
        {"names": columns, "formats": [_type(c) for c in columns], "offsets": offsets, "itemsize": int(ends[-1])}
    )
    lengths: NDArray[np.int64] = ends - np.array(widths, np.int64) - 1
    return row, lengths, np.array(widths, np.uint8)


def _rows(data: bytes, columns: tuple[str, ...]) -> NDArray[np.void]:
    """The rows of a binary COPY, as they are in ``data``: nothing is copied."""
    if not data.startswith(COPY_SIGNATURE) or len(data) < 21:
        raise StatementFailed(READING, None, "the answer is no binary COPY")
    row, at, said = _row_type(columns)
    start = 19 + int.from_bytes(data[15:19], "big")
    count, rest = divmod(len(data) - start, row.itemsize)
    if rest != 2:  # the trailer, -1 as int2
        raise StatementFailed(READING, None, "a counter has no value")
    octets = np.frombuffer(data, np.uint8, count * row.itemsize, start).reshape(count, row.itemsize)
    if not (octets[:, at] == said).all():
        raise StatementFailed(READING, None, "a counter has an unexpected size")
    return np.frombuffer(data, row, count, start)
