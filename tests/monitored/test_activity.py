"""Sessions as pg_stat_activity shows them: others' only, cut texts known as cut, blockers named."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.readings import ActivityRow, NamesByOid
from analyzer.monitored.sample.activity import sample_burst, sample_once, session_of
from analyzer.statements.fingerprint import fingerprint
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def settings_of(database):
    return ConnectionSettings.from_dsn(database.dsn)


def of_database(rows, database):
    # asked from another database: a session of this one would still be ending when the next sample is taken
    with database.server.connect() as connection:
        (oid,) = connection.execute("select oid::int8 from pg_database where datname = %s", [database.name]).fetchone()
    return [row for row in rows if row.database_oid == oid]


def test_idle_session_shows_its_last_statement(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    with database.connect(autocommit=False, application_name="shop") as other:
        other.execute("select 'real value', 42")
        pid = other.info.backend_pid
        with connect(settings_of(database)) as conn, connect(settings_of(database)):
            (row,) = of_database(sample_once(conn)[1], database)
        assert (row.pid, row.state, row.application_name) == (pid, "idle in transaction", "shop")
        assert (row.text, row.is_truncated, row.blocked_by) == ("select 'real value', 42", False, ())
        assert (row.queryid is not None) == (any_postgres.version >= 14)
        assert row.role_oid == 10
        assert row.backend_start <= row.xact_start <= row.query_start <= row.state_change
        if any_postgres.version >= 14:
            (queryid,) = other.execute(
                "select queryid from pg_stat_statements where query = 'select $1, $2' and userid = 10"
                " and dbid = (select oid from pg_database where datname = current_database())"
            ).fetchone()
            assert row.queryid == queryid


def test_own_sessions_are_left_out_even_under_a_poolers_name(postgres15, scratch_database, pgbouncer):
    database = scratch_database(postgres15)
    pooler = pgbouncer(database)
    through_pooler = ConnectionSettings.from_dsn(pooler.dsn())
    with connect(through_pooler) as first:
        sample_once(first)
    # PgBouncer keeps the server connection, whose last statement is ours
    with connect(settings_of(database)) as conn:
        assert of_database(sample_once(conn)[1], database) == []


def test_texts_the_server_cut_are_known_as_cut(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    whole = f"select '{'x' * 3000}'"
    cut = f"select '{'x' * 6000}'"
    cut_between_characters = f"select '{'€' * 2000}'"
    seen = []
    with connect(settings_of(database)) as conn:
        for text in (whole, cut, cut_between_characters):
            with database.connect() as other:
                other.execute(text)
                (row,) = of_database(sample_once(conn)[1], database)
                seen.append((row.is_truncated, text.startswith(row.text)))
            time.sleep(0.1)
    assert seen == [(False, True), (True, True), (True, True)]


def test_waiting_session_names_its_blockers(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)")
    with database.connect(autocommit=False) as holder, database.connect() as waiter:
        holder.execute("lock table t in access exclusive mode")
        thread = threading.Thread(target=lambda: waiter.execute("select 1 from t"))
        thread.start()
        with connect(settings_of(database)) as conn:

            def waiting():
                rows = {row.pid: row for row in of_database(sample_once(conn)[1], database)}
                return rows if rows[waiter.info.backend_pid].wait_event_type == "Lock" else None

            rows = wait_for(waiting)
        holder.rollback()
        thread.join()
        assert rows[waiter.info.backend_pid].blocked_by == (holder.info.backend_pid,)
        assert rows[holder.info.backend_pid].blocked_by == ()


def test_sessions_hidden_from_the_login_are_left_out(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute(f"revoke pg_monitor from {database.login}")
    with database.connect(autocommit=False) as other:
        other.execute("select 'hidden'")
        with connect(settings_of(database)) as conn:
            rows = [row for row in sample_once(conn)[1] if row.pid == other.info.backend_pid]
    assert rows == []  # the server shows nothing but a pid of them


def test_bytes_of_another_encoding_do_not_fail(postgres15, scratch_database):
    database = scratch_database(postgres15)
    name = f"{database.name}_latin1"
    with postgres15.connect() as connection:
        connection.execute(f"create database {name} template template0 encoding latin1 locale 'C'")
    try:
        with postgres15.connect(name, autocommit=False) as other:
            other.execute("select 'é'")
            with connect(settings_of(database)) as conn:
                (row,) = [row for row in sample_once(conn)[1] if row.pid == other.info.backend_pid]
        assert row.text == "select '\N{REPLACEMENT CHARACTER}'"
    finally:
        with postgres15.connect() as connection:
            connection.execute(f"drop database {name} with (force)")


def test_burst_sees_the_statements_pass_by(postgres18, scratch_database):
    database = scratch_database(postgres18)
    stop = threading.Event()

    def work():
        with database.connect() as other:
            number = 0
            while not stop.is_set():
                other.execute(f"select {number}")
                number += 1
                time.sleep(0.01)

    with database.connect() as idle, connect(settings_of(database)) as conn:
        idle.execute("select 'long idle'")
        time.sleep(2.1)
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.2)
        try:
            samples = sample_burst(conn, 2.0, 10)
        finally:
            stop.set()
            thread.join()
    assert 2 <= len(samples) <= 20
    times = [taken_at for taken_at, _ in samples]
    assert times == sorted(times)
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(seconds=10)
    texts = {row.text for _, rows in samples for row in of_database(rows, database)}
    assert len(texts) >= len(samples) // 2  # each sample caught the session at another statement
    assert "select 'long idle'" not in texts


def test_slow_answers_are_not_made_up_for(postgres18, scratch_database):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    def clock():
        now[0] += 0.35  # each look at the clock: a slow server
        return now[0]

    with connect(settings_of(scratch_database(postgres18))) as conn:
        samples = sample_burst(conn, 4.0, 5, clock=clock, sleep=sleep)
    assert 6 <= len(samples) <= 11  # of 20


def test_what_a_sample_and_a_burst_bring_is_bounded(any_postgres, scratch_database, monkeypatch):
    database = scratch_database(any_postgres)
    with database.connect(autocommit=False) as other, connect(settings_of(database)) as conn:
        other.execute(f"select '{'x' * 300}'")
        other.execute("select 1")
        (row,) = of_database(sample_once(conn)[1], database)
        assert row.text == "select 1"
        monkeypatch.setattr("analyzer.monitored.sample.activity.MOST_TEXT_BYTES", 3)
        (row,) = of_database(sample_once(conn)[1], database)
        assert (row.text, row.is_truncated, row.state) == (None, False, "idle in transaction")
        monkeypatch.setattr("analyzer.monitored.sample.activity.MOST_ROWS", 1)
        assert len(sample_burst(conn, 2.0, 10)) == 1


def test_what_a_session_ran_and_what_sent_it_is_told_without_a_queryid(monkeypatch):
    """As on 13, or with compute_query_id off; of a young transaction that waits for nobody it is not read."""
    text = "update cart set paid = 'real value' where id = 7 /*route='orders.pay',traceparent='00-1'*/"
    row = ActivityRow(
        7,
        NOW,
        NOW - timedelta(seconds=10),
        NOW,
        NOW,
        "idle in transaction",
        "Client",
        "ClientRead",
        10,
        5,
        "",
        None,
        text,
    )
    names = NamesByOid({5: "shop"}, {10: "app"})
    session = session_of(row, NOW, names, None)
    assert session.statement == "update cart set paid = $1 where id = $2"
    assert (session.route, session.fingerprint) == (
        "orders.pay",
        fingerprint("update cart set paid = $1 where id = $2"),
    )
    assert session_of(row, NOW, names, "known").fingerprint == "known"
    cut = session_of(replace(row, text=text[:40], is_truncated=True), NOW, names, None)
    assert (cut.fingerprint, "real" in cut.statement) == (None, False)
    young = replace(row, xact_start=NOW - timedelta(seconds=9))
    assert session_of(young, NOW, names, None).statement == ""
    assert session_of(replace(young, blocked_by=(3,)), NOW, names, None).statement == session.statement

    def failing(sql: object) -> None:
        raise RecursionError

    for name in ("analyzer.monitored.sample.activity.redact_sql", "analyzer.statements.fingerprint.fingerprint"):
        monkeypatch.setattr(name, failing)
    failed = session_of(row, NOW, names, None)
    assert failed == replace(session, statement="", route="", fingerprint=None)
