"""The session in which plans are asked for: as the role without rights, read-only, rolled back each time.

A plan is one round trip: begin, show and hide indexes, EXPLAIN, roll back. Nothing is executed; the planner itself
evaluates immutable functions of constants, and those may be hostile: hence the role, the limits and the watch.
"""

import signal
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors as pg

from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.planner_facts import SETTINGS, PlannerFacts
from analyzer.monitored.explain.session import MOST_UNTYPED
from analyzer.monitored.failures import redact_message
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.quoting import quote_identifier, quote_literal
from analyzer.statements.safety import Verdict, check_statement
from analyzer.twin import limits
from analyzer.twin.cluster import SCHEMA, connect_role
from analyzer.twin.extensions import NOT_HERE
from analyzer.twin.watch import TwinEnded, TwinWatch, WatchedConnection

# planner methods with a switch that are newer than PostgreSQL 13 (the manual, 19.7.1), and some that every version has
NEWER_WAYS = (
    "enable_memoize", "enable_presorted_aggregate", "enable_group_by_reordering", "enable_distinct_reordering",
    "enable_self_join_elimination",
)  # fmt: skip
NEWER_WAYS_BESIDE = ("enable_seqscan", "enable_hashagg")


class PlanningSession:
    """Raises TwinEnded where a statement took the twin's PostgreSQL with it."""

    def __init__(
        self, cluster: PostgresCluster, watch: TwinWatch, facts: PlannerFacts, search_path: Sequence[str] | None = None
    ) -> None:
        self.facts, self.plans_made = facts, 0
        self.search_path = tuple(search_path or facts.search_path)
        self.role: str | None = None
        self._cluster, self._watch = cluster, watch
        self._prepared: dict[str, str | Refused] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._settable: set[str] = set()
        self.connection = self._connect()

    def move(self, cluster: PostgresCluster, watch: TwinWatch) -> None:
        """To a twin that was made anew."""
        self.connection.close()
        self._cluster, self._watch = cluster, watch
        self.connection = self._connect()

    def _connect(self) -> WatchedConnection:
        self._prepared.clear()
        try:
            connection = connect_role(self._cluster, self._watch)
        except psycopg.Error as error:
            raise RuntimeFailure("The twin's PostgreSQL has ended; the next use builds it anew") from error
        wanted = {
            **self._what_the_server_cannot(),
            **{name: value for name, value in self.facts.settings.items() if name != "plan_cache_mode"},
            **(self.facts.role_settings.get(self.role, {}) if self.role else {}),
        }
        path = ", ".join([*(quote_identifier(schema) for schema in self.search_path), "pg_catalog"])
        # those of planning that this version knows and a role may set, whatever else a server's rows or roles name;
        # one value that it does not take costs that setting alone
        self._settable = {
            name
            for (name,) in connection.execute(
                "select name from pg_catalog.pg_settings where context = 'user'"
                " and (category like 'Query Tuning%%' or name = any (%s))",
                [list(SETTINGS)],
            )
        }
        for name in sorted(self._settable & set(wanted)):
            _try(connection, name, wanted[name])
        for name, value in {
            "search_path": path,
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": str(limits.TIMEOUT_MS),
            "lock_timeout": "0",
            "idle_in_transaction_session_timeout": "60000",
            "default_transaction_read_only": "on",
            "row_security": "off",
            # with it off, backslashes in strings would be read otherwise than pglast read them
            "standard_conforming_strings": "on",
            "client_min_messages": "error",
        }.items():
            connection.execute("select pg_catalog.set_config(%s, %s, false)", [name, value])
        return connection

    def _what_the_server_cannot(self) -> dict[str, str]:
        """Ways to plan that came with a later version than the server's, as far as they can be switched off."""
        if self.facts.settings.keys().isdisjoint(NEWER_WAYS_BESIDE):
            return {}  # its settings could not be read
        return {name: "off" for name in NEWER_WAYS if name not in self.facts.settings}

    def use_role(self, role: str | None) -> None:
        """Plan with what ALTER ROLE ... SET says for that role of the server."""
        if role != self.role:
            self.role = role
            self.connection.close()
            self.connection = self._connect()

    def verdict(self, sql: str) -> Verdict:
        verdict_ = self._verdicts.get(sql)
        if verdict_ is None:
            verdict_ = self._verdicts[sql] = check_statement(sql)
        return verdict_

    def explain(
        self,
        query: Query,
        shown: Sequence[int] = (),
        hidden: Sequence[int] = (),
        *,
        verbose: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | Refused:
        """The one object of EXPLAIN (FORMAT JSON). ``shown``, ``hidden``: oids of indexes on the twin.

        ``settings``: of the planner, for this plan; others are passed over.
        """
        verdict = self.verdict(query.sql)
        if verdict.decision == "refuse":
            return Refused(verdict.reason)
        sql = query.sql.rstrip().rstrip(";")
        options = "format json, verbose" if verbose else "format json"
        if query.values and verdict.parameter_count:
            name = self._prepare(sql)
            if isinstance(name, Refused):
                return name
            values = query.values[: verdict.parameter_count]
            if any(value is not None and "\0" in value for value in values):
                return Refused("A parameter's value holds a NUL character.")
            literals = ", ".join("null" if value is None else quote_literal(value) for value in values)
            text = f"explain ({options}) execute {name}({literals})"
        elif verdict.parameter_count:
            text = f"explain ({options}, generic_plan) {sql}"
        else:
            text = f"explain ({options}) {sql}"
        local = "".join(
            f"set local {name} = {quote_literal(value)};"
            for name, value in (settings or {}).items()
            if name in self._settable
        )
        self.plans_made += 1
        return self._send(text, shown, hidden, local)

    def parameter_types(self, sql: str) -> list[str] | Refused:
        """PostgreSQL's names of the types of ``$1``, ``$2``, ..."""
        verdict = self.verdict(sql)
        if verdict.decision == "refuse":
            return Refused(verdict.reason)
        name = self._prepare(sql.rstrip().rstrip(";"))
        if isinstance(name, Refused):
            return name
        row = self.connection.execute(
            "select parameter_types::text[] from pg_catalog.pg_prepared_statements where name = %s", [name]
        ).fetchone()
        return list(row[0]) if row else []

    def _send(self, text: str, shown: Sequence[int], hidden: Sequence[int], local: str) -> Mapping[str, Any] | Refused:
        switch = ""
        if shown or hidden:
            switch = f"select {SCHEMA}.switch('{_oids(shown)}', '{_oids(hidden)}');"
        ask = f"select * from {SCHEMA}.explained({quote_literal(text)}, {limits.MOST_PLAN_BYTES})"
        sent = f"begin read write; {switch} set transaction read only; {local} {ask}; rollback"
        try:
            cursor = self.connection.execute(sent.encode())
            plan: Mapping[str, Any] | Refused | None = None
            while True:
                if cursor.description and cursor.description[0].name == "plan" and (row := cursor.fetchone()):
                    plan = limits.read_plan(*row)
                if not cursor.nextset():
                    break
        except TwinEnded as ended:
            return self._reconnected(ended)
        except psycopg.Error as error:
            return self._refused(error)
        except UnicodeError:
            return Refused("The text or the plan holds characters the twin's encoding does not have.")
        return plan if plan is not None else Refused("The twin's EXPLAIN gave no plan.")

    def _prepare(self, sql: str) -> str | Refused:
        """PREPARE once per text; parameters whose type nothing tells are text."""
        found = self._prepared.get(sql)
        if found is not None:
            return found
        name = f"q{len(self._prepared)}"
        untyped: set[int] = set()
        while True:
            types = ", ".join("text" if n in untyped else "unknown" for n in range(1, max(untyped, default=0) + 1))
            try:
                # by the extended protocol, which takes one statement
                self.connection.cursor(binary=True).execute(
                    f"prepare {name}{f' ({types})' if types else ''} as {sql}".encode()
                )
                self._prepared[sql] = name
                return name
            except TwinEnded as ended:
                return self._reconnected(ended)
            except psycopg.Error as error:
                number = _untyped_parameter(error)
                if number is None or number in untyped or len(untyped) >= MOST_UNTYPED:
                    refused = self._prepared[sql] = self._refused(error)
                    return refused
                untyped.add(number)

    def _reconnected(self, ended: TwinEnded) -> Refused:
        """Only this session went, by our own hand: PostgreSQL goes on. Otherwise raises."""
        if self._watch.sent is not signal.SIGTERM:
            raise ended
        self.connection = self._connect()
        return Refused(ended.reason)

    def _refused(self, error: psycopg.Error) -> Refused:
        if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self.connection.execute("rollback")
        if isinstance(error, pg.QueryCanceled):
            return Refused(f"Planning it took longer than {limits.TIMEOUT_MS // 1000} s on the twin.")
        if isinstance(error, pg.OutOfMemory):
            return Refused(f"Planning it needed more than {limits.MEMORY_LIMIT} of memory on the twin.")
        message = error.diag.message_primary or "EXPLAIN failed on the twin"
        if error.sqlstate != NOT_HERE:
            message = redact_message(message, error.sqlstate)
        return Refused(f"{message[:1].upper()}{message[1:].rstrip('.')}.")

    def close(self) -> None:
        self.connection.close()


def _try(connection: "psycopg.Connection[Any]", name: str, value: str) -> None:
    try:
        connection.execute("select pg_catalog.set_config(%s, %s, false)", [name, value])
    except psycopg.Error:
        return


def _oids(oids: Sequence[int]) -> str:
    return "{" + ",".join(str(int(oid)) for oid in oids) + "}"


def _untyped_parameter(error: psycopg.Error) -> int | None:
    if not isinstance(error, pg.IndeterminateDatatype):
        return None
    digits = (error.diag.message_primary or "").partition("$")[2]
    number = "".join(c for c in digits.split()[0] if c.isdigit()) if digits.split() else ""
    return int(number) if number else None
