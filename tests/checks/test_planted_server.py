"""Checks of a server as a whole, on real ones: one that is set badly in every way, one that is set well."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from analyzer.checks import Finding, Rules, run_checks
from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.cluster import ClusterFacts, RoleSettings
from tests.environment import IN_VAIN_S
from tests.servers import ScratchDatabase, Server
from tests.waiting import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.long]

BAD: dict[str, str | int] = {
    "autovacuum": "off", "track_io_timing": "off", "enable_seqscan": "off", "synchronous_commit": "off",
    "max_connections": 1_000, "max_wal_size": "32MB", "deadlock_timeout": "10ms", "checkpoint_timeout": "1h",
    "log_statement": "all", "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "auto_explain.log_min_duration": "10min", "auto_explain.log_analyze": "on",
}  # fmt: skip
GOOD: dict[str, str | int] = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "random_page_cost": "1.1",
    "effective_cache_size": "1GB", "shared_buffers": "160MB", "log_lock_waits": "on", "statement_timeout": "60s",
    "password_encryption": "scram-sha-256", "autovacuum_vacuum_cost_limit": 2_000,
    "idle_in_transaction_session_timeout": "60s",
}  # fmt: skip
# size and time are not planted
RULES = Rules(
    off=frozenset({"SV038"}),  # what is the newest release is not the test's to say
    thresholds={
        ("SV025", "data"): 0, ("SV026", "data"): 0, ("SV042", "data"): 0,
        ("SV027", "written"): 0, ("SV030", "deadlocks"): 1, ("SV031", "rollbacks"): 100,
        ("SV028", "rate"): 0,
    },
)  # fmt: skip
WEEK = {f"2026-11-{day}": 5 for day in range(10, 20)}  # of readings
PLANTED = {
    "SV020 fsync", "SV020 full_page_writes", "SV020 synchronous_commit", "SV022 autovacuum", "SV023 track_io_timing",
    "SV024 enable_*", "SV025 effective_cache_size", "SV025 shared_buffers", "SV026 random_page_cost",
    "SV027 work_mem", "SV028 auto_explain.log_timing", "SV028 log_statement", "SV029 max_wal_size",
    "SV030 shop", "SV031 shop", "SV034 idle_in_transaction_session_timeout",
    "SV034 statement_timeout", "SV035 log_lock_waits", "SV036 password_encryption", "SV041 pending_restart",
    "SV042 autovacuum_vacuum_cost_limit", "SV043 max_connections",
}  # fmt: skip


def read(database: ScratchDatabase) -> ClusterFacts:
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        return read_cluster(conn)


def found(
    server: Server, settings: dict[str, str | int], act: Callable[[Server], None]
) -> tuple[set[str], list[Finding]]:
    database = ScratchDatabase(server)
    with server.connect() as session:
        session.execute("create database shop")
        session.execute("create role app login")
        if settings is BAD:
            session.execute("alter system set max_worker_processes = 20")
            session.execute("alter system set password_encryption = 'md5'")  # the login's has to be SCRAM
        session.execute("select pg_reload_conf()")
    first = read(database)
    act(server)
    facts = read(database)
    assert facts.parts_not_read == first.parts_not_read == {}
    earlier = replace(first, taken_at=facts.taken_at - timedelta(days=1))
    outcome = run_checks(replace(facts, earlier=earlier, most_sessions=WEEK), rules=RULES)
    assert outcome.failed == {}
    # SV044 needs a week of sizes, SV048 hours of counters, SV046 and (without pg_read_all_data) SV047 a superuser
    assert set(outcome.not_run) <= {"SV044", "SV046", "SV048"} | ({"SV039", "SV047"} if server.version < 15 else set())
    return {f"{f.code} {f.subject}" for f in outcome.findings}, outcome.findings


def live_badly(server: Server) -> None:
    """Deadlocks, rollbacks, temporary files, forced checkpoints."""
    with server.connect("shop") as session:
        session.execute("create table t (id int primary key, n int); insert into t values (1, 0), (2, 0)")
        for _ in range(100):
            session.execute("begin; rollback")
        session.execute("set work_mem = '64kB'")
        session.execute("select count(*) from (select g from generate_series(1, 200000) g order by -g offset 0) s")
        for _ in range(30):
            session.execute("update t set n = n + 1")
            session.execute("checkpoint")
    both = threading.Barrier(2)

    def lock(first: int, second: int) -> None:
        with suppress(psycopg.errors.DeadlockDetected), server.connect("shop", autocommit=False) as session:
            session.execute("update t set n = 1 where id = %s", (first,))
            both.wait(IN_VAIN_S)
            session.execute("update t set n = 1 where id = %s", (second,))

    threads = [threading.Thread(target=lock, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for_counters(server)


def wait_for_counters(server: Server) -> None:
    """Processes hand over what they counted now and then; up to 14 another one gathers it."""
    view, column = ("checkpointer", "num_requested") if server.version >= 17 else ("bgwriter", "checkpoints_req")
    counted = (
        f"select deadlocks > 0 and xact_rollback >= 100 and temp_files > 0 and {column} >= 30, {column}"
        f" from pg_stat_database, pg_stat_{view} where datname = 'shop'"
    )

    def are_counted() -> bool:
        with server.connect() as session:
            row: Any = session.execute(counted).fetchone()  # type: ignore[call-overload]
        return bool(row[0])

    wait_for(are_counted)


@pytest.mark.parametrize("version", [13, 15, 18])
def test_exactly_what_was_planted_is_found(version: int, private_postgres: Callable[..., Server]) -> None:
    server = private_postgres(version, BAD)
    subjects, findings = found(server, BAD, live_badly)
    assert subjects == PLANTED | ({"SV021 data_checksums"} if version < 18 else set())
    with server.connect() as session:  # what is said to be the way out is one
        for finding in findings:
            for fix in finding.fixes:
                if fix.code.startswith("ALTER SYSTEM"):
                    session.execute(fix.code.splitlines()[0])  # type: ignore[call-overload]


@pytest.mark.parametrize("version", [13, 15, 18])
def test_nothing_is_found_on_a_server_that_is_set_well(version: int, private_postgres: Callable[..., Server]) -> None:
    server = private_postgres(version, GOOD)
    assert found(server, GOOD, lambda _: None)[0] == ({"SV021 data_checksums"} if version < 18 else set())


@pytest.mark.parametrize("version", [13, 15, 18])
def test_what_superusers_may_read_of_authentication_is_judged(
    version: int, private_postgres: Callable[..., Server]
) -> None:
    server = private_postgres(version, GOOD)
    with (server.cluster.data_dir / "pg_hba.conf").open("a") as hba:
        hba.write("host shop,crm app 10.0.0.0/8 trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n")
    with server.connect() as session:
        session.execute("set password_encryption = 'md5'")
        session.execute("create role old login password 'x'")
        session.execute("set password_encryption = 'scram-sha-256'")
        session.execute("create role new login password 'x'")
        session.execute("create database shop")
        session.execute("alter role old in database shop set statement_timeout = '5s'")
        session.execute("alter database shop set lock_timeout = '5s'")
    with connect(ConnectionSettings.from_dsn(server.dsn())) as conn:
        facts = read_cluster(conn)
    assert facts.parts_not_read == {}
    assert facts.weak_passwords == ("old",)
    (trusted,) = facts.trust_rules or ()
    assert (trusted.databases, trusted.roles, trusted.address) == ("shop,crm", "app", "10.0.0.0 mask 255.0.0.0")
    assert list(facts.role_settings or ()) == [
        RoleSettings("shop", "old", {"statement_timeout": "5s"}), RoleSettings("shop", None, {"lock_timeout": "5s"}),
    ]  # fmt: skip
    assert {"SV047 roles", "SV046 pg_hba.conf"} <= {f"{f.code} {f.subject}" for f in run_checks(facts).findings}


def test_a_collation_that_changed_is_found(private_postgres: Callable[..., Server]) -> None:
    server = private_postgres(15, GOOD)  # built with ICU; 18's is not
    with server.connect() as session:
        session.execute("create database texts template template0 locale_provider icu icu_locale 'en' locale 'C'")
        session.execute("update pg_database set datcollversion = '1.0' where datname = 'texts'")
    (finding,) = (f for f in run_checks(read(ScratchDatabase(server))).findings if f.code == "SV039")
    assert finding.subject == "texts"
    with server.connect("texts") as session:
        session.execute("create table booked (during int4range, exclude using gist (during with &&))")
        rebuild, left_out, refresh = (fix.code for fix in finding.fixes)
        for line in rebuild.splitlines():
            session.execute(line)  # type: ignore[call-overload]
        (listed,) = session.execute(left_out).fetchall()  # type: ignore[call-overload]
        assert listed == ("REINDEX INDEX booked_during_excl;",)
        session.execute(listed[0])
        session.execute(refresh)  # type: ignore[call-overload]
    assert not [f for f in run_checks(read(ScratchDatabase(server))).findings if f.code == "SV039"]
