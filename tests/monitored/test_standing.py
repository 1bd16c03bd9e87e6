"""Planted on real servers: what a server keeps for those that are gone, as the login with pg_monitor alone sees it."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from psycopg.errors import QueryCanceled

from analyzer.checks import Rules, run_checks
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.activity import sample_once
from analyzer.monitored.sample.standing import read_progress, read_standing
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import Standing, held_back
from analyzer.steps.activity import StandingReading, compared
from tests import servers
from tests.conftest import need
from tests.faults.test_replica import standby_of
from tests.servers import ScratchDatabase, Server
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres
SETTINGS: dict[str, str | int] = {
    "max_prepared_transactions": 5,
    "wal_level": "logical",
    "archive_mode": "on",
    "archive_command": "false",
}


def standing_of(database: ScratchDatabase) -> Standing:
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        return read_standing(conn)


def codes(standing: Standing, **thresholds: float) -> dict[str, list[str]]:
    """What each check says of, with thresholds lowered to what a test can plant."""
    lowered = {tuple(name.split("_", 1)): value for name, value in thresholds.items()}
    outcome = run_checks(ServerFacts(datetime.now(UTC), standing=standing), rules=Rules(thresholds=lowered))  # type: ignore[arg-type]
    assert outcome.not_run == outcome.failed == {}
    found: dict[str, list[str]] = {}
    for finding in outcome.findings:
        found.setdefault(finding.code, []).append(finding.about)
    return found


@pytest.fixture(params=servers.VERSIONS, ids=lambda version: f"pg{version}")
def private(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = need(lambda: servers.start_private(request.param, SETTINGS))
    yield server
    server.cluster.remove()


def test_what_is_left_behind_is_read_and_found(private):
    database = ScratchDatabase(private)
    database.execute("create table t (a int)")
    assert codes(standing_of(database)) == {}
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        assert read_progress(conn) == ()
    with (
        database.connect(autocommit=False) as left,
        database.connect(autocommit=False, application_name="web") as open_,
    ):
        left.execute("insert into t values (1)")
        left.execute("prepare transaction 'tx ''1'")
        open_.execute("insert into t values (2)")
        database.execute(
            "select pg_create_physical_replication_slot('standby_2', true)",
            "select pg_switch_wal()",
            *["insert into t values (3)"] * 5,
        )
        wait_for(lambda: (found := standing_of(database).archiver) and found.is_failing)
        standing = standing_of(database)
        (prepared,) = standing.prepared
        assert (prepared.gid, prepared.role, prepared.database) == ("tx '1", "postgres", database.name)
        (slot,) = standing.slots
        assert (slot.name, slot.is_active, slot.wal_status) == ("standby_2", False, "reserved")
        assert 0 < slot.retained_bytes < 64 << 20
        assert (slot.inactive_s is not None) == (private.version >= 17)
        held = [(h.kind, h.application_name, h.xid_age >= 5) for h in held_back(standing)]
        assert held == [("prepared transaction", "", True), ("session", "web", True)]
        limits = standing.limits
        assert (limits.max_connections, limits.reserved_connections, limits.archive_mode) == (60, 3, "on")
        assert 2 <= limits.client_sessions <= 10
        assert standing.replicas == ()
        failing = compared(standing, StandingReading(compared(standing, None, 0.0), 0.0), 400.0)
        assert failing.archiver.failing_s == 400.0
        found = codes(failing, SV010_age=0, SV011_inactive_bytes=0, SV012_transactions=5, SV012_age=0, SV009_taken=0.01)
        assert found == {
            "SV009": ["connections"],
            "SV010": [f"postgres@{database.name}"],
            "SV011": ["standby_2"],
            "SV012": ["prepared transaction tx '1"],
            "SV014": ["archiver"],
        }


def test_without_pg_monitor_what_is_hidden_is_said_to_be(private):
    database = ScratchDatabase(private)
    database.execute(f"revoke pg_monitor from {database.login}")
    with database.connect():
        standing = standing_of(database)
    assert standing.limits.client_sessions is None
    assert standing.limits.hidden_sessions > 1
    assert (standing.prepared, standing.slots) == ((), ())
    outcome = run_checks(ServerFacts(datetime.now(UTC), standing=standing))
    assert list(outcome.not_run) == ["SV009"]


def test_a_blocked_session_is_traced_to_the_one_that_holds_the_lock(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)")
    with database.connect(autocommit=False) as holder, database.connect() as waiter:
        holder.execute("lock table t in access exclusive mode")
        pids = (holder.info.backend_pid, waiter.info.backend_pid)
        thread = threading.Thread(target=lambda: waiter.execute("select 1 from t"))
        thread.start()
        with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:

            def waiting():
                _, rows = sample_once(conn)
                return [row for row in rows if row.pid == waiter.info.backend_pid and row.blocked_by]

            (row,) = wait_for(waiting)
        holder.rollback()
        thread.join()
    assert (row.blocked_by, row.pid) == (pids[:1], pids[1])
    assert (row.waits_since is not None) == (any_postgres.version >= 14)


def test_maintenance_tells_how_far_it_is(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute("create table t as select n from generate_series(1, 10) n", "create index i on t (n)")
    with database.connect(autocommit=False) as holder, database.connect() as builder:
        holder.execute("insert into t values (0)")
        thread = threading.Thread(target=lambda: builder.execute("create index concurrently i2 on t (n)"))
        thread.start()
        with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
            (progress,) = wait_for(lambda: [p for p in read_progress(conn) if p.total])
        holder.rollback()
        thread.join()
    assert (progress.command, progress.relation, progress.unit) == ("CREATE INDEX CONCURRENTLY", "public.t", "lockers")
    assert (progress.phase, progress.done_ratio) == ("waiting for writers before build", 0.0)


def test_a_vacuum_holds_back_no_other(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        "create table t with (autovacuum_enabled = off) as select n from generate_series(1, 100000) n", "delete from t"
    )
    of_it = "select from pg_stat_activity join pg_stat_progress_vacuum using (pid) where backend_xmin is not null"
    with database.connect() as cleaner, database.connect() as asking:
        cleaner.execute("set vacuum_cost_delay = 100")
        cleaner.execute("set vacuum_cost_limit = 1")

        def clean():
            with contextlib.suppress(QueryCanceled):
                cleaner.execute("vacuum t")

        pid, thread = cleaner.info.backend_pid, threading.Thread(target=clean)
        thread.start()
        wait_for(lambda: asking.execute(of_it).fetchall())
        holders = [h.pid for h in standing_of(database).holders]
        assert asking.execute(of_it).fetchall()
        asking.execute("select pg_cancel_backend(%s)", [pid])
        thread.join()
    assert pid not in holders


@pytest.mark.fault
def test_a_standby_that_stands_still_is_late_on_both_sides():
    primary = need(lambda: servers.start_private(18))
    database = ScratchDatabase(primary)
    replica = standby_of(primary, hot_standby_feedback="on", wal_receiver_status_interval="1s")
    try:
        with replica.connect() as standby:
            wait_for(lambda: [r for r in standing_of(database).replicas if r.state == "streaming"])
            wait_for(lambda: [h for h in held_back(standing_of(database)) if h.kind == "standby"])
            standby.execute("select pg_wal_replay_pause()")
            database.execute("create table t as select n from generate_series(1, 1000) n")

            def late():
                found = standing_of(database)
                return found if any(r.lag_bytes > 1000 for r in found.replicas) else None

            standing = wait_for(late)
            assert codes(standing, SV013_lag_bytes=1e-6) == {"SV013": ["replica walreceiver"]}
            there = replica.dsn(database.name, database.login, database.password)
            with connect(ConnectionSettings.from_dsn(there)) as conn:
                here = read_standing(conn)
                assert here.limits.is_replica
                assert codes(compared(here, StandingReading(here, 0.0), 61.0)) == {"SV013": ["this standby"]}
                standby.execute("select pg_wal_replay_resume()")
                wait_for(lambda: read_standing(conn).limits.replayed_bytes >= here.limits.received_bytes)
                assert codes(compared(read_standing(conn), StandingReading(here, 0.0), 61.0)) == {}
    finally:
        replica.cluster.remove()
        primary.cluster.remove()
