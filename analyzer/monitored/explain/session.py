"""One read-only transaction in which a statement is prepared and explained, and nothing else can happen.

What is sent was parsed first by pglast *and* is parsed by the server as a single command: PREPARE and EXPLAIN go by
the extended protocol, GENERIC_PLAN, which cannot, after the server has parsed it so. SET LOCAL only and DEALLOCATE at
the end: nothing stays behind, not even in a pooler's server session.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pglast import ast
from psycopg import errors as pg
from psycopg import pq, sql

from analyzer.errors import MonitoredServerError, StatementFailed
from analyzer.monitored.connection import CHEAP_PLANS, MonitoredConnection
from analyzer.monitored.explain.gate_catalog import effective_path
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.monitored.failures import quoted
from analyzer.monitored.loader import MARKER
from analyzer.monitored.login import LenientBinaryText, LenientText
from analyzer.monitored.watchdog import Backend, Watchdog
from analyzer.statements.tree import Node, Unparsable, fresh_parse
from analyzer.words.sizes import setting_bytes

# One name for all: pg_stat_statements keeps an entry for every different text of a utility before 17.
PREPARED = "pgloupe"
# judgement: EXPLAINs of one statement follow each other at once, and asking takes some 20 ms of the server's time
RECHECK_AFTER_S = 0.1
MOST_UNTYPED = 50  # judgement: round trips for one statement
PLAIN = "FORMAT JSON, VERBOSE, SETTINGS"


@dataclass(slots=True)
class ExplainSession:
    """A transaction that is open. ``spent_ms`` adds up what our EXPLAINs took."""

    connection: MonitoredConnection
    guard: Watchdog
    limits: ExplainLimits
    backend: Backend
    timeout_ms: int
    is_pooled: bool
    temp_limit_bytes: int | None  # temp_file_limit; None without one
    recheck_catalog: Callable[[], None] | None = None
    spent_ms: float = 0.0
    rechecked_at: float = -math.inf  # monotonic

    def explain_generic(self, text: str) -> str:
        """EXPLAIN (GENERIC_PLAN), from 16 on: the JSON."""
        sent = f"EXPLAIN {MARKER} (GENERIC_PLAN, {PLAIN}) {text}"
        must_be_one(sent, ast.ExplainStmt, text)
        with self._savepoint():
            self._server_must_parse_one(sent)
        with self._savepoint():
            return self._send(sent, "planning a statement", binary=False)

    @contextlib.contextmanager
    def prepared(self, text: str) -> Iterator[str]:
        """PREPARE; gives the name. Gone at the end, also after an error."""
        name = PREPARED
        self._prepare(name, text)
        try:
            with self._savepoint():
                yield name
        finally:
            if self.connection.is_usable:
                with contextlib.suppress(MonitoredServerError):
                    self._run(f"DEALLOCATE {MARKER} {name}", "deallocating a statement")

    def _prepare(self, name: str, text: str) -> None:
        """Parameters whose type nothing tells, as in json_build_object($1, $2), are text."""
        untyped: set[int] = set()
        has_deallocated = False
        while True:
            types = ", ".join("text" if n in untyped else "unknown" for n in range(1, max(untyped, default=0) + 1))
            sent = f"PREPARE {MARKER} {name}{f' ({types})' if types else ''} AS {text}"
            must_be_one(sent, ast.PrepareStmt, text)
            self.recheck_before_sending()
            try:
                with self._savepoint(keep=True):
                    self._run(sent, "preparing a statement")
                return
            except StatementFailed as error:
                if error.sqlstate == pg.DuplicatePreparedStatement.sqlstate and not has_deallocated:
                    has_deallocated = True  # left behind in a pooler's session by a lost connection of ours
                    self._run(f"DEALLOCATE {MARKER} {name}", "deallocating a statement")
                    continue
                number = re.search(r"\$(\d+)", error.text)
                is_known = number is None or int(number[1]) in untyped or len(untyped) >= MOST_UNTYPED
                if error.sqlstate != pg.IndeterminateDatatype.sqlstate or is_known:
                    raise
                assert number is not None
                untyped.add(int(number[1]))

    def parameter_types(self, name: str) -> tuple[str, ...]:
        with self.own_path():
            (row,) = self.connection.run(
                "gate_parameter_types", {"name": name}, action="reading the types of a statement's parameters"
            )
        return tuple(row.types)

    @contextlib.contextmanager
    def own_path(self) -> Iterator[None]:
        """For questions of our own: their operators are PostgreSQL's, whatever lies in the statement's schemas.

        Going back to the savepoint takes SET LOCAL back as well.
        """
        with self._savepoint():
            ours = {"search_path": "pg_catalog", **CHEAP_PLANS}
            self.connection.run(
                "set_local", {"names": list(ours), "values": list(ours.values())}, action="setting search_path"
            )
            yield

    def explain_prepared(
        self, name: str, literals: Sequence[str | None], *, analyze: bool, generic: bool = False
    ) -> str:
        """EXPLAIN EXECUTE with a custom plan for ``literals``, or the generic one (then values do not matter)."""
        self.set_local("plan_cache_mode", "force_generic_plan" if generic else "force_custom_plan")
        timing = ", TIMING OFF" if not self.limits.timing else ""
        options = f"{PLAIN}, ANALYZE, BUFFERS{timing}" if analyze else PLAIN
        values = ", ".join(sql.Literal(v).as_string(self.connection.raw).strip() for v in literals)
        sent = f"EXPLAIN {MARKER} ({options}) EXECUTE {name}" + (f"({values})" if literals else "")
        must_be_execute(sent, name, len(literals))
        return self._send(sent, "executing a statement" if analyze else "planning a statement", binary=True)

    def set_local(self, name: str, value: str) -> None:
        self.connection.run("set_local", {"names": [name], "values": [value]}, action=f"setting {name}")

    @contextlib.contextmanager
    def _savepoint(self, *, keep: bool = False) -> Iterator[None]:
        """An error inside costs the statement, not the transaction. ``keep``: go back only after an error."""
        self._run(f"SAVEPOINT {MARKER} pgloupe", "setting a savepoint")
        failed = True
        try:
            yield
            failed = False
        finally:
            if self.connection.is_usable:
                if failed or not keep:
                    self._run(f"ROLLBACK {MARKER} TO SAVEPOINT pgloupe", "going back to a savepoint")
                self._run(f"RELEASE {MARKER} SAVEPOINT pgloupe", "releasing a savepoint")

    def _server_must_parse_one(self, text: str) -> None:
        """The server's parser, too, finds one command: it refuses two before it looks at types."""
        self.recheck_before_sending()
        with (
            self.guard.watching(self.connection, self.backend, self.timeout_ms),
            self.connection.our_errors("planning a statement", remedy_sql=read_right_sql(self.connection)),
        ):
            result = self.connection.raw.pgconn.prepare(b"", text.encode())
            if result.status == pq.ExecStatus.COMMAND_OK:
                return
            error = pg.error_from_result(result, encoding="utf-8")
            if not isinstance(error, pg.IndeterminateDatatype):  # GENERIC_PLAN takes parameters of unknown types
                raise error

    def _send(self, text: str, action: str, *, binary: bool) -> str:
        self.recheck_before_sending()
        begun = time.monotonic()
        try:
            with (
                self.guard.watching(self.connection, self.backend, self.timeout_ms),
                self.connection.our_errors(action, remedy_sql=read_right_sql(self.connection)),
            ):
                cursor = self.connection.raw.cursor(binary=binary)
                for kind in ("json", "text"):
                    cursor.adapters.register_loader(kind, LenientText)
                    cursor.adapters.register_loader(kind, LenientBinaryText)
                row = cursor.execute(text.encode(), prepare=False).fetchone()
        finally:
            self.spent_ms += (time.monotonic() - begun) * 1000
        if row is None or not isinstance(row[0], str):
            raise StatementFailed(action, None, "EXPLAIN gave no plan")
        return row[0]

    def recheck_before_sending(self) -> None:
        """Before a text is sent, to be planned or only to be parsed: types read their values already then."""
        if self.recheck_catalog is not None and time.monotonic() - self.rechecked_at > RECHECK_AFTER_S:
            with self.own_path():
                self.recheck_catalog()
            self.rechecked_at = time.monotonic()

    def _run(self, text: str, action: str) -> None:
        with (
            self.guard.watching(self.connection, self.backend, self.timeout_ms),
            self.connection.our_errors(action, remedy_sql=read_right_sql(self.connection)),
        ):
            # binary asks for the extended protocol, in which the server takes one command only
            self.connection.raw.cursor(binary=True).execute(text.encode(), prepare=False)


def read_right_sql(connection: MonitoredConnection, on: str = "") -> str:
    """What gives the login the right to plan SELECTs; ``on``: of "schema x" or "table x.y" alone."""
    if on.startswith("schema "):
        return f"GRANT USAGE ON SCHEMA {quoted(on.removeprefix('schema '))} TO {quoted(connection.role)}"
    if on.startswith("table "):
        table = ".".join(map(quoted, on.removeprefix("table ").split(".", 1)))
        return f"GRANT SELECT ON TABLE {table} TO {quoted(connection.role)}"
    if connection.server_version_num >= 140_000:
        return f"GRANT pg_read_all_data TO {quoted(connection.role)}"
    return f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted(connection.role)}"


@contextlib.contextmanager
def explain_session(
    connection: MonitoredConnection,
    guard: Watchdog,
    limits: ExplainLimits,
    search_path: Sequence[str],
    timeout_ms: int,
    recheck_catalog: Callable[[], None] | None = None,
) -> Iterator[ExplainSession]:
    """The transaction: read-only, its snapshot taken first, its limits SET LOCAL; rolled back at the end.

    ``recheck_catalog`` comes before every EXPLAIN and raises when it must not be sent.
    """
    path = ", ".join([*(quoted(schema) for schema in effective_path(search_path)), "pg_temp"])
    with connection.transaction_read_only(
        statement_timeout_ms=timeout_ms,
        lock_timeout_ms=limits.lock_timeout_ms,
        search_path=path,
        # a server with this off would read backslashes in strings otherwise than pglast did
        local_settings={"standard_conforming_strings": "on"},
    ):
        (row,) = connection.run("gate_session", action="looking at our own session")
        temp_bytes = setting_bytes(row.temp_file_limit)
        session = ExplainSession(
            connection, guard, limits, Backend(row.pid, row.backend_start), timeout_ms,
            row.pid != connection.backend_pid, temp_bytes, recheck_catalog,
        )  # fmt: skip
        if row.parallel_workers > limits.max_parallel_workers:
            session.set_local("max_parallel_workers_per_gather", str(limits.max_parallel_workers))
        # set for the database, by its owner, they would hold for our session as well
        work_bytes = setting_bytes(row.work_mem) or 0
        if work_bytes * row.hash_mem_multiplier > limits.memory_bytes_ceiling:
            session.set_local("hash_mem_multiplier", "1")
            session.set_local("work_mem", f"{min(work_bytes, limits.memory_bytes_ceiling) // 1024}kB")
        yield session


def must_be_one(sent: str, kind: type, text: str) -> None:
    """What is sent is one PREPARE or EXPLAIN around exactly the tree that was checked."""
    outer, inner = fresh_parse(sent), fresh_parse(text)
    if isinstance(outer, Unparsable) or isinstance(inner, Unparsable):
        raise StatementFailed("checking a statement", None, "the text to send cannot be parsed")
    is_one = len(outer) == 1 and len(inner) == 1 and type(outer[0].stmt) is kind
    if not is_one or outer[0].stmt.query != inner[0].stmt:
        raise StatementFailed("checking a statement", None, "the text to send is not the one that was checked")


def must_be_execute(sent: str, name: str, count: int) -> None:
    """One EXPLAIN EXECUTE of ours whose parameters are plain constants."""
    statements = fresh_parse(sent)
    node: Node = None if isinstance(statements, Unparsable) or len(statements) != 1 else statements[0].stmt
    query: Node = node.query if isinstance(node, ast.ExplainStmt) else None
    values = (query.params or ()) if isinstance(query, ast.ExecuteStmt) else None
    if query is None or values is None or query.name != name or len(values) != count:
        raise StatementFailed("checking a statement", None, "the values do not stay values when they are quoted")
    if not all(isinstance(v, ast.A_Const) for v in values):
        raise StatementFailed("checking a statement", None, "the values do not stay values when they are quoted")
