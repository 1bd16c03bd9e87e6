"""Application SQL through the gate on real servers: executed, with plans, values and reasons."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.errors import ServerUnreachable, StatementFailed
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainOutcome, ExplainRequest, explain_statement
from analyzer.monitored.explain.session import explain_session
from analyzer.monitored.watchdog import watchdog
from analyzer.statements.fingerprint import fingerprint
from tests.environment import IN_VAIN_S
from tests.monitored.application_sql import SCHEMA, STATEMENTS
from tests.servers import PgBouncer, ScratchDatabase, Server

pytestmark = pytest.mark.postgres

ROOMY = ExplainLimits(cores=64)


# 13 prepares for its generic plans, 18 has GENERIC_PLAN
@pytest.fixture(scope="module", params=[13, 18], ids=lambda version: f"pg{version}")
def shop(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[ScratchDatabase]:
    database = ScratchDatabase(postgres(request.param))
    try:
        database.execute(*SCHEMA)
        yield database
    finally:
        database.drop()


def explain(database: ScratchDatabase, sql: str, limits: ExplainLimits = ROOMY, **request: Any) -> list[ExplainOutcome]:
    settings = ConnectionSettings.from_dsn(database.dsn)
    return explain_statement(settings, ExplainRequest(sql, fingerprint(sql) or "", **request), limits)


@pytest.mark.parametrize("name", STATEMENTS)
def test_application_statement_is_executed(name: str, shop: ScratchDatabase) -> None:
    outcomes = explain(shop, STATEMENTS[name])
    assert [(o.decision, o.layer) for o in outcomes] == [("executed", "")] * len(outcomes), outcomes[0].reason
    assert 1 <= len(outcomes) <= 2
    for outcome in outcomes:
        assert outcome.plan is not None
        assert outcome.plan.is_analyzed
        assert outcome.plan.has_timing
        assert outcome.plan.root.buffers is not None
        assert outcome.duration_ms > 0
    sources = [o.values_source for o in outcomes]
    is_constant = "$" not in STATEMENTS[name] or name == "trunc_twin"
    assert sources in ([["none"]] if is_constant else [["typical"], ["typical", "rare"]])


def test_values_come_from_the_column_statistics(shop: ScratchDatabase) -> None:
    typical, rare = explain(shop, "select id from orders where status = $1")
    # 'paid' is 3 of 7 rows, 'sent' 2, 'new' and 'lost' 1 each
    assert typical.plan is not None
    assert rare.plan is not None
    assert typical.plan.root.actual_rows in (8571, 8572, 5714, 5715)
    assert rare.plan.root.actual_rows in (2857, 2858)


def test_sampled_text_is_executed_as_it_was(shop: ScratchDatabase) -> None:
    sql = "select id from orders where customer_id = $1 and status = $2"
    outcomes = explain(
        shop,
        sql,
        sampled_sqls=[
            "select id from customer",  # another statement
            "select id from orders where customer_id = 17 and status = 'no such status';",
        ],
    )
    assert next(o.values_source for o in outcomes) == "sampled"
    assert outcomes[0].decision == "executed"
    assert outcomes[0].plan is not None
    assert outcomes[0].plan.root.actual_rows == 0
    assert "no such status" not in str(outcomes)
    assert "typical" not in [o.values_source for o in outcomes]


def test_sample_that_may_not_be_executed_is_left_out(shop: ScratchDatabase) -> None:
    sql = "select id from orders where customer_id = $1"
    bad = "select id from orders where customer_id = 17; delete from orders"
    outcomes = explain(shop, sql, sampled_sqls=[bad, "select id from orders where customer_id = 17 \0"])
    assert outcomes[0].values_source == "typical"


def test_plans_hold_no_values(shop: ScratchDatabase) -> None:
    outcomes = explain(shop, "select id from customer where email = $1 and city = $2")
    assert all("example.org" not in str(o.plan_json) for o in outcomes)
    assert all("search_path" not in str(o.plan_json) for o in outcomes)
    assert all("plan_cache_mode" not in str(o.plan_json) for o in outcomes)


def test_values_make_a_custom_plan(shop: ScratchDatabase) -> None:
    """With force_custom_plan the planner sees the value: it knows that few orders are 'lost'."""
    typical, rare = explain(shop, "select * from orders where status = $1")
    assert typical.plan is not None
    assert rare.plan is not None
    assert typical.plan.root.plan_rows is not None
    assert rare.plan.root.plan_rows is not None
    assert typical.plan.root.plan_rows > 1.5 * rare.plan.root.plan_rows
    assert "$1" not in str(typical.plan_json)


def test_plain_mode_executes_nothing(shop: ScratchDatabase) -> None:
    outcomes = explain(shop, "select id from orders where status = $1", mode="plain")
    assert outcomes[0].decision == "plan_only"
    assert outcomes[0].layer == "mode"
    assert outcomes[0].plan is not None
    assert not outcomes[0].plan.is_analyzed


def test_statement_without_statistics_gets_its_generic_plan(shop: ScratchDatabase) -> None:
    shop.execute("create table if not exists never_analysed (a int)")
    (outcome,) = explain(shop, "select * from never_analysed where a = $1")
    assert (outcome.decision, outcome.layer, outcome.values_source) == ("plan_only", "values", "generic")
    assert "The statistics give no value for $1, compared with never_analysed.a" in outcome.reason
    assert outcome.plan is not None


def test_missing_right_is_a_reason(shop: ScratchDatabase) -> None:
    if shop.server.version >= 14:
        shop.execute("create table if not exists hidden (a int)", f'revoke pg_read_all_data from "{shop.login}"')
    else:
        shop.execute("create table if not exists hidden (a int)", f'revoke select on hidden from "{shop.login}"')
    try:
        (outcome,) = explain(shop, "select * from hidden where a = $1")
    finally:
        if shop.server.version >= 14:
            shop.execute(f'grant pg_read_all_data to "{shop.login}"')
    assert (outcome.decision, outcome.layer) == ("refused", "rights")
    assert outcome.reason.startswith(f"Role {shop.login!r} may not use table public.hidden; its owner can run: GRANT ")
    # Known beforehand, so nothing was sent that the server would have refused and logged.
    assert "permission denied for table hidden" not in shop.server.cluster.log_file.read_text()


def test_long_list_is_left_to_the_twin_where_statistics_are_long(shop: ScratchDatabase) -> None:
    """Planning compares each value with each of the statistics, and looks for no cancel meanwhile."""
    shop.execute("create table detailed as select g % 900 as k from generate_series(1, 9000) g", "analyze detailed")
    numbers = ",".join(map(str, range(3_000)))
    lists = [
        f"select * from detailed where k in ({numbers})",
        f"select * from detailed where k = any ('{{{numbers}}}')",
        "select * from detailed where k = any (array_fill(1, array[3000]))",
    ]
    try:
        for sql in lists:
            assert {o.decision for o in explain(shop, sql)} == {"executed"}
        shop.execute("alter table detailed alter k set statistics 10000")
        for sql in lists:
            (outcome,) = explain(shop, sql)
            assert (outcome.decision, outcome.layer, outcome.is_for_twin) == ("refused", "catalog", True)
        assert "compares each with up to 10,000 values in a column's statistics" in outcome.reason
        assert {o.decision for o in explain(shop, "select * from detailed where k in (1, 2)")} == {"executed"}
        join = "select * from detailed a join detailed b using (k) {} where a.k = 1"
        assert {o.decision for o in explain(shop, join.format(""))} == {"executed"}
        (outcome,) = explain(shop, join.format("join detailed c using (k)"))
        assert outcome.reason.startswith("It may join 3 tables, and planning compares up to 10,000 values")
        shop.execute("alter table detailed alter k set statistics -1", "create index less on detailed ((-k))")
        assert {o.decision for o in explain(shop, lists[0])} == {"executed"}
        shop.execute("alter index less alter 1 set statistics 10000")
        assert {o.decision for o in explain(shop, lists[0].replace("k in", "-k in"))} == {"refused"}
    finally:
        shop.execute("drop table detailed")


def test_changing_data_is_left_to_the_twin(shop: ScratchDatabase) -> None:
    (outcome,) = explain(shop, "update orders set status = $1 where id = $2")
    assert (outcome.decision, outcome.layer, outcome.is_for_twin) == ("refused", "ast", True)
    assert outcome.reason == "It changes data (UPDATE), so the server is not asked for it."


def test_busy_server_is_left_alone(shop: ScratchDatabase) -> None:
    with shop.connect() as one:

        def sleep() -> None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                one.execute(f"select pg_sleep({IN_VAIN_S})")

        thread = threading.Thread(target=sleep)
        thread.start()
        with shop.connect() as observer:
            while not observer.execute("select 1 from pg_stat_activity where wait_event = 'PgSleep'").fetchone():
                time.sleep(0.02)
        outcomes = explain(shop, "select 1 from orders where status = $1", replace(ROOMY, cores=1))
        one.cancel_safe()
        thread.join()
    assert {(o.decision, o.layer) for o in outcomes} == {("plan_only", "load")}
    assert " active, fewer than 0.7 are wanted (1 core)" in outcomes[0].reason
    assert outcomes[0].plan is not None


def test_long_statement_is_not_executed(shop: ScratchDatabase) -> None:
    (outcome, *_) = explain(shop, "select count(*) from orders where status = $1", max_exec_time_ms=6_000.0)
    assert (outcome.decision, outcome.layer) == ("plan_only", "plan")
    assert outcome.reason == (
        "Its longest execution took 6.0 s, more than half of the 10 s an EXPLAIN ANALYZE may take."
    )


def test_our_statements_carry_the_marker_and_stay_out_of_statistics(shop: ScratchDatabase) -> None:
    explain(shop, "select id from orders where total = $1 and note = $2")
    with shop.connect() as connection:
        texts = [
            row[0]
            for row in connection.execute(
                "select query from pg_stat_statements s join pg_roles r on r.oid = s.userid"
                " where r.rolname = %s and s.dbid = (select oid from pg_database where datname = current_database())"
                " and query !~ '^(BEGIN|SET|DEALLOCATE|SAVEPOINT|ROLLBACK|RELEASE)'",
                [shop.login],
            )
        ]
    assert texts
    assert [t for t in texts if "/* pgloupe */" not in t] == []


def test_last_guards_hold_for_what_no_layer_checked(shop: ScratchDatabase) -> None:
    """Were the tree's judgement wrong, the session itself still takes one command, and no change."""
    settings = ConnectionSettings.from_dsn(shop.superuser_dsn)
    with (
        watchdog(settings, ROOMY) as guard,
        connect(settings) as connection,
        explain_session(connection, guard, ROOMY, ("public",), 5_000) as session,
    ):
        with pytest.raises(StatementFailed, match=r"\(42601\): cannot insert multiple commands"), session._savepoint():
            session._run("select 1; drop table orders", "attacking")
        if shop.server.version >= 16:
            with pytest.raises(StatementFailed, match=r"\(42601\)"), session._savepoint():
                session._server_must_parse_one("EXPLAIN (GENERIC_PLAN) select $1; drop table orders")
        with pytest.raises(StatementFailed, match=r"\(25001\).*read-write mode"), session._savepoint():
            session._run("set transaction read write", "attacking")
        read_only = r"\(25006\).*read-only transaction"
        for change in (
            "delete from orders",
            "with x as (delete from orders returning *) select * from x",
            "select * from orders for update",
            "select nextval('orders_id_seq')",
        ):
            with pytest.raises(StatementFailed, match=read_only), session.prepared(change) as name:
                session.explain_prepared(name, (), analyze=True)
        for utility in ("create table stolen as select 1", "explain analyze delete from orders"):
            with pytest.raises(StatementFailed), session.prepared(utility):
                pytest.fail("it was prepared")
        # from 16 on PREPARE takes this, and EXPLAIN ANALYZE EXECUTE makes the table: only ROLLBACK is left then
        with contextlib.suppress(StatementFailed), session.prepared("select 1 as a into public.stolen") as name:
            session.explain_prepared(name, (), analyze=True)
        # one value stays one value
        with session.prepared("select id from orders where status = $1") as name:
            evil = "x'); drop table orders; --\\' \n"
            assert "Plan" in session.explain_prepared(name, [evil], analyze=True)
    with shop.connect() as observer:
        assert observer.execute("select count(*) from orders").fetchone() == (20_000,)
        assert observer.execute("select to_regclass('public.stolen')").fetchone() == (None,)


@pytest.mark.fault
def test_killed_worker_leaves_no_session_behind(shop: ScratchDatabase) -> None:
    shop.execute("create table if not exists big as select g from generate_series(1, 3000000) g", "analyze big")
    slow = "select count(*) from big where md5(md5(md5(g::text))) < md5(md5(md5((g + 1)::text)))"
    code = (
        "from analyzer.monitored.connection import ConnectionSettings as C\n"
        "from analyzer.monitored.explain.explain import *\n"
        f"explain_statement(C.from_dsn({shop.dsn!r}), ExplainRequest({slow!r}, ''),"
        " ExplainLimits(statement_timeout_ms=2000, cores=64))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code])
    try:
        with shop.connect() as observer:
            running = (
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name = 'pgloupe' and query like '%ANALYZE%EXECUTE%' and state = 'active'"
            )
            while observer.execute(running).fetchone() == (0,):
                assert worker.poll() is None
                time.sleep(0.02)
            log = Path(shop.server.cluster.log_file)
            read_to = log.stat().st_size
            worker.kill()
            while observer.execute(running.partition(" and query")[0]).fetchone() != (0,):
                time.sleep(0.05)
            assert b"pgloupe ERROR:  canceling statement due to statement timeout" in log.read_bytes()[read_to:]
    finally:
        worker.kill()
        worker.wait()


def test_pooler_in_between_gets_plain_plans(shop: ScratchDatabase, pgbouncer: Callable[..., PgBouncer]) -> None:
    pooler = pgbouncer(shop)
    settings = ConnectionSettings.from_dsn(pooler.dsn())
    sql = "select id from orders where status = $1"
    with psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None) as application:
        application.execute("prepare pgloupe as select 1")  # as a lost connection of ours could leave it
    for _ in range(3):  # the same server sessions again and again
        outcomes = explain_statement(settings, ExplainRequest(sql, fingerprint(sql) or ""), ROOMY)
        assert {(o.decision, o.layer) for o in outcomes} == {("plan_only", "pooler")}
        assert all(o.plan is not None and not o.plan.is_analyzed for o in outcomes)
    with psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None) as application:
        assert application.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
        for name, value in (("statement_timeout", "0"), ("plan_cache_mode", "auto"), ("lock_timeout", "0")):
            assert application.execute("select current_setting(%s)", [name]).fetchone() == (value,)


@pytest.mark.fault
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_server_that_dies_mid_run_is_a_clean_error(how: str, private_postgres: Callable[..., Server]) -> None:
    server = private_postgres(15)
    database = ScratchDatabase(server)
    database.execute("create table t as select g from generate_series(1, 2000000) g", "analyze t")
    limits = ExplainLimits(statement_timeout_ms=20_000, cores=64)
    slow = "select count(*) from t a where md5(md5(md5(g::text))) < md5(md5(md5((g + 1)::text)))"

    def strike() -> None:
        with server.connect() as observer:
            while not observer.execute(
                "select 1 from pg_stat_activity where query like '%%ANALYZE%%EXECUTE%%' and state = 'active'"
                " and pid <> pg_backend_pid() and now() - query_start > '200 ms'"
            ).fetchone():
                time.sleep(0.02)
            if how == "stop":
                (pid,) = observer.execute(  # type: ignore[misc]
                    "select pid from pg_stat_activity"
                    " where query like '%%ANALYZE%%EXECUTE%%' and pid <> pg_backend_pid()"
                ).fetchone()
                os.kill(pid, signal.SIGTERM)
                return
        server.cluster.kill()

    thread = threading.Thread(target=strike)
    thread.start()
    settings = ConnectionSettings.from_dsn(database.dsn)
    (outcome,) = explain_statement(settings, ExplainRequest(slow, fingerprint(slow) or ""), limits)
    thread.join()
    assert (outcome.decision, outcome.layer) == ("failed", "run")
    assert outcome.reason.startswith(f"The connection to {settings.address} was lost while executing a statement")
    assert outcome.plan is not None  # what plain EXPLAIN said before
    if how == "kill":
        with pytest.raises(ServerUnreachable):
            explain_statement(settings, ExplainRequest(slow, ""), limits)
        server.cluster.start()
    database.drop()


@pytest.mark.fault
def test_server_that_hangs_is_hung_up_on(private_postgres: Callable[..., Server]) -> None:
    server = private_postgres(15)
    database = ScratchDatabase(server)
    database.execute("create table t as select g from generate_series(1, 2000000) g", "analyze t")
    limits = ExplainLimits(statement_timeout_ms=1_000, cores=64, cancel_after_s=0.5, terminate_after_s=1.0)
    slow = "select count(*) from t a where md5(md5(md5(g::text))) < md5(md5(md5((g + 1)::text)))"
    stopped: list[int] = []

    def strike() -> None:
        with server.connect() as observer:
            while True:
                row = observer.execute(
                    "select pid from pg_stat_activity where query like '%%ANALYZE%%EXECUTE%%' and state = 'active'"
                    " and pid <> pg_backend_pid()"
                ).fetchone()
                if row:
                    os.kill(row[0], signal.SIGSTOP)  # keeps no timeout, hears no signal
                    stopped.append(row[0])
                    return
                time.sleep(0.01)

    thread = threading.Thread(target=strike)
    thread.start()
    settings = ConnectionSettings.from_dsn(database.dsn)
    (outcome,) = explain_statement(settings, ExplainRequest(slow, fingerprint(slow) or ""), limits)
    thread.join()
    os.kill(stopped[0], signal.SIGCONT)
    assert (outcome.decision, outcome.layer) == ("failed", "watchdog")
    assert outcome.reason == (
        "It ignored its statement_timeout and the watchdog, so pgLoupe hung up; the server's process"
        f" {stopped[0]} may still be at work."
    )
    database.drop()
