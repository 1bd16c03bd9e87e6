"""Open, limit and mark a session on a monitored server; psycopg's errors become ours here.

A session sends its statements inside read-only transactions whose limits are SET LOCAL: through a pooler in
transaction mode a plain SET would leak into the application's sessions. For the same reason nothing is
prepared, no session state is kept and no ``options`` are sent (PgBouncer refuses them).
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.rows import namedtuple_row

from analyzer.errors import MissingExtension, UnsupportedVersion
from analyzer.monitored import failures, loader
from analyzer.monitored.connection_settings import ConnectionSettings as ConnectionSettings
from analyzer.monitored.copy_format import copied_rows
from analyzer.monitored.deadlines import deadlines
from analyzer.monitored.login import AS_BYTES, libpq_parameters, log_in, read_leniently

OLDEST_SERVER = 130_000
OLDEST_STATEMENTS = (1, 8)
# the client gives up this long after the server should have: a stopped (SIGSTOP) server keeps no timeout
GRACE_S = 5.0

# our queries over a large catalog look expensive to the planner: compiling them costs more than running them
CHEAP_PLANS: Mapping[str, str] = {"jit": "off", "max_parallel_workers_per_gather": "0"}

Row = Any  # a named tuple; its fields are the statement's columns


class MonitoredConnection:
    """One session on one database of a monitored server. Not for several threads at once."""

    def __init__(
        self,
        raw: "psycopg.Connection[Any]",
        settings: ConnectionSettings,
        *,
        statement_timeout_ms: int,
        lock_timeout_ms: int,
    ) -> None:
        self.raw = raw  # for the gate, which needs psycopg's own switches; in autocommit, so no hidden BEGIN
        self.settings = settings
        self.statement_timeout_ms = statement_timeout_ms
        self.lock_timeout_ms = lock_timeout_ms
        self._timeout_now_ms = statement_timeout_ms  # of the transaction that runs
        self._share_until: float | None = None  # by time.monotonic()
        self._blocks = 0  # that use the transaction now

    @property
    def address(self) -> str:
        return self.settings.address

    @property
    def dbname(self) -> str:
        return self.settings.dbname

    @property
    def role(self) -> str:
        return self.settings.user

    @property
    def server_version_num(self) -> int:
        return self.raw.info.server_version

    @property
    def backend_pid(self) -> int:
        """Of the server process that took the connection; through a pooler another may run the statements."""
        return self.raw.info.backend_pid

    @property
    def is_without_encoding(self) -> bool:
        """A database of SQL_ASCII: its texts are bytes, and asked for as UTF-8 one odd byte fails the whole answer."""
        return self.raw.info.parameter_status("server_encoding") == AS_BYTES

    @property
    def is_usable(self) -> bool:
        return not self.raw.closed and self.raw.info.status == pq.ConnStatus.OK

    @cached_property
    def statements_extension(self) -> tuple[str, str] | None:
        """pg_stat_statements' (schema, version) in this database; None where it is not created."""
        with self.transaction_read_only():
            rows = self.run("extension", {"name": "pg_stat_statements"}, action="looking for pg_stat_statements")
        return (rows[0].schema, rows[0].version) if rows else None

    def need_statements_extension(self) -> tuple[str, str]:
        """As ``statements_extension``; MissingExtension or UnsupportedVersion where we cannot read it."""
        if self.statements_extension is None:
            raise MissingExtension("pg_stat_statements", self.dbname)
        if loader.version_tuple(self.statements_extension[1]) < OLDEST_STATEMENTS:
            raise UnsupportedVersion("pg_stat_statements", self.statements_extension[1], "1.8 or newer")
        return self.statements_extension

    @cached_property
    def activity_query_size_bytes(self) -> int:
        """track_activity_query_size, fixed while the server runs."""
        with self.transaction_read_only():
            rows = self.run("setting", {"name": "track_activity_query_size"}, action="reading a setting")
        return int(rows[0].setting)

    # -- transactions -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction_read_only(
        self,
        *,
        statement_timeout_ms: int | None = None,
        lock_timeout_ms: int | None = None,
        search_path: str = "pg_catalog",
        local_settings: Mapping[str, str] | None = None,
        isolation: str = "READ COMMITTED",
        planner_as_configured: bool = False,
    ) -> Iterator["MonitoredConnection"]:
        """A transaction that cannot write, with its limits; always rolled back. Inside another it joins that.

        ``search_path`` is SET LOCAL's text (quote its elements); ``local_settings`` are further SET LOCAL.
        ``planner_as_configured``: for EXPLAIN; else our own queries do without JIT and parallel workers.
        """
        if self._share_until is None and self._is_in_transaction:
            yield self
            return
        if isolation not in ("READ COMMITTED", "REPEATABLE READ"):
            raise ValueError(isolation)
        timeout_ms = statement_timeout_ms or self.statement_timeout_ms
        limits = {
            "statement_timeout": f"{timeout_ms}ms",
            "lock_timeout": f"{lock_timeout_ms or self.lock_timeout_ms}ms",
            "idle_in_transaction_session_timeout": f"{max(timeout_ms, 10_000) + 5_000}ms",
            "search_path": search_path,
            **({} if planner_as_configured else CHEAP_PLANS),
            **({"client_encoding": AS_BYTES} if self.is_without_encoding else {}),
            **(local_settings or {}),
        }
        if self.server_version_num >= 170_000:
            # several statements may each take their time; this is the end of the whole
            limits.setdefault("transaction_timeout", f"{timeout_ms * 6 + 10_000}ms")
        if not self._blocks and self._share_until is not None and time.monotonic() > self._share_until:
            self._end_transaction()
        self._blocks += 1
        try:
            if not self._is_in_transaction:
                self._begin(isolation, timeout_ms, limits)
            yield self
        finally:
            self._blocks -= 1
            if not self._blocks and not (self._share_until is not None and self._is_in_transaction):
                self._end_transaction()

    @contextlib.contextmanager
    def sharing_transactions(self) -> Iterator[None]:
        """The read-only transactions inside are one, with the limits of the first: three statements fewer for each.

        One that failed, or is older than a statement may get, is followed by another. For statements that come one
        after the other and keep no locks.
        """
        if self._share_until is not None:
            yield
            return
        self._share_until = math.inf
        try:
            yield
        finally:
            self._share_until = None
            self._end_transaction()

    @property
    def _is_in_transaction(self) -> bool:
        return self.raw.info.transaction_status == pq.TransactionStatus.INTRANS

    def _begin(self, isolation: str, timeout_ms: int, limits: Mapping[str, str]) -> None:
        self._timeout_now_ms = timeout_ms
        if self._share_until is not None:
            self._share_until = time.monotonic() + timeout_ms / 1000
        self.execute(
            f"BEGIN TRANSACTION ISOLATION LEVEL {isolation} READ ONLY", action="starting a read-only transaction"
        )
        names, values = list(limits), list(limits.values())
        self.run("set_local", {"names": names, "values": values}, action="setting the transaction's limits")

    def _end_transaction(self) -> None:
        self._timeout_now_ms = self.statement_timeout_ms
        self._roll_back()

    def _roll_back(self) -> None:
        if self.raw.closed or self.raw.info.transaction_status == pq.TransactionStatus.IDLE:
            return
        try:
            with self._giving_up_late(after_ms=0):
                self.raw.execute("ROLLBACK /* pgloupe */ TRANSACTION")
        except (psycopg.Error, UnicodeError):
            self.raw.close()  # whatever was open ends with the session

    # -- statements ---------------------------------------------------------------------------------------

    def run(
        self,
        name: str,
        params: Mapping[str, Any] | None = None,
        *,
        action: str = "",
        identifiers: Mapping[str, str | int] | None = None,
        extension_version: str | None = None,
        remedy_sql: str = "",
    ) -> list[Row]:
        """Rows of ``sql/NAME.sql`` (or its variant for this version), as named tuples, in binary.

        ``identifiers`` fill ``{placeholders}``, quoted. Binary answers do not depend on DateStyle and the
        like, and with them the server takes one statement only.
        """
        text = loader.load(name, self.server_version_num, extension_version)
        action = action or f"running {name}"
        cursor = self.execute(text, params, action=action, identifiers=identifiers, remedy_sql=remedy_sql)
        with self.our_errors(action):  # values are made of bytes here, which can fail too
            return cursor.fetchall()

    def execute(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        action: str,
        identifiers: Mapping[str, str | int] | None = None,
        remedy_sql: str = "",
        binary: bool = True,
    ) -> "psycopg.Cursor[Row]":
        """One statement of ours, marked; never text from elsewhere, which is the gate's. ``%`` is doubled."""
        query = _compose(loader.mark(text), identifiers)
        with self._giving_up_late(), self.our_errors(action, remedy_sql=remedy_sql):
            cursor = self.raw.cursor(binary=binary, row_factory=namedtuple_row)
            return cursor.execute(query, params or {}, prepare=False)

    def copy_out(
        self,
        name: str,
        *,
        action: str = "",
        identifiers: Mapping[str, str | int] | None = None,
        extension_version: str | None = None,
        take: Callable[[list[bytes]], None],
    ) -> None:
        """``take`` gets what ``sql/NAME.sql``, a COPY ... TO STDOUT, sends: some rows, whenever the next are awaited.

        Numbers among ``identifiers`` are literals.
        """
        query = _compose(loader.load(name, self.server_version_num, extension_version), identifiers)
        with (
            self._giving_up_late(),
            self.our_errors(action or f"running {name}"),
            self.raw.cursor() as cursor,
            cursor.copy(query),
        ):
            copied_rows(self.raw.pgconn, take)

    def our_errors(self, action: str, *, remedy_sql: str = "") -> contextlib.AbstractContextManager[None]:
        """Turns psycopg's errors inside into ours; for code that uses ``raw`` itself."""
        return failures.our_errors(
            action,
            address=self.address,
            role=self.role,
            password=self.settings.password,
            remedy_sql=remedy_sql,
        )

    def close(self) -> None:
        self.raw.close()

    @contextlib.contextmanager
    def _giving_up_late(self, after_ms: float | None = None) -> Iterator[None]:
        """Break the connection when nothing came by then, although the server's own timeout should have."""
        if self.raw.closed:
            yield
            return
        wait_ms = self._timeout_now_ms if after_ms is None else after_ms
        with deadlines.within(wait_ms / 1000 + GRACE_S, lambda: _shut_down(self.raw)):
            yield


@contextlib.contextmanager
def connect(
    settings: ConnectionSettings,
    *,
    dbname: str | None = None,
    statement_timeout_ms: int = 10_000,
    lock_timeout_ms: int = 100,
    connect_timeout_s: int = 5,
) -> Iterator[MonitoredConnection]:
    """A session, closed at the end. ``dbname``: another database of the same server."""
    if dbname is not None:
        settings = replace(settings, dbname=dbname)
    with contextlib.ExitStack() as stack:
        raw = log_in(settings, libpq_parameters(settings, connect_timeout_s, stack))
        stack.callback(raw.close)
        if raw.info.server_version < OLDEST_SERVER:
            raise UnsupportedVersion("PostgreSQL", str(raw.info.server_version // 10_000), "13 or newer")
        read_leniently(raw)
        yield MonitoredConnection(
            raw, settings, statement_timeout_ms=statement_timeout_ms, lock_timeout_ms=lock_timeout_ms
        )


def _compose(text: str, identifiers: Mapping[str, str | int] | None) -> Any:
    """As UTF-8, whatever the client's encoding is: psycopg would refuse more than ASCII under SQL_ASCII."""
    if not identifiers:
        return text.encode()
    return sql.SQL(text).format(
        **{
            key: sql.Literal(value) if isinstance(value, int) else sql.Identifier(value)
            for key, value in identifiers.items()
        }
    )


def _shut_down(raw: "psycopg.Connection[Any]") -> None:
    """Break the connection under a thread that waits for it; that thread then gets an error and closes it."""
    with contextlib.suppress(OSError, psycopg.Error):
        twin = socket.socket(fileno=os.dup(raw.fileno()))
        try:
            twin.shutdown(socket.SHUT_RDWR)  # acts on the connection, not on this descriptor alone
        finally:
            twin.close()
