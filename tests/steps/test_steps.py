"""How a step's run is kept: its error, since when, its note; and that it runs once at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from analyzer.errors import ConnectionLost, ServerUnreachable
from analyzer.models import ExplainState, Server, StepStatus
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store import locks
from analyzer.store.servers import add_server_from_dsn
from tests.environment import IN_VAIN_S
from tests.servers import Server as RunningServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Server:
    return Server.objects.create(name="one", slug="one", host="h", user="u", dbname="d")


def status(server: Server) -> StepStatus:
    return StepStatus.objects.get(server=server, step="snapshot")


def fail(server: Server) -> str:
    raise ServerUnreachable("h:5432/d", "connection refused")


def test_a_failure_is_kept_with_its_beginning_and_goes_with_success(server: Server) -> None:
    pipeline.run_step(server, "snapshot", fail)
    since = status(server).failing_since
    assert status(server).last_error == "Cannot connect to h:5432/d: connection refused"
    pipeline.run_step(server, "snapshot", fail)
    assert status(server).failing_since == since is not None
    StepStatus.objects.create(server=server, step="schema", due_at=timezone.now() + timedelta(minutes=9))
    pipeline.run_step(server, "snapshot", lambda _: "a note")
    after = status(server)
    assert (after.last_error, after.failing_since, after.note) == ("", None, "a note")
    assert after.last_success_at is not None
    # What the preflight says may have been mended with it.
    assert StepStatus.objects.get(server=server, step="schema").due_at <= timezone.now()


def test_a_fault_of_ours_shows_its_kind_only(server: Server) -> None:
    def broken(_: Server) -> str:
        raise ValueError("secret value 4711")

    with pytest.raises(ValueError, match="4711"):
        pipeline.run_step(server, "snapshot", broken)
    assert status(server).last_error == "pgLoupe failed at this step (ValueError); the worker's log says where"


@pytest.mark.django_db(transaction=True)
def test_a_step_that_runs_elsewhere_is_left_to_it(server: Server) -> None:
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with locks.held("snapshot", server.pk) as is_ours:
                assert is_ours
                holding.set()
                done.wait(IN_VAIN_S)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(IN_VAIN_S)
    ran: list[str] = []
    pipeline.run_step(server, "snapshot", lambda _: ran.append("snapshot") or "")
    pipeline.run_step(server, "activity", lambda _: ran.append("activity") or "")  # another step is free
    done.set()
    thread.join()
    assert ran == ["activity"]
    pipeline.run_step(server, "snapshot", lambda _: ran.append("again") or "")
    assert ran == ["activity", "again"]


@pytest.mark.postgres
def test_explain_modes_and_an_empty_budget_are_said(postgres18: RunningServer, scratch_database) -> None:
    database = scratch_database(postgres18)
    database.execute("create table item as select n as id, n as kind from generate_series(1, 9) n")
    server = add_server_from_dsn(database.dsn, explain_mode="off")
    assert pipeline.explain_statements(server) == "EXPLAIN is switched off for this server"
    server.explain_mode = "analyze"
    assert pipeline.explain_statements(server) == "waiting for the first reading of the schema"
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    with database.connect() as connection_:
        for n in range(3):
            connection_.execute("select * from item where kind = %s", (n,))
    pipeline.take_snapshot(server)
    server.explain_budget_s_per_hour = 0
    assert "the hour's budget is used up" in pipeline.explain_statements(server)
    assert server.explain_audits.count() == 0
    server.explain_budget_s_per_hour = 60
    server.explain_mode = "plain"
    pipeline.explain_statements(server)
    assert {a.decision for a in server.explain_audits.all()} <= {"plan_only", "refused", "failed"}
    assert server.explain_audits.count() > 0


@pytest.mark.postgres
def test_a_statement_we_fail_on_costs_neither_the_others_nor_the_step(
    postgres18: RunningServer, scratch_database, monkeypatch, caplog
) -> None:
    database = scratch_database(postgres18)
    database.execute("create table item as select n as id, n as kind from generate_series(1, 9) n", "analyze item")
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    with database.connect() as connection_:
        for n in range(3):
            connection_.execute("select * from item where kind = %s", (n,))
            connection_.execute("select kind from item where id = %s", (n,))
    pipeline.take_snapshot(server)
    explained = []
    real = pipeline.explain_statement

    def failing(settings, request, limits):
        if "kind =" in request.sql:
            raise TypeError("secret")
        explained.append(request.sql)
        return real(settings, request, limits)

    monkeypatch.setattr(pipeline, "explain_statement", failing)
    note = pipeline.explain_statements(server)
    assert note == "pgLoupe could not work on 1 of the statements; the worker's log says why"
    assert any("where id =" in sql for sql in explained)
    state = ExplainState.objects.get(outcome="failed", reason__contains="TypeError")
    assert state.reason == "pgLoupe could not work on this statement (TypeError)."
    assert state.next_at - state.explained_at == timedelta(hours=24)
    assert server.explain_audits.filter(decision="failed", layer="pgloupe").count() == 1
    assert "Traceback" in caplog.text

    def gone(settings, request, limits):
        raise ConnectionLost("h:1", "planning a statement")

    ExplainState.objects.all().delete()
    monkeypatch.setattr(pipeline, "explain_statement", gone)
    with pytest.raises(ConnectionLost):
        pipeline.explain_statements(server)


@pytest.mark.postgres
def test_a_second_database_of_a_server_is_said_to_count_its_load_twice(
    postgres15: RunningServer, postgres18: RunningServer, scratch_database
) -> None:
    one, two = (add_server_from_dsn(scratch_database(postgres18).dsn) for _ in range(2))
    elsewhere = add_server_from_dsn(scratch_database(postgres15).dsn)
    said = {server.pk: [pipeline.take_snapshot(server) for _ in range(2)][-1] for server in (one, two, elsewhere)}
    again = pipeline.take_snapshot(one)
    assert "same PostgreSQL server" not in said[one.pk] + said[elsewhere.pk]  # it was alone so far
    assert f"The same PostgreSQL server as {one.name}: the statements of all its databases" in said[two.pk]
    assert f"The same PostgreSQL server as {two.name}: " in again
    Server.objects.filter(pk=two.pk).update(is_active=False)
    assert "same PostgreSQL server" not in pipeline.take_snapshot(one)
