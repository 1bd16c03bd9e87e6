"""The demo's database and workload on a real server: what is planted is there and shows in the figures."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from analyzer.demo import planted, shop
from analyzer.demo.shop_pages import ENDPOINTS
from analyzer.demo.workload import Arrivals, DemoWorkload, DriftingRate, Totals
from tests import servers
from tests.conftest import need
from tests.environment import IN_VAIN_S
from tests.waiting import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.long]

SECONDS = 12.0
REPOSITORY = Path(__file__).resolve().parents[2]


class Figures(NamedTuple):
    """``blocks`` read a call tell what a statement takes; its time also tells how busy the machine was."""

    calls: int
    rows: int
    mean_ms: float
    blocks: float


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    started = need(lambda: servers.start_private(18, dict(shop.CLUSTER_SETTINGS)))
    shop.build(started.socket_dsn())
    yield started
    started.cluster.remove()


@pytest.fixture(scope="module")
def worked(server: servers.Server) -> dict[str, Figures]:
    """Per statement text, after some seconds of work at a brisk rate."""
    with server.connect("shop") as connection:
        connection.execute("select pg_stat_statements_reset()")
    totals = DemoWorkload(server.socket_dsn("shop", "shop"), statements_per_s=400, seed=3).run(SECONDS)
    assert dict(totals.errors) == {}
    assert totals.statements > 150 * SECONDS
    with server.connect("shop") as connection:
        rows = connection.execute(
            "select query, calls, rows, mean_exec_time,"
            " (shared_blks_hit + shared_blks_read)::float8 / calls from pg_stat_statements"
            " where userid = 'shop'::regrole and toplevel"
        ).fetchall()
    return {planted.one_line(query): Figures(*figures) for query, *figures in rows}


def found(worked: dict[str, Figures], fragment: str) -> Figures:
    """Summed over the texts that hold the fragment (lists of different length are different statements)."""
    matching = [figures for query, figures in worked.items() if fragment in query]
    assert matching, fragment
    calls = sum(f.calls for f in matching)
    mean_ms = sum(f.calls * f.mean_ms for f in matching) / calls
    blocks = sum(f.calls * f.blocks for f in matching) / calls
    return Figures(calls, sum(f.rows for f in matching), mean_ms, blocks)


def rows(server: servers.Server, statement: str) -> list[tuple[Any, ...]]:
    with server.connect("shop") as connection:
        return connection.execute(statement.encode()).fetchall()


def test_shop_has_about_a_million_rows_and_statistics(server: servers.Server) -> None:
    tables = [name for (name,) in rows(server, "select tablename from pg_tables where schemaname = 'public'")]
    counts = {name: rows(server, f'select count(*) from "{name}"')[0][0] for name in tables}
    assert 950_000 < sum(counts.values()) < 1_100_000
    assert counts["shop_orderline"] > 300_000
    assert counts["shop_order"] >= 150_000
    never_analysed = "select relname from pg_stat_user_tables where last_analyze is null"
    assert rows(server, never_analysed) == []


def test_data_is_skewed_like_a_shop(server: servers.Server) -> None:
    [(heaviest, median)] = rows(
        server,
        "select max(n), percentile_disc(0.5) within group (order by n)"
        " from (select count(*) n from shop_order group by customer_id) q",
    )
    assert heaviest > 500 * median
    [(done,)] = rows(server, "select avg((status = 'done')::int)::float from shop_order")
    assert 0.9 < done < 0.98
    [(queued,)] = rows(server, "select avg((status <> 'done')::int)::float from shop_job")
    assert queued < 0.01


def test_only_planted_foreign_keys_have_no_index_that_leads_with_them(server: servers.Server) -> None:
    missing = rows(
        server,
        "select conrelid::regclass::text, conname from pg_constraint c where contype = 'f' and not exists"
        " (select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]) order by 1",
    )
    assert missing == sorted((k.table, k.constraint) for k in planted.MISSING_FOREIGN_KEY_INDEXES)
    deferred = rows(server, "select bool_and(condeferrable and condeferred) from pg_constraint where contype='f'")
    assert deferred == [(True,)]
    constraints = {name for (name,) in rows(server, "select conname from pg_constraint where contype='f'")}
    assert {name for _, name in planted.INNOCENT_FOREIGN_KEYS} <= constraints


def test_building_again_changes_nothing(server: servers.Server) -> None:
    before = rows(server, "select oid from pg_database where datname = 'shop'")
    shop.build(server.socket_dsn())
    assert rows(server, "select oid from pg_database where datname = 'shop'") == before


def test_interrupted_build_is_done_anew(private_postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = private_postgres(18, settings=dict(shop.CLUSTER_SETTINGS))
    with monkeypatch.context() as patch:
        patch.setattr(shop, "_run_script", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            shop.build(server.socket_dsn())
    assert not shop.is_built(server.socket_dsn())
    shop.build(server.socket_dsn())
    assert shop.is_built(server.socket_dsn())


def test_monitoring_role_reads_everything_and_changes_nothing(server: servers.Server) -> None:
    shop.set_password(server.socket_dsn(), shop.MONITOR_ROLE, "correct horse")
    dsn = server.dsn("shop", shop.MONITOR_ROLE, "correct horse")
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute('select count(*) from public."shop_category"').fetchone() == (800,)
        assert connection.execute("select count(*) > 0 from pg_stats").fetchone() == (True,)
        connection.execute("set default_transaction_read_only = off")  # the seat belt off: rights decide
        for attempt in (
            "delete from public.shop_category",
            "create table public.t (a int)",
            "create temporary table t (a int)",
            "truncate public.shop_job",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.SQL(attempt))
        [(superuser,)] = connection.execute("select rolsuper from pg_roles where rolname = current_user")
    assert superuser is False


def test_password_is_not_in_the_statistics(server: servers.Server) -> None:
    shop.set_password(server.socket_dsn(), shop.APP_ROLE, "canary-4711")
    texts = rows(server, "select query from pg_stat_statements where query ilike '%password%'")
    assert [text for (text,) in texts if "canary" in text or "SCRAM" in text] == []


@pytest.mark.parametrize("problem", planted.N_PLUS_ONES, ids=lambda p: p.page)
def test_n_plus_one_page_sends_a_statement_per_row(worked: Any, problem: planted.NPlusOne) -> None:
    parent_calls, parent_rows, *_ = found(worked, problem.parent)
    child_calls, _, _, child_blocks = found(worked, problem.child)
    assert parent_calls >= 5
    # The last page may have been cut off by the end of the run, none else: exactly one per row.
    assert abs(child_calls - parent_rows) <= 0.02 * parent_rows
    low, high = problem.per_page
    assert low <= child_calls / parent_calls <= high
    assert child_blocks < 50


@pytest.mark.parametrize("problem", planted.SLOW_STATEMENTS, ids=lambda p: p.page)
def test_slow_statement_runs_and_is_slow(worked: Any, problem: planted.SlowStatement) -> None:
    calls, _, mean_ms, blocks = found(worked, problem.statement)
    assert calls > 0
    assert mean_ms > 3  # all cached, on the fastest machine; 15 to 30 ms here
    assert blocks > 300


def test_coupon_delete_reads_the_orders(server: servers.Server, worked: Any) -> None:
    calls, _, mean_ms, *_ = found(worked, planted.COUPON_CHECK)
    assert calls > 0
    assert mean_ms > 2
    [(deleted,)] = rows(server, "select n_tup_del from pg_stat_user_tables where relname = 'shop_coupon'")
    assert deleted == calls


@pytest.mark.parametrize("innocent", planted.INNOCENTS, ids=lambda i: f"{i.page}: {i.looks_like}")
def test_innocent_statement_runs_and_is_fast(worked: Any, innocent: planted.Innocent) -> None:
    calls, _, _, blocks = found(worked, innocent.statement)
    assert calls > 0
    assert blocks < 300  # 120 for the report, 17 at the most for the others; the slow ones read thousands


def test_every_fragment_means_one_statement(worked: Any) -> None:
    """An expectation that matches two statements would prove nothing about either."""
    fragments = [
        *(f for p in planted.N_PLUS_ONES for f in (p.parent, p.child)),
        *(p.statement for p in (*planted.SLOW_STATEMENTS, *planted.STAFF_PAGES)),
        *(i.statement for i in planted.INNOCENTS),
    ]
    for query in worked:
        assert len([f for f in fragments if f in query]) <= 1, query


def test_queue_poll_is_steady_and_mostly_empty(worked: Any) -> None:
    calls, found_rows, *_ = found(worked, 'FROM "shop_job" WHERE')
    assert 0.9 * 8 * SECONDS <= calls <= 1.05 * 8 * SECONDS
    assert found_rows < 0.3 * calls


def test_texts_carry_sqlcommenter_tags(worked: Any) -> None:
    assert any(query.endswith("/*framework='django%3A5.2',route='staff%2Forders%2F'*/") for query in worked)


def test_values_show_in_the_activity_of_the_application(server: servers.Server) -> None:
    """Django binds values on the client: a sample of pg_stat_activity holds them."""
    workload = DemoWorkload(server.socket_dsn("shop", "shop"), seed=5)
    thread = threading.Thread(target=workload.run)
    thread.start()
    try:
        texts = "select query from pg_stat_activity where application_name = 'shop'"
        wait_for(lambda: any("'TRK" in text for (text,) in rows(server, texts)), every_s=0.02)
    finally:
        workload.stop()
        thread.join()


def start_workload(server: servers.Server, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "analyzer.demo.workload", *options],
        env={**os.environ, "SHOP_DSN": server.socket_dsn("shop", "shop")},
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_sessions(server: servers.Server, at_least: int) -> None:
    statement = "select count(*) from pg_stat_activity where application_name = 'shop'"
    wait_for(lambda: rows(server, statement)[0][0] >= at_least)


@pytest.mark.fault
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(server: servers.Server, stop_signal: signal.Signals) -> None:
    process = start_workload(server)
    wait_for_sessions(server, 1)
    process.send_signal(stop_signal)
    _, log = process.communicate(timeout=IN_VAIN_S)
    assert process.returncode == 0, log
    assert " 0 errors" in log
    assert rows(server, "select pid from pg_stat_activity where application_name = 'shop'") == []


def test_only_failing_is_a_failure_and_being_stopped_early_is_none() -> None:
    totals = Totals()
    assert not totals.only_failed  # stopped before the first page
    totals.errors["UndefinedTable"] += 1
    assert totals.only_failed
    totals.pages["cart"] += 1
    assert not totals.only_failed
    assert Totals(reconnects=3).only_failed


@pytest.mark.fault
def test_it_survives_a_restart_of_the_server(server: servers.Server) -> None:
    process = start_workload(server)
    wait_for_sessions(server, 1)
    server.cluster.stop()  # not killed: the other tests want to see when its tables were analysed
    assert process.stderr is not None
    said = []
    while not said or "waiting for the server" not in said[-1]:
        said.append(process.stderr.readline())
        assert said[-1], "".join(said)  # it ended
    server.cluster.start()
    wait_for_sessions(server, 2)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=IN_VAIN_S)
    assert process.returncode == 0, log


class CutAtFirst(DemoWorkload):
    """Its first session ends as soon as it is there, as where the server stops at that moment."""

    def _connect(self) -> psycopg.Connection[Any] | None:
        connection = super()._connect()
        if connection is not None and not self.totals.reconnects:
            with psycopg.connect(self.dsn, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        return connection


def test_it_begins_again_where_its_first_session_is_cut(server: servers.Server) -> None:
    totals = CutAtFirst(server.socket_dsn("shop", "shop"), seed=3).run(2)
    assert totals.reconnects == 1
    assert totals.pages


def test_same_seed_gives_the_same_arrivals_and_rates_drift() -> None:
    def times(seed: str) -> list[float]:
        stream = Arrivals(ENDPOINTS[0], 2.0, random.Random(seed))
        return [stream.next_s() for _ in range(2000)]

    assert times("a") == times("a") != times("b")
    assert 0.6 < len(times("a")) / times("a")[-1] / 2.0 < 1.5
    rate = DriftingRate(1.0, random.Random("a"))
    per_minute = [sum(rate.step(60 * minute + s) for s in range(60)) / 60 for minute in range(30)]
    assert max(per_minute) > 2 * min(per_minute)
