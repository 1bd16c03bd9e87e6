"""Reads pg_stat_statements: counters of every entry without texts, and texts of the entries asked for.

Counters come as one binary COPY whose rows are all equally long, so numpy takes them as they are: no Python
object per value. Texts are read only for new entries: the server loads its whole text file for them.
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
    values = _values(data, len(columns))
    whole, times = values.view(">i8"), values.view(">f8")
    keys = np.empty(len(values), dtype=KEY_DTYPE)
    for name in KEY_DTYPE.names or ():
        keys[name] = whole[:, columns.index(name)]
    counters = np.full((len(values), len(COUNTERS)), np.nan)
    for names, numbers in (
        ([name for name in COUNTERS if name in columns and _is_time(name)], times),
        ([name for name in COUNTERS if name in columns and not _is_time(name)], whole),
    ):
        counters[:, [COUNTERS.index(name) for name in names]] = numbers[:, [columns.index(n) for n in names]]
    if "stats_since" in columns:
        stats_since = times[:, columns.index("stats_since")].astype(np.float64)
    else:
        stats_since = np.full(len(values), np.nan)
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


def _is_time(name: str) -> bool:
    """Times are float8, all other columns int8."""
    return name.endswith("_ms") or name == "stats_since"


def _values(data: bytes, columns: int) -> NDArray[np.void]:
    """The 8-byte values of a binary COPY without NULL, rows x columns, still as the network has them.

    Each row is an int2 (the number of columns), then for each value an int4 (its length, 8) and the value.
    Source: the manual, COPY, "Binary Format".
    """
    if not data.startswith(COPY_SIGNATURE) or len(data) < 21:
        raise StatementFailed(READING, None, "the answer is no binary COPY")
    start = 19 + int.from_bytes(data[15:19], "big")
    row_bytes = 2 + 12 * columns
    count, rest = divmod(len(data) - start, row_bytes)
    if rest != 2:  # the trailer, -1 as int2
        raise StatementFailed(READING, None, "a counter has no value")
    rows = np.frombuffer(data, dtype=np.uint8, count=count * row_bytes, offset=start).reshape(count, row_bytes)
    if count and not (rows[:, 5::12] == 8).all():
        raise StatementFailed(READING, None, "a counter has an unexpected size")
    values = rows[:, 2:].reshape(count, columns, 12)[:, :, 4:]
    return np.ascontiguousarray(values).view("V8").reshape(count, columns)
