"""A table that statements name before any schema reading showed it brings the next reading forward, once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from analyzer.models import Server, StepStatus
from analyzer.steps import run as pipeline
from analyzer.steps import schedule
from analyzer.steps import schema as schema_step
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def database(postgres18: Any, scratch_database: Any) -> ScratchDatabase:
    made: ScratchDatabase = scratch_database(postgres18)
    made.execute("create table old_item as select 1 as id")
    return made


@pytest.fixture
def server(database: ScratchDatabase) -> Server:
    """Read once, as the worker does; the next reading is due in ten minutes."""
    made = add_server_from_dsn(database.dsn)
    schedule.claim_due_steps(timezone.now())
    pipeline.run_step(made, "snapshot", pipeline.take_snapshot)
    pipeline.run_step(made, "schema", schema_step.read_schema)
    return made


def put_off(server: Server, *, started_s_ago: float = 300, took_ms: float = 50) -> datetime:
    later = timezone.now() + timedelta(minutes=9)
    StepStatus.objects.filter(server=server, step="schema").update(
        due_at=later,
        last_started_at=timezone.now() - timedelta(seconds=started_s_ago),
        last_duration_ms=took_ms,
    )
    return later


def due_in_s(server: Server) -> float:
    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    due = StepStatus.objects.get(server=server, step="schema").due_at
    assert due is not None
    return (due - timezone.now()).total_seconds()


def test_a_new_table_is_read_at_once_and_then_known(server: Server, database: ScratchDatabase) -> None:
    put_off(server)
    database.execute("select id from old_item")
    assert due_in_s(server) > 500
    database.execute("create table new_item as select 1 as id", "select id from new_item")
    assert due_in_s(server) <= 0
    assert ("schema", server.pk) in {(d.step, d.server_id) for d in schedule.claim_due_steps(timezone.now())}
    pipeline.run_step(server, "schema", schema_step.read_schema)
    put_off(server)
    database.execute("select id as other from new_item where id = 1")
    assert due_in_s(server) > 500


def test_what_no_reading_will_show_asks_once(server: Server, database: ScratchDatabase) -> None:
    put_off(server)
    database.execute("select relname from pg_class limit 1", "select table_name from information_schema.tables limit 1")
    assert due_in_s(server) > 500
    with database.connect() as connection:
        connection.execute("create temp table scratch (id int)")
        connection.execute("select id from scratch")
        assert due_in_s(server) <= 0
        pipeline.run_step(server, "schema", schema_step.read_schema)
        put_off(server)
        connection.execute("select id from scratch where id > 7")
        assert due_in_s(server) > 500


def test_readings_stay_a_minute_apart_and_cheap(server: Server, database: ScratchDatabase) -> None:
    put_off(server, started_s_ago=20)
    database.execute("create table soon as select 1 as id", "select id from soon")
    assert 30 < due_in_s(server) <= 40
    put_off(server, started_s_ago=100, took_ms=15_000)  # 5 % of the time: every five minutes
    database.execute("create table later as select 1 as id", "select id from later")
    assert 190 < due_in_s(server) <= 200


def test_other_databases_and_our_own_statements_ask_for_nothing(
    server: Server, database: ScratchDatabase, scratch_database: Any
) -> None:
    put_off(server)
    other: ScratchDatabase = scratch_database(database.server)
    other.execute("create table elsewhere as select 1 as id", "select id from elsewhere")
    assert due_in_s(server) > 500
