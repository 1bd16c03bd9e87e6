"""Attacks through the real gate: each gets the decision it should, and the server is afterwards as it was."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from analyzer.errors import MonitoredServerError
from analyzer.monitored.access.role_sql import create_login_line
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import (
    ExplainLimits,
    ExplainOutcome,
    ExplainRequest,
    explain_statement,
    explained_failure,
)
from analyzer.monitored.explain.session import explain_session
from analyzer.monitored.watchdog import Watchdog, watchdog
from analyzer.statements.fingerprint import fingerprint
from tests.monitored.attacks import ATTACKS, PATH, SETUP, Attack, our_sessions, state
from tests.servers import ScratchDatabase, Server
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NOT_SENT = [a for a in ATTACKS if a.decision in ("refused", "twin") and a.layer in ("text", "ast")]
GROUPS: dict[str, list[Attack]] = {}
for sent in ATTACKS:
    if sent not in NOT_SENT:
        GROUPS.setdefault(sent.reason, []).append(sent)
# nobody listens there: whatever is sent fails
NOWHERE = ConnectionSettings(host="127.0.0.1", port=1, user="nobody", dbname="none", sslmode="disable")
LIMITS = ExplainLimits(statement_timeout_ms=2_000, plan_timeout_ms=1_000, cores=64)


# 13 lets the most through (large objects), 18 has the newest syntax
@pytest.fixture(scope="module", params=[13, 18], ids=lambda version: f"pg{version}")
def attacked(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[ScratchDatabase]:
    """A database holding everything the attacks need; the login may read all of it, as an owner may have granted."""
    database = ScratchDatabase(postgres(request.param))
    try:
        database.execute(
            *SETUP,
            f'grant usage on schema ev to "{database.login}"',
            f'grant usage on foreign server far to "{database.login}"',
        )
        yield database
    finally:
        database.drop()


@pytest.fixture
def settings(attacked: ScratchDatabase) -> ConnectionSettings:
    return ConnectionSettings.from_dsn(attacked.dsn)


@pytest.fixture
def unchanged(attacked: ScratchDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's session that listens; the server must be the same after the test, without sessions of ours."""
    with attacked.connect() as connection:
        connection.execute("listen x")
        before = state(connection)
        yield connection
        wait_for(lambda: our_sessions(connection, attacked.name) == 0)
        assert state(connection) == before
        assert list(connection.notifies(timeout=0)) == []


def send(
    settings: ConnectionSettings, sql: str, limits: ExplainLimits = LIMITS, **request: Any
) -> list[ExplainOutcome]:
    request.setdefault("search_path", PATH)
    return explain_statement(settings, ExplainRequest(sql, fingerprint(sql) or "", **request), limits)


@pytest.mark.parametrize("attack", NOT_SENT, ids=lambda attack: attack.name)
def test_refused_text_reaches_no_server(attack: Attack) -> None:
    (outcome,) = send(NOWHERE, attack.sql)
    assert (outcome.decision, outcome.layer) == ("refused", attack.layer)
    assert outcome.is_for_twin == (attack.decision == "twin")
    assert attack.reason in outcome.reason
    assert outcome.plan is None


@pytest.mark.postgres
@pytest.mark.parametrize("reason", GROUPS)
def test_attack_is_stopped(
    reason: str,
    settings: ConnectionSettings,
    attacked: ScratchDatabase,
    unchanged: psycopg.Connection[Any],
) -> None:
    wrong = []
    for attack in GROUPS[reason]:
        if attacked.server.version < attack.since:
            continue
        (outcome,) = send(settings, attack.sql)
        decision = "twin" if outcome.is_for_twin else outcome.decision
        is_expected = (decision, outcome.layer) == (attack.decision, attack.layer) and attack.reason in outcome.reason
        if attack.rights and outcome.layer in ("rights", "catalog"):
            is_expected = is_expected or outcome.layer == "rights" or "may not call" in outcome.reason
        if not is_expected or (outcome.plan is not None and outcome.plan.is_analyzed):
            wrong.append((attack.name, decision, outcome.layer, outcome.reason))
    assert wrong == []


@pytest.mark.postgres
def test_login_that_can_do_harm_is_never_used(attacked: ScratchDatabase, unchanged: psycopg.Connection[Any]) -> None:
    superuser = ConnectionSettings.from_dsn(attacked.superuser_dsn)
    for attack in ATTACKS:
        if attack.decision != "refused":
            (outcome,) = send(superuser, attack.sql)
            assert (outcome.decision, outcome.plan, outcome.is_for_twin) == ("refused", None, True), attack.name
    (outcome,) = send(superuser, "select * from victim")
    assert outcome.layer == "login"
    assert outcome.reason.startswith('EXPLAIN is not sent as "postgres", which is a superuser: ')
    recipe = create_login_line("pgloupe", attacked.name, attacked.server.version * 10_000)
    assert outcome.reason.endswith(f" Watch this server with a login that only reads: {recipe}")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("given", "taken", "what"),
    [
        ("grant insert on traces to {}", "revoke insert on traces from {}", "which may change public.traces"),
        ("alter table traces owner to {}", "alter table traces owner to postgres", "which may change public.traces"),
        ("grant pg_signal_backend to {}", "revoke pg_signal_backend from {}", "which is a member of pg_signal_backend"),
    ],
)
def test_login_that_may_write_is_never_used(
    attacked: ScratchDatabase, settings: ConnectionSettings, given: str, taken: str, what: str
) -> None:
    login = f'"{attacked.login}"'
    attacked.execute(given.format(login))
    try:
        (outcome,) = send(settings, "select * from victim")
    finally:
        attacked.execute(taken.format(login))
    assert (outcome.decision, outcome.layer, outcome.is_for_twin) == ("refused", "login", True)
    assert what in outcome.reason
    # what everybody may is nothing about the login: else any user could switch EXPLAIN off
    attacked.execute("grant insert on traces to public")
    try:
        (outcome,) = send(settings, "select * from victim")
    finally:
        attacked.execute("revoke insert on traces from public")
    assert outcome.decision == "executed"


@pytest.mark.postgres
def test_row_security_that_applies_to_the_login_is_not_executed(
    attacked: ScratchDatabase, settings: ConnectionSettings, unchanged: psycopg.Connection[Any]
) -> None:
    (outcome,) = send(settings, "select * from filtered")
    assert (outcome.decision, outcome.layer) == ("plan_only", "catalog")
    assert "row security" in outcome.reason
    (outcome,) = send(settings, "select * from secured")  # its policy calls a user's function
    assert outcome.is_for_twin


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sql",
    [
        "select * from view_good where id = 7",
        "select count(*) from frozen",
        "select id, lower(note) from victim where id in (1, 2) order by note limit 3",
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 50) select * from t",
        "select repeat(note, 3), '; drop table victim; --', $stmt$ a $stmt$ from victim",
        "select repeat('x', $1)",
        "with victim as (select 1 as id) select victim.id from victim",
        "select v.note from victim as v, shield where v.id = 3",
        "select gen_random_uuid(), clock_timestamp(), random() from victim limit 1",
    ],
)
def test_harmless_neighbours_of_attacks_are_executed(
    sql: str, settings: ConnectionSettings, unchanged: psycopg.Connection[Any]
) -> None:
    (outcome,) = send(settings, sql, max_exec_time_ms=10.0)
    assert outcome.decision == "executed", outcome.reason
    assert outcome.plan is not None
    assert outcome.plan.is_analyzed


def send_without_the_catalog_layer(
    settings: ConnectionSettings, sql: str, limits: ExplainLimits
) -> tuple[str, Watchdog]:
    """What the layers below it do when code of a user's is reached all the same."""
    with watchdog(settings, limits) as guard:
        with (
            pytest.raises(MonitoredServerError) as error,
            connect(settings, statement_timeout_ms=limits.plan_timeout_ms) as connection,
            explain_session(connection, guard, limits, PATH, limits.plan_timeout_ms) as session,
            session.prepared(sql) as name,
        ):
            session.explain_prepared(name, (), analyze=False)
        return explained_failure(error.value, guard), guard


@pytest.mark.postgres
def test_function_that_sleeps_while_planning_is_cut_off(
    settings: ConnectionSettings, unchanged: psycopg.Connection[Any]
) -> None:
    reason, _ = send_without_the_catalog_layer(settings, "select * from victim where id = ev.sleepy()", LIMITS)
    assert reason == "planning a statement was stopped: it took longer than its statement_timeout"


@pytest.mark.postgres
def test_function_that_swallows_cancelling_is_terminated(
    settings: ConnectionSettings, unchanged: psycopg.Connection[Any]
) -> None:
    begun = time.monotonic()
    reason, guard = send_without_the_catalog_layer(settings, "select * from victim where id = ev.stubborn()", LIMITS)
    assert reason == "It ignored its statement_timeout, so the watchdog ended the session."
    assert guard.terminated
    assert time.monotonic() - begun >= 6  # timeout 1 s, then 5 s until it is terminated


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sql",
    [
        "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
        "with recursive t(s) as (select 'x' union all select s || s from t) select count(*) from t",
        "select count(*) from generate_series(1, 9000000) a where a::text like '%77%' and md5(a::text) < 'a'",
    ],
)
def test_what_no_plan_tells_is_bounded_by_the_timeout(
    sql: str, settings: ConnectionSettings, unchanged: psycopg.Connection[Any]
) -> None:
    (outcome,) = send(settings, sql, ExplainLimits(statement_timeout_ms=1_000, cores=64), max_exec_time_ms=5.0)
    assert (outcome.decision, outcome.layer) == ("failed", "run")
    assert outcome.plan is not None  # plain EXPLAIN's


@pytest.mark.postgres
def test_without_the_gate_the_comparison_sees_what_read_only_lets_through(attacked: ScratchDatabase) -> None:
    """The other tests would not be worth much if their comparison were blind."""
    with attacked.connect() as observer, attacked.connect() as attacker:
        before = state(observer)
        attacker.execute("begin read only")
        attacker.execute("explain analyze create table stolen as select * from victim")
        attacker.execute("select pg_advisory_lock(4711)")
        attacker.execute("select id operator(ev.@@@) 1 from victim limit 1")
        attacker.execute("commit")
        changed = {name for name, value in state(observer).items() if value != before[name]}
        attacker.execute("drop table stolen")
    assert changed == {"classes", "advisory locks"}
