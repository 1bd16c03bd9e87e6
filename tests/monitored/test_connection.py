"""Sessions on real servers: limited, read-only, marked, and brief."""

import os
import re
import signal
import threading
import time

import psycopg
import pytest

from analyzer.errors import ConnectionLost, MissingExtension, MissingRight, StatementCancelled, StatementFailed
from analyzer.monitored import loader
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.statements import read_statement_counters
from tests.environment import IN_VAIN_S

pytestmark = pytest.mark.postgres


def settings_of(database):
    return ConnectionSettings.from_dsn(database.dsn)


def show(conn, *names):
    rows = conn.execute(
        "select pg_catalog.current_setting(n) as v from pg_catalog.unnest(%(names)s::text[]) n",
        {"names": list(names)},
        action="reading settings",
    ).fetchall()
    return [row.v for row in rows]


def test_transaction_has_its_limits_and_leaves_none(any_postgres, scratch_database):
    with connect(settings_of(scratch_database(any_postgres)), statement_timeout_ms=3000) as conn:
        names = ("transaction_read_only", "statement_timeout", "lock_timeout", "search_path",
                 "idle_in_transaction_session_timeout", "jit")  # fmt: skip
        before = show(conn, *names)
        with conn.transaction_read_only():
            assert show(conn, *names) == ["on", "3s", "100ms", "pg_catalog", "15s", "off"]
            if any_postgres.version >= 17:
                assert show(conn, "transaction_timeout") == ["28s"]
        assert show(conn, *names) == before
        with conn.transaction_read_only(planner_as_configured=True, statement_timeout_ms=500):
            assert show(conn, "jit", "statement_timeout") == [before[-1], "500ms"]


def test_nothing_can_be_written_and_it_cannot_be_made_writable(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    superuser = ConnectionSettings.from_dsn(database.superuser_dsn)
    with connect(superuser) as conn:
        with conn.transaction_read_only(), pytest.raises(StatementFailed, match="25006"):
            conn.execute("create table public.t (a int)", action="writing")
        with conn.transaction_read_only(), pytest.raises(StatementFailed, match="read-write mode"):
            conn.execute("set transaction read write", action="writing")
        with conn.transaction_read_only(), pytest.raises(StatementFailed, match="multiple commands"):
            conn.execute("select 1; create table public.t (a int)", action="writing")
        with conn.transaction_read_only():  # usable again after each failure
            assert conn.execute("select 1 as one", action="reading").fetchall()[0].one == 1


def test_inner_transaction_joins_the_outer(postgres15, scratch_database):
    with connect(settings_of(scratch_database(postgres15))) as conn:
        with conn.transaction_read_only(statement_timeout_ms=1234):
            with conn.transaction_read_only():
                assert show(conn, "statement_timeout") == ["1234ms"]
            assert show(conn, "statement_timeout") == ["1234ms"]
        assert conn.raw.info.transaction_status.name == "IDLE"


def test_statements_are_marked_in_pg_stat_statements(postgres, scratch_database):
    for version in (13, 15, 18):
        database = scratch_database(postgres(version))
        with connect(settings_of(database)) as conn:
            read_statement_counters(conn)
        with database.connect() as connection:
            rows = connection.execute(
                "select query from pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname = %s",
                [database.login],
            ).fetchall()
        assert len(rows) >= 5
        assert [text for (text,) in rows if not loader.is_ours(text)] == []


def test_marker_is_seen_in_pg_stat_activity(postgres18, scratch_database):
    database = scratch_database(postgres18)
    with connect(settings_of(database)) as conn, conn.transaction_read_only(), database.connect() as other:
        (row,) = other.execute(
            "select application_name, query from pg_stat_activity where usename = %s", [database.login]
        ).fetchall()
    assert row[0] == "pgloupe"
    assert loader.is_ours(row[1])


def test_slow_statement_is_stopped_and_named(postgres15, scratch_database):
    with connect(settings_of(scratch_database(postgres15)), statement_timeout_ms=100) as conn:
        with conn.transaction_read_only(), pytest.raises(StatementCancelled) as caught:
            conn.execute("select pg_catalog.pg_sleep(5)", action="sleeping")
        assert str(caught.value) == "sleeping was stopped: it took longer than its statement_timeout"
        assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)


def test_longer_transaction_is_waited_for(postgres15, scratch_database, monkeypatch):
    monkeypatch.setattr("analyzer.monitored.connection.GRACE_S", 0.2)
    with connect(settings_of(scratch_database(postgres15)), statement_timeout_ms=100) as conn:
        with conn.transaction_read_only(statement_timeout_ms=3000):
            slow = "setting from pg_catalog.pg_settings s, pg_catalog.pg_sleep(1) where s.name = %(name)s"
            conn.execute(f"select s.{slow}", {"name": "port"}, action="sleeping")
            assert conn.run("setting", {"name": "jit"})[0].setting == "off"
        with conn.transaction_read_only(), pytest.raises(StatementCancelled):
            conn.execute("select pg_catalog.pg_sleep(1)", action="sleeping")


def test_lock_is_not_waited_for(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute("create table t (a int)")
    with database.connect(autocommit=False) as other, connect(settings_of(database)) as conn:
        other.execute("lock table t in access exclusive mode")
        with conn.transaction_read_only():
            assert conn.run("setting", {"name": "lock_timeout"})[0].setting == "100"
        with conn.transaction_read_only(), pytest.raises(StatementCancelled) as caught:
            conn.execute("select * from public.t", action="reading t")
        assert str(caught.value) == (
            "reading t was stopped: a lock held by others was in the way for longer than lock_timeout"
        )


def test_terminated_session_is_a_lost_connection(postgres15, scratch_database):
    database = scratch_database(postgres15)
    settings = settings_of(database)
    with connect(settings) as conn:
        database.execute(f"select pg_terminate_backend({conn.backend_pid}, {IN_VAIN_S * 1000})")  # returns when gone
        with pytest.raises(ConnectionLost) as caught:
            conn.run("names", action="reading the names")
        assert str(caught.value) == (
            f"The connection to {settings.address} was lost while reading the names; the next round tries again"
        )
        assert not conn.is_usable


@pytest.mark.fault
def test_server_killed_in_a_statement_is_a_lost_connection(private_postgres):
    server = private_postgres(18)

    def kill_while_it_sleeps() -> None:
        with server.connect() as observer:
            while observer.execute("select 1 from pg_stat_activity where wait_event = 'PgSleep'").fetchone() is None:
                time.sleep(0.02)
        server.cluster.kill()

    with connect(ConnectionSettings.from_dsn(server.dsn()), statement_timeout_ms=IN_VAIN_S * 1000) as conn:
        threading.Thread(target=kill_while_it_sleeps).start()
        with pytest.raises(ConnectionLost, match="lost while sleeping"), conn.transaction_read_only():
            conn.execute(f"select pg_catalog.pg_sleep({IN_VAIN_S})", action="sleeping")


@pytest.mark.fault
def test_server_that_hangs_is_given_up(private_postgres, monkeypatch):
    monkeypatch.setattr("analyzer.monitored.connection.GRACE_S", 0.5)
    server = private_postgres(15)
    with connect(ConnectionSettings.from_dsn(server.dsn()), statement_timeout_ms=500) as conn:
        pid = conn.backend_pid
        os.kill(pid, signal.SIGSTOP)  # no timeout of the server's can end it
        try:
            with pytest.raises(ConnectionLost), conn.transaction_read_only():
                conn.run("names", action="reading the names")
        finally:
            os.kill(pid, signal.SIGCONT)


def test_missing_extension_says_how_to_create_it(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute("drop extension pg_stat_statements")
    with connect(settings_of(database)) as conn, pytest.raises(MissingExtension) as caught:
        read_statement_counters(conn)
    assert str(caught.value) == (
        f"pg_stat_statements is not installed in database {database.name!r};"
        " a superuser can run: CREATE EXTENSION pg_stat_statements"
    )


def test_missing_rights_name_the_grant(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute(
        'create schema "Se""cret"',
        'create table "Se""cret".t (a int)',
        f"revoke pg_read_all_data from {database.login}",
        "create table public.closed (a int)",
    )
    with connect(settings_of(database)) as conn:
        with conn.transaction_read_only(), pytest.raises(MissingRight) as caught:
            conn.execute("select * from public.closed", action="reading closed")
        assert str(caught.value) == (
            f"Role '{database.login}' may not use table closed;"
            f' its owner can run: GRANT SELECT ON "closed" TO "{database.login}";'
        )
        with conn.transaction_read_only(), pytest.raises(MissingRight) as caught:
            conn.execute('select * from "Se""cret".t', action="reading t")
        assert caught.value.remedy_sql == f'GRANT USAGE ON SCHEMA "Se""cret" TO "{database.login}";'


@pytest.fixture(scope="module")
def session(postgres):
    """A superuser's session on 15 that leaves nothing behind."""
    with connect(ConnectionSettings.from_dsn(postgres(15).dsn())) as conn:
        yield conn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("select 'card 4111-1'::int", 'invalid input syntax for type integer: "***"'),
        ("select '2020-99-99 canary'::date", 'invalid input syntax for type date: "***"'),
        ("select 'canary'::inet", 'invalid input syntax for type inet: "***"'),
        ("select 1 'can''ary' 'x' y", 'syntax error at or near "***"'),
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("select nothing_like_it(1)", "function nothing_like_it(integer) does not exist"),
        ("select 99999999999999999999999::int4", "integer out of range"),
        ("select 'canary' ~ '[canary'", "invalid regular expression: brackets [] not balanced"),
        ("select pg_catalog.lpad('x', 2000000000, 'canary')", "requested length too large"),
    ],
)
def test_server_messages_show_no_values(session, text, shown):
    with session.transaction_read_only(), pytest.raises(StatementFailed) as caught:
        session.execute(text, action="trying")
    assert caught.value.text == shown
    assert not re.search("4111|canary", str(caught.value))


def test_message_raised_by_a_function_is_left_out(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute(
        "create function public.f() returns int language plpgsql as"
        " $$ begin raise exception 'customer 4111 canary'; end $$"
    )
    with connect(settings_of(database)) as conn, pytest.raises(StatementFailed) as caught:
        conn.execute("select public.f()", action="trying")
    assert str(caught.value) == (
        "trying failed (P0001): raised by a function; its text is left out because it may hold data"
    )


def test_pooler_in_transaction_mode(postgres15, scratch_database, pgbouncer):
    database = scratch_database(postgres15)
    pooler = pgbouncer(database)
    settings = ConnectionSettings.from_dsn(pooler.dsn())
    for _ in range(3):  # several clients on the same server connections
        with connect(settings, statement_timeout_ms=4321) as conn:
            for _ in range(3):
                reading = read_statement_counters(conn)
                assert len(reading.keys) > 0
    with psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None) as application:
        for name, own in (("statement_timeout", "4321ms"), ("search_path", "pg_catalog"), ("lock_timeout", "100ms")):
            assert application.execute(f"show {name}").fetchone() != (own,)
        assert application.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)


def test_shared_transactions_are_one_until_one_fails(postgres18, scratch_database):
    with connect(settings_of(scratch_database(postgres18))) as conn:

        def began():
            return conn.execute("select pg_catalog.now() as at", action="reading").fetchall()[0].at

        with conn.sharing_transactions():
            with conn.transaction_read_only():
                first = began()
            with conn.transaction_read_only(), conn.transaction_read_only():
                assert began() == first
            with pytest.raises(StatementFailed), conn.transaction_read_only():
                conn.execute("select 1 / 0", action="failing")
            with conn.transaction_read_only():
                assert began() > first
            conn._share_until = 0.0  # older than a statement may get
            with conn.transaction_read_only():
                second = began()
                conn._share_until = 0.0  # one that is in use goes on
                with conn.transaction_read_only():
                    assert began() == second
        assert conn.raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with conn.transaction_read_only():
            assert began() > second
