"""Reads pg_stat_statements: counters of every entry without texts, and texts of the entries asked for.

Counters come as one binary COPY whose rows are all equally long, so numpy takes them as they are: no Python
object per value. Texts are read only for new entries: the server loads its whole text file for them.
"""

import re
import struct
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
KEY_COLUMNS = ("role_oid", "database_oid", "queryid", "toplevel")


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
            action="reading the statement counters",
            identifiers={"schema": schema, "limit": limit},
            extension_version=version,
        )
    columns = _columns(loader.load("statement_counters", conn.server_version_num, version))
    rows = _rows(data, columns)
    keys = np.empty(len(rows), dtype=KEY_DTYPE)
    for name in KEY_COLUMNS:
        keys[name] = rows[name]
    offered = tuple(name for name in COUNTERS if name in columns)
    counters = np.full((len(rows), len(COUNTERS)), np.nan)
    for position, name in enumerate(COUNTERS):
        if name in columns:
            counters[:, position] = rows[name]
    since = rows["stats_since"] if "stats_since" in columns else np.full(len(rows), np.nan)
    return StatementReading(
        state=state,
        keys=keys,
        counters=counters,
        stats_since=np.asarray(since, dtype=np.float64),
        offered=offered,
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
def _columns(statement: str) -> dict[str, str]:
    """Names and numpy types of a COPY's columns, from its text: times are floats, the rest whole numbers."""
    select_list = statement[statement.index("\nselect") : statement.index("\nfrom ")]
    names = [line.rstrip(",").split()[-1].split(".")[-1] for line in select_list.splitlines()[2:]]
    return {name: ">f8" if re.search(r"_ms$|^stats_since$", name) else ">i8" for name in names}


def _rows(data: bytes, columns: dict[str, str]) -> NDArray[np.void]:
    """The rows of a binary COPY of 8-byte columns without NULL. Source: the manual, COPY, "Binary Format"."""
    if not data.startswith(COPY_SIGNATURE) or len(data) < 21:
        raise StatementFailed("reading the statement counters", None, "the answer is no binary COPY")
    start = 19 + struct.unpack_from("!i", data, 15)[0]
    row_type = np.dtype(
        [("fields", ">i2")]
        + [field for name, kind in columns.items() for field in ((f"length of {name}", ">i4"), (name, kind))]
    )
    count, rest = divmod(len(data) - start, row_type.itemsize)
    if rest != 2:  # the trailer, -1 as int2
        raise StatementFailed("reading the statement counters", None, "a counter has no value")
    rows: NDArray[np.void] = np.frombuffer(data, dtype=row_type, count=count, offset=start)
    if count and not all((rows[f"length of {name}"] == 8).all() for name in columns):
        raise StatementFailed("reading the statement counters", None, "a counter has an unexpected size")
    return rows
