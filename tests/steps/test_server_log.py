"""The log is read where somebody asked for it and the login may; what is in it becomes plans and values."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pglast import parse_sql

from analyzer.models import LogPosition, ParameterSample, PlanRecord, Server, StepStatus
from analyzer.monitored.access.role_sql import create_login_sql
from analyzer.monitored.sample import server_log
from analyzer.steps import logs, schedule
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store.parameters import samples_of
from analyzer.store.servers import add_server_from_dsn
from tests import servers
from tests.logs import logging_servers
from tests.logs.logging_servers import LOGGING, PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
BY_NOTE = "select count(*) from orders where note = %s"
BY_ID = "select note from orders where id = %s"
BELOW_ID = "select count(note) from orders where id < %s"


@pytest.fixture(params=servers.VERSIONS, ids=lambda version: f"pg{version}")
def watched(
    request: pytest.FixtureRequest, private_postgres: Callable[..., servers.Server]
) -> tuple[Server, servers.ScratchDatabase]:
    formats = "stderr,csvlog,jsonlog" if request.param >= 18 else "stderr,csvlog" if request.param >= 15 else "stderr"
    running = private_postgres(request.param, {**LOGGING, "log_destination": formats})
    database = servers.ScratchDatabase(running)
    database.execute(
        "create table orders (id int primary key, note text)",
        "insert into orders select i, 'note ' || i from generate_series(1, 3000) i",
        "analyze orders",
    )
    with database.connect() as connection:
        connection.execute(BY_NOTE, ("note 1",))
        connection.execute(BY_ID, (1,))
        connection.execute(BELOW_ID, (1,))
    server = add_server_from_dsn(database.dsn, reads_log=True)
    pipeline.take_snapshot(server)
    return server, database


def log_item(server: Server) -> dict[str, Any]:
    schema_step.read_schema(server)
    server.refresh_from_db()
    (item,) = [item for item in server.preflight if item["name"] == server_log.NAME]
    return item


def test_without_the_right_a_sentence_and_with_it_plans_and_values_over_two_rotations(
    watched: tuple[Server, servers.ScratchDatabase],
) -> None:
    server, database = watched
    assert "the login may not execute" in logs.read_log(server)
    item = log_item(server)
    assert item["status"] == "warning"
    assert "password hashes" in item["detail"]
    database.execute(*[line for line in item["sql"].splitlines() if not line.startswith("--")])
    assert log_item(server)["status"] == "ok"

    assert logs.read_log(server) == ""  # from now on
    before = LogPosition.objects.get(server=server)
    with database.connect() as connection:
        connection.execute(BY_ID, (170,))
        connection.execute(f"alter role {database.login} password '{PASSWORD}'")  # no statement of an application
        connection.execute(f"alter role {database.login} password '{database.password}'")
    rotate(database, "rotated_1.log")
    with database.connect() as connection:
        connection.execute(BELOW_ID, (1900,))
    rotate(database, "rotated_2.log")
    with database.connect() as connection:
        connection.execute(BY_NOTE, ("it's note 18",))
        connection.execute("do $$ begin raise warning 'the end'; end $$")
    current = database.server.cluster.data_dir / "log" / "rotated_2.log"
    logging_servers.wait_for(current, "the end", 1)
    assert logs.read_log(server) == ""

    (plan,) = PlanRecord.objects.filter(statement__normalized_sql__contains="note = $1")
    assert [plan.is_analyzed, plan.values_source, plan.rewrites] == [True, "sampled", ["as auto_explain logged it"]]
    assert "note 1" not in str(plan.plan)
    assert plan.execution_time_ms is not None
    assert samples_of(plan.statement, plan.database) == [BY_NOTE.replace("%s", "'it''s note 18'")]
    (left,) = PlanRecord.objects.filter(statement__normalized_sql__contains="id = $1")  # of the file before
    assert samples_of(left.statement, left.database) == [BY_ID.replace("%s", "'170'")]
    (between,) = PlanRecord.objects.filter(statement__normalized_sql__contains="id < $1")  # of the file between
    assert samples_of(between.statement, between.database) == [BELOW_ID.replace("%s", "'1900'")]
    after = LogPosition.objects.get(server=server)
    assert before.file != after.file
    kept = ParameterSample.objects.count(), PlanRecord.objects.get(pk=plan.pk).times_seen
    LogPosition.objects.filter(server=server).update(offset_bytes=0)
    logs.read_log(server)  # the same again does no harm
    assert (ParameterSample.objects.count(), PlanRecord.objects.get(pk=plan.pk).times_seen) == kept


def rotate(database: servers.ScratchDatabase, name: str) -> None:
    cluster = database.server.cluster
    cluster.settings["log_filename"] = name
    cluster.reload()
    folder = cluster.data_dir / "log"
    for _ in range(200):
        if (folder / name).exists():
            return
        database.execute("select pg_rotate_logfile()", "select pg_sleep(0.05)")
    raise AssertionError("the log was not rotated")


def test_nobody_is_asked_for_a_log_that_nobody_asked_for() -> None:
    server = Server.objects.create(name="a", slug="a", host="a", user="a", dbname="a")
    assert "log" not in {due.step for due in schedule.claim_due_steps(timezone.now())}
    assert not StepStatus.objects.filter(server=server, step="log").exists()
    Server.objects.update(reads_log=True)
    schedule.claim_due_steps(timezone.now())
    later = timezone.now() + timedelta(seconds=schedule.SPREAD_S)
    assert "log" in {due.step for due in schedule.claim_due_steps(later)}


def test_what_cannot_be_kept_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server.objects.create(name="a", slug="a", host="a", user="a", dbname="a", reads_log=True)
    access = server_log.LogAccess("stderr", "%m ", (), "me", "a")
    line = b"2026-11-30 08:11:04.634 UTC LOG:  duration: 1.000 ms  statement: select 1\n"

    def fails(*arguments: Any, **more: Any) -> None:
        raise OverflowError

    monkeypatch.setattr(logs, "connect_to", lambda server: nullcontext())
    monkeypatch.setattr(server_log, "read_log_access", lambda conn: access)
    monkeypatch.setattr(server_log, "chunks", lambda conn, file, start, end: [line])
    monkeypatch.setattr(logs, "_stretches", lambda *_: ([logs.FileRange("f", 0, len(line), is_whole=True)], ""))
    monkeypatch.setattr(logs, "keep_log", fails)
    with pytest.raises(OverflowError):
        logs.read_log(server)
    assert LogPosition.objects.get(server=server).offset_bytes == len(line)


def test_a_line_break_in_a_name_ends_no_comment() -> None:
    name = "a\nDROP TABLE t; --"
    grants = server_log.LogAccess("stderr", "%m ", ("pg_ls_logdir()",), "me", name).grants
    assert [line[:8] for line in grants.splitlines()] == ["-- in da", "GRANT EX"]
    kinds = {type(raw.stmt).__name__ for raw in parse_sql(create_login_sql("me", name, 130_000, []))}
    assert kinds == {"CreateRoleStmt", "GrantStmt", "GrantRoleStmt", "AlterRoleSetStmt", "CreateExtensionStmt"}
