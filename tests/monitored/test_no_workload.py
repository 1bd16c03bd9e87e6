"""Nothing to advise on: the cause and its SQL, on every version, and the SQL mends it."""

import re
from collections.abc import Callable

import psycopg
import pytest

from analyzer.monitored.access.no_workload import why_no_statement
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.sample.workload import read_recorded_workload
from tests.servers import Server

pytestmark = pytest.mark.postgres
USE = "select * from t where k = 5"


def why(dsn: str) -> list[str]:
    with connect(ConnectionSettings.from_dsn(dsn, allow_local=True)) as connection:
        assert read_recorded_workload(connection, most=100) == []
        return why_no_statement(connection).splitlines()


@pytest.fixture(params=[13, 15, 18])
def server(private_postgres: Callable[[int], Server], request: pytest.FixtureRequest) -> Server:
    found = private_postgres(request.param)
    with found.connect() as connection:
        connection.execute("create database shop")
        connection.execute("create role app login; create role pgloupe login; grant pg_monitor to pgloupe")
        connection.execute("create role nothing login")
    with found.connect("shop") as connection:
        connection.execute("create extension pg_stat_statements")
        connection.execute("create table t as select g k from generate_series(1, 9) g")
        connection.execute("grant select on t to app")
    return found


def used(server: Server, user: str = "postgres") -> None:
    with psycopg.connect(server.socket_dsn("shop", user), autocommit=True) as connection:
        connection.execute(USE)


def test_each_cause_is_named_with_what_mends_it(server: Server) -> None:
    pgloupe, nothing = server.socket_dsn("shop", "pgloupe"), server.socket_dsn("shop", "nothing")
    title = "pg_stat_statements shows no statement of database 'shop' to advise on."

    with server.connect("shop") as connection:
        connection.execute("select pg_stat_statements_reset()")
    first, *others, last = why(pgloupe)
    assert first == title
    assert re.fullmatch(r"The statistics (were reset|began) \d+ s ago: let the application run, then ask again, or give"
                        " --workload\\.", last)  # fmt: skip
    assert not any("GRANT" in line or "ALTER" in line for line in others)

    used(server)
    hidden = why(nothing)
    assert re.fullmatch(r"The login sees its own statements and sessions only \(entries hidden: \d+\)\.", hidden[1])
    assert hidden[2:] == ['    GRANT pg_monitor TO "nothing";']
    mends(server, hidden, nothing)


def test_a_setting_that_keeps_statements_out(server: Server) -> None:
    pgloupe = server.socket_dsn("shop", "pgloupe")
    settings = {"pg_stat_statements.track": "none"} | ({"compute_query_id": "off"} if server.version >= 14 else {})
    for name, value in settings.items():
        for change in (f"alter system set {name} = {value}", f"alter database shop set {name} = {value}",
                       f"alter role app set {name} = {value}", f"alter role app in database shop set {name} = {value}",
                       f"alter role all set {name} = {value}"):  # fmt: skip
            with server.connect("shop") as connection:
                connection.execute("select pg_stat_statements_reset()")
                connection.execute(change)
                connection.execute("select pg_reload_conf(), pg_sleep(0.3)")
            with server.connect("shop") as connection:
                connection.execute("select pg_stat_statements_reset()")
            used(server, "app")
            said = why(pgloupe)
            assert name in said[1], change
            assert not any("let the application run" in line for line in said)
            mends(server, said, pgloupe)


def test_another_database_and_one_without_the_extension(server: Server) -> None:
    used(server)
    with server.connect() as connection:
        connection.execute("create database other")
    said = why_at(server, "other")
    assert said[1:] == ["The extension is loaded but not created in database 'other'.",
                        "    CREATE EXTENSION pg_stat_statements;"]  # fmt: skip
    with server.connect("other") as connection:
        connection.execute("create schema hidden; create extension pg_stat_statements schema hidden")
    said = why_at(server, "other")
    assert said[1].startswith("It cannot be read. Role 'pgloupe' may not use schema hidden")
    assert said[2] == '    GRANT USAGE ON SCHEMA "hidden" TO "pgloupe";'
    with server.connect("other") as connection:
        connection.execute(said[2].encode())
    said = why_at(server, "other")
    assert any(re.search(r"It holds entries of other databases: .*'shop' \(\d+\)", line) for line in said)


def why_at(server: Server, database: str) -> list[str]:
    with connect(ConnectionSettings.from_dsn(server.socket_dsn(database, "pgloupe"), allow_local=True)) as connection:
        return why_no_statement(connection).splitlines()


def mends(server: Server, said: list[str], dsn: str) -> None:
    """What is indented is the SQL: run by a superuser, statements are seen from then on."""
    with server.connect("shop") as connection:
        for line in said:
            if line.startswith("    ") and not line.strip().startswith("--"):
                connection.execute(line.encode())
        connection.execute("select pg_sleep(0.3)")
    used(server, "app")
    with connect(ConnectionSettings.from_dsn(dsn, allow_local=True)) as connection:
        seen = [s.normalized_sql for s in read_recorded_workload(connection, most=100)]
    assert seen == ["select * from t where k = $1"]
