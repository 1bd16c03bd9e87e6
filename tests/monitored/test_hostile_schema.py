"""Statements over a schema whose every kind of object hides a user's function: none of it ever runs.

``gate/hostile_schema.sql`` has the objects, ``gate/attacks.jsonl`` statements on them, ``gate/bombs.jsonl`` those that
want memory or processor time. Every function in it tells the server's log that it was called, so that planning it, too,
would be seen. Beside the written cases stand made ones: each syntactic way in, for each kind of function.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainOutcome, ExplainRequest, explain_statement
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.safety import check_statement
from tests.monitored.attacks import state
from tests.servers import VERSIONS, ScratchDatabase, Server

pytestmark = pytest.mark.long

HERE = Path(__file__).parent / "gate"
PATH = ("public", "ev")
MARK = "a user's function ran: "
LIMITS = ExplainLimits(statement_timeout_ms=3_000, plan_timeout_ms=2_000, cores=64)
MOST_BYTES = 350_000_000  # of a backend: joins of many tables take most, and the server ends them by its timeout


def cases(name: str) -> dict[str, str]:
    lines = (HERE / f"{name}.jsonl").read_text().splitlines()
    return {case["name"]: case["sql"] for case in map(json.loads, lines)}


ATTACKS, BOMBS = cases("attacks"), cases("bombs")
# PostgreSQL's own or a known extension's alone; and earthdistance's functions where their bodies are parsed ones
HARMLESS = {
    "to_regclass", "matview", "current_query", "has_priv", "regproc", "dollar", "param_big", "e_string", "collate",
    "citext_fn", "shadow_earth", "shadow_earth_col",
}  # fmt: skip


class Hostile(ScratchDatabase):
    """The database, and what the server's log tells of it."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        with self.connect() as connection:
            for line in (HERE / "hostile_schema.sql").read_text().splitlines():
                if line and not line.startswith("--"):
                    self._make(connection, line)
            for schema in ("ev", "ev2"):
                # a login on 13 is given each schema by itself
                grant = f'grant select on all tables in schema {schema} to "{self.login}"'
                connection.execute(grant)  # type: ignore[call-overload]
            connection.execute("create table victim (id int)")
            connection.execute("create sequence victim_seq")
        with connect(ConnectionSettings.from_dsn(self.dsn)) as monitored:
            self.facts = read_schema(monitored)
        self.log = Path(server.cluster.log_file)
        self.read_to = self.log.stat().st_size

    @staticmethod
    def _make(connection: psycopg.Connection[Any], statement: str) -> None:
        told = re.sub(
            r"^(create function ([\w.]+).*\$f\$ begin )", rf"\1 raise log '{MARK.replace(chr(39), chr(39) * 2)}\2'; ",
            statement,
        )  # fmt: skip
        try:
            connection.execute(told)  # type: ignore[call-overload]
        except psycopg.Error as error:  # an extension or a kind of object that this server does not have
            if not isinstance(error, (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject)):
                raise

    def told(self) -> list[str]:
        """Functions of users that ran in a session of ours since the last look."""
        with self.log.open("rb") as file:
            file.seek(self.read_to)
            text = file.read().decode("utf-8", "replace")
            self.read_to = file.tell()
        return [line for line in text.splitlines() if MARK in line and "pgloupe" in line]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def hostile(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[Hostile]:
    database = Hostile(postgres(request.param))
    try:
        yield database
    finally:
        database.drop()


@pytest.fixture
def unchanged(hostile: Hostile) -> Iterator[None]:
    with hostile.connect() as connection:
        before = state(connection)
        yield
        assert state(connection) == before
    assert hostile.told() == []


def send(hostile: Hostile, sql: str, *, as_superuser: bool = False) -> list[ExplainOutcome]:
    settings = ConnectionSettings.from_dsn(hostile.superuser_dsn if as_superuser else hostile.dsn)
    asked = ExplainRequest(
        sql, fingerprint(sql) or "", mean_exec_time_ms=3.0, max_exec_time_ms=5.0, search_path=PATH, facts=hostile.facts
    )
    return explain_statement(settings, asked, LIMITS)


@pytest.mark.postgres
def test_the_log_would_tell_if_a_function_ran(hostile: Hostile) -> None:
    with hostile.connect(application_name="pgloupe") as connection:
        connection.execute("explain select * from xi where id = ev.f_imm(1)")  # planning is running code
    assert [line.rpartition(MARK)[2] for line in hostile.told()] == ["ev.f_imm"]


@pytest.mark.postgres
def test_no_code_of_a_user_runs(hostile: Hostile, unchanged: None) -> None:
    executed, told = set(), []
    for name, sql in ATTACKS.items():
        outcomes = send(hostile, sql)
        if any(outcome.decision == "executed" for outcome in outcomes):
            executed.add(name)
        told += [(name, line) for line in hostile.told()]
    assert told == []
    assert executed <= HARMLESS


@pytest.mark.postgres
def test_nothing_is_asked_with_the_rights_of_a_superuser(hostile: Hostile, unchanged: None) -> None:
    for name, sql in {**ATTACKS, **BOMBS}.items():
        (outcome,) = send(hostile, sql, as_superuser=True)
        assert (outcome.decision, outcome.plan) == ("refused", None), name


class Memory(threading.Thread):
    """The most that one backend of a server had for itself, memory and processor."""

    def __init__(self, postmaster: int) -> None:
        super().__init__(daemon=True)
        self.server, self.done = psutil.Process(postmaster), threading.Event()
        self.most_bytes, self.most_cpu_s, self.before = 0, 0.0, set(self.server.children())

    def run(self) -> None:
        while not self.done.wait(0.02):
            for backend in self.server.children():
                try:
                    used, cpu = backend.memory_info(), backend.cpu_times()
                except psutil.Error:
                    continue
                self.most_bytes = max(self.most_bytes, used.rss - used.shared)
                if backend not in self.before:
                    self.most_cpu_s = max(self.most_cpu_s, cpu.user + cpu.system)


@pytest.mark.postgres
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_takes_little(name: str, hostile: Hostile, unchanged: None) -> None:
    pid = hostile.server.cluster.pid
    assert pid is not None
    memory = Memory(pid)
    memory.start()
    send(hostile, BOMBS[name])
    memory.done.set()
    memory.join()
    assert memory.most_bytes < MOST_BYTES
    assert memory.most_cpu_s < 8  # two limits of 3 s


# -- made cases -------------------------------------------------------------------------------------------

# how an expression comes into a statement
PLACES = {
    "select list": "select {}",
    "where": "select * from t where ({})::text = 'a'",
    "from": "select * from (select {}) as v",
    "lateral": "select * from t, lateral (select {} as x) v",
    "order by": "select id from t order by ({})::text",
    "group by": "select count(*) from t group by ({})::text",
    "having": "select count(*) from t having ({})::text = 'a'",
    "window": "select count(*) over (partition by ({})::text) from t",
    "filter": "select count(*) filter (where ({})::text = 'a') from t",
    "aggregate": "select max(({})::text) from t",
    "ordered set": "select mode() within group (order by ({})::text) from t",
    "distinct on": "select distinct on (({})::text) id from t",
    "limit": "select id from t limit length(({})::text)",
    "offset": "select id from t offset length(({})::text)",
    "tablesample": "select id from t tablesample bernoulli (length(({})::text))",
    "case": "select case when ({})::text = 'a' then 1 end from t",
    "coalesce": "select coalesce(({})::text, 'a')",
    "array": "select array[({})::text]",
    "row": "select row({})",
    "values": "values ({})",
    "in list": "select id from t where s in (({})::text, 'a')",
    "subquery": "select id from t where s = (select ({})::text)",
    "exists": "select id from t where exists (select {})",
    "cte": "with x as materialized (select {}) select * from x",
    "recursion": "with recursive x as (select 1 as n union all select n + 1 from x where ({})::text = 'a') table x",
    "union": "select 'a' union all select ({})::text",
    "join": "select * from t a join t b on a.s = ({})::text",
    "json object": "select json_build_object('a', {})",
    "json constructor": "select json_object('a': {})",
    "grouping sets": "select count(*) from t group by grouping sets ((({})::text), ())",
    "between": "select id from t where s between ({})::text and 'z'",
    "insert": "insert into t values (5000, 1, ({})::text)",
    "update": "update t set s = ({})::text",
    "delete": "delete from t where s = ({})::text",
    "returning": "insert into t values (5001, 1, 'a') returning ({})::text",
}
# what reaches a user's function
REACHES = {
    "call": "ev.f_imm(1)",
    "call by path": "f_imm(1)",
    "named argument": "ev.f_imm(a => 1)",
    "attribute": "(1).f_imm",
    "attribute of a cast": "(1::int).f_view",
    "operator": "1 operator(ev.@@@) 2",
    "operator by path": "1 @@@ 2",
    "prefix operator": "- 'a'::text",
    "cast": "'red'::ev.colour::int",
    "cast to a row": "cast('x'::text as ev.ct)",
    "domain": "'1'::ev.dom",
    "domain of an array": "'{1}'::ev.arrdom",
    "domain in a row": "'(1)'::ev.wrapc",
    "range": "'[1,3)'::ev.erange",
    "aggregate": "(select ev.a_evil(id) from t)",
    "set": "(select max(x) from ev.f_srf(1) x)",
    "view": "(select max(id) from v_vol)",
    "index": "(select max(id) from xi)",
    "partial index": "(select max(id) from xp where id > 4500)",
    "operator class": "(select max(id) from oi where id = 77)",
    "partition key": "(select max(id) from hp where id = 7)",
    "check": "(select max(id) from ck where id = -5)",
    "policy": "(select max(id) from rl)",
    "generated column": "(select max(id) from gc)",
    "column of a domain": "(select coalesce(max(d), 7) from dt)",
    "JSON": "json_populate_record(null::dt, '{\"d\": 5}')",
    "type by its name": "pg_input_is_valid('5', 'ev.dom')",
}


@pytest.mark.postgres
def test_every_way_in_is_shut(hostile: Hostile, unchanged: None) -> None:
    """Each place with some of the reaches, and each reach in some of the places: all pairs take minutes."""
    for at, place in enumerate(PLACES.values()):
        for number, expression in enumerate(REACHES.values()):
            if (at + number) % 9 == hostile.server.version % 9:
                sql = place.format(expression)
                decisions = {outcome.decision for outcome in send(hostile, sql)}
                assert (hostile.told(), decisions) == ([], {"refused"}), sql


DANGEROUS = {
    "pg_sleep": "1.5::float8", "pg_advisory_lock": "4711::bigint", "pg_terminate_backend": "999999::int",
    "pg_create_physical_replication_slot": "'evil'::name", "pg_stat_reset_shared": "'bgwriter'::text",
    "lo_import": "'/etc/hostname'::text", "pg_read_file": "'/etc/passwd'::text", "pg_ls_dir": "'/'::text",
    "nextval": "'sq'::regclass", "setseed": "0.5::float8", "ts_stat": "'select 1'::text", "lo_creat": "1::int",
    "pg_logical_emit_message": "true, 'a'::text, 'b'::text", "set_config": "'a.b'::text, 'c'::text, false",
    "query_to_xml": "'select 1'::text, true, true, ''::text", "pg_notify": "'x'::text, 'y'::text",
    "table_to_xml": "'t'::regclass, true, true, ''::text", "pg_reload_conf": "", "pg_switch_wal": "",
    "pg_export_snapshot": "", "txid_current": "", "pg_stat_statements_reset": "", "pg_cancel_backend": "1",
    "dblink": "'dbname=own'::text, 'select 1'::text", "pg_create_restore_point": "'x'::text",
}  # fmt: skip


@pytest.mark.parametrize("function", DANGEROUS)
def test_dangerous_function_is_never_executed(function: str) -> None:
    """By the tree alone, whatever the catalog says."""
    arguments = DANGEROUS[function]
    calls = [f"{function}({arguments})", f"pg_catalog.{function}({arguments})", f'"{function}"({arguments})']
    if arguments and "," not in arguments:
        calls += [f"({arguments}).{function}", f"((select {arguments})).{function}"]
        calls.append(f"(array[{arguments}])[1].{function}")
    for place in PLACES.values():
        for call in calls:
            assert check_statement(place.format(call)).decision != "analyze", place.format(call)
