"""Reads pg_stat_statements: counters of every entry without texts, and texts of the entries asked for.

Counters come as one binary COPY whose rows are all equally long, so numpy takes them as they are: no Python object
per value. The server converts nothing for it: each conversion costs it as much as sending. Texts are read only for
new entries: the server loads its whole text file for them.
"""

import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import UNTRANSLATABLE, StatementFailed, UnreadableTexts
from analyzer.monitored import loader
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.copy_format import EPOCH_US, HEADER, SIGNATURE, TRAILER
from analyzer.monitored.readings import (
    COUNTERS,
    KEY_DTYPE,
    Key,
    ServerState,
    StatementReading,
    StatementText,
)
from analyzer.statements.server_texts import readable

TYPES = {"role_oid": ">u4", "database_oid": ">u4", "toplevel": "?"}
# one more than analyzer.statements reads, so a text cut here is still seen to be too long there
TEXT_CHARACTERS = 100_001
MOST_BYTES_PER_CHARACTER = 4
MOST_TEXT_BYTES = 16_000_000  # at a time: three times as much of our memory
HIDDEN = 0  # for a queryid that is NULL: pg_stat_statements itself gives no statement this one
NO_TEXT = ("22021", *UNTRANSLATABLE)  # the first: bytes that are no text in an encoding
READING = "reading the statement counters"


def read_statement_counters(conn: MonitoredConnection, *, limit: int = 100_000) -> StatementReading:
    """Cumulative counters of all entries the login may see, and whose are hidden from it.

    ``limit`` guards us against a server that never stops; pg_stat_statements.max is 5,000 unless raised.
    """
    schema, version = conn.need_statements_extension()
    began = time.perf_counter()
    with conn.transaction_read_only():
        state, read_at_s = read_server_state(conn), time.monotonic()
        rows = _Rows(_columns(loader.load("statement_counters", conn.server_version_num, version)))
        conn.copy_out(
            "statement_counters",
            action=READING,
            identifiers={"schema": schema, "limit": limit},
            extension_version=version,
            take=rows.take,
        )
    keys, counters, stats_since = (
        np.concatenate(rows.keys), np.concatenate(rows.counters, axis=1).T, np.concatenate(rows.stats_since)
    )  # fmt: skip
    is_cut = len(keys) >= limit
    seen = keys["queryid"] != HIDDEN
    hidden_roles = frozenset(keys["role_oid"][~seen].tolist()) - frozenset(keys["role_oid"][seen].tolist())
    if not seen.all():
        keys, counters, stats_since = keys[seen], counters[seen], stats_since[seen]
    return StatementReading(
        state=state,
        keys=keys,
        counters=counters,
        stats_since=stats_since,
        offered=tuple(name for name in COUNTERS if name in rows.columns),
        read_time_ms=(time.perf_counter() - began) * 1000,
        hidden_roles=hidden_roles,
        read_at_s=read_at_s,
        is_cut=is_cut,
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


def read_statement_texts(conn: MonitoredConnection, keys: NDArray[np.void] | Iterable[Key]) -> list[StatementText]:
    """Texts of the entries with these keys; those gone since are absent.

    Raises UnreadableTexts where the server cannot give any.
    """
    found: list[StatementText] = []
    wanted: list[Key] = [tuple(key) for key in (keys.tolist() if isinstance(keys, np.ndarray) else keys)]
    while wanted:
        texts, wanted = read_some_texts(conn, wanted)
        found += texts
    return found


def read_some_texts(
    conn: MonitoredConnection, keys: Sequence[Key], *, most_bytes: int = MOST_TEXT_BYTES
) -> tuple[list[StatementText], list[Key]]:
    """As ``read_statement_texts``, as far as ``most_bytes`` reach; and the keys that are left for another time.

    Each call makes the server read its file of texts once, however few are asked for.
    """
    schema, version = conn.need_statements_extension()
    roles, databases, queryids, toplevels = (list(column) for column in zip(*keys, strict=True))
    params: dict[str, Any] = {
        "role_oids": roles,
        "database_oids": databases,
        "queryids": queryids,
        "toplevels": toplevels,
        "characters": TEXT_CHARACTERS,
        "most_bytes": max(most_bytes, TEXT_CHARACTERS * MOST_BYTES_PER_CHARACTER),  # one text at least
    }
    try:
        with conn.transaction_read_only():
            rows = conn.run(
                "statement_texts",
                params,
                action="reading the statements' texts",
                identifiers={"schema": schema},
                extension_version=version,
            )
    except StatementFailed as failed:
        if failed.sqlstate not in NO_TEXT:
            raise
        raise UnreadableTexts(failed.action, failed.sqlstate, failed.text) from failed
    texts, left = [], []
    for row in rows:
        key = (row.role_oid, row.database_oid, row.queryid, row.toplevel)
        if row.is_left_out:
            left.append(key)
        else:
            texts.append(StatementText(*key, readable(row.text)))
    return texts, left


@lru_cache(maxsize=8)
def _columns(statement: str) -> tuple[str, ...]:
    """Names of a COPY's columns, from its text."""
    select_list = statement[statement.index("\nselect") : statement.index("\nfrom ")]
    return tuple(line.rstrip(",").split()[-1].split(".")[-1] for line in select_list.splitlines()[2:])


def _type(column: str) -> str:
    """As numpy names what PostgreSQL sends: oid, boolean, float8 (times), int8."""
    return TYPES.get(column, ">f8" if column.endswith("_ms") else ">i8")


@lru_cache(maxsize=8)
def _row_type(columns: tuple[str, ...]) -> np.dtype[np.void]:
    """A row of a binary COPY without NULL: an int2 (how many columns), then for each value its length as int4 and it.

    Source: the manual, COPY, "Binary Format".
    """
    widths = [np.dtype(_type(name)).itemsize for name in columns]
    ends = 2 + np.cumsum([4 + width for width in widths])
    offsets = (ends - widths).tolist()
    return np.dtype(
        {"names": columns, "formats": [_type(c) for c in columns], "offsets": offsets, "itemsize": int(ends[-1])}
    )


class _Rows:
    """The rows of a binary COPY as numbers, made of each part while the server is at work on the next."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.keys: list[NDArray[np.void]] = []
        self.counters: list[NDArray[np.float64]] = []  # each COUNTERS x rows
        self.stats_since: list[NDArray[np.float64]] = []
        self._row = _row_type(columns)

    def take(self, sent: list[bytes]) -> None:
        rows = self._rows(sent)
        keys = np.empty(len(rows), dtype=KEY_DTYPE)
        for name in KEY_DTYPE.names or ():
            keys[name] = rows[name]
        counters = np.empty((len(COUNTERS), len(rows)))
        for i, name in enumerate(COUNTERS):
            counters[i] = rows[name] if name in self.columns else np.nan
        since = rows["stats_since"] + EPOCH_US if "stats_since" in self.columns else np.full(len(rows), np.nan)
        self.keys.append(keys)
        self.counters.append(counters)
        self.stats_since.append(since / 1e6)

    def _rows(self, sent: list[bytes]) -> NDArray[np.void]:
        """As they were sent.

        A value that is missing makes its row shorter, and no other can make up for it: all are as wide as their type.
        """
        if not self.keys:  # the header comes with the first row
            first = sent[0] if sent else b""
            if not first.startswith(SIGNATURE) or len(first) < len(HEADER):
                raise StatementFailed(READING, None, "the answer is no binary COPY")
            sent = [first[19 + int.from_bytes(first[15:19], "big") :], *sent[1:]]
        rows = [row for row in sent if row and row != TRAILER]
        if not all(len(row) == self._row.itemsize for row in rows):
            raise StatementFailed(READING, None, "a counter has no value, or one of an unexpected size")
        return np.frombuffer(b"".join(rows), self._row, len(rows))
