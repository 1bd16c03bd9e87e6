"""A server's other databases: found by their load, read, planned, advised on; left out where an operator says so."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from analyzer.errors import MonitoredServerError
from analyzer.models import AdviceRun, Database, FindingRecord, PlanRecord, SchemaReading, Server
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store.databases import choose_databases, inspected_databases, is_left_out
from analyzer.store.servers import add_server_from_dsn

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
SLOW = "select count(*) from event where kind = 7"


@pytest.fixture
def three(postgres15: Any, scratch_database: Any) -> Iterator[Any]:
    """Three databases of one server: the one that is watched, one with a slow statement, one without load."""
    here, busy, idle = (scratch_database(postgres15) for _ in range(3))
    for database in (busy, idle):
        with database.connect() as admin:
            for right in ("pg_read_all_data", "pg_monitor"):
                admin.execute(
                    psycopg.sql.SQL("grant {} to {}").format(*map(psycopg.sql.Identifier, (right, here.login)))
                )
            admin.execute(
                psycopg.sql.SQL("grant connect on database {} to {}").format(
                    *map(psycopg.sql.Identifier, (database.name, here.login))
                )
            )
    busy.execute(
        "create table kind (id int primary key)",
        "insert into kind select generate_series(1, 100)",
        "create table event (id int primary key, kind int references kind on delete cascade, note text)",
        "insert into event select g, g % 100 + 1, repeat('x', 200) from generate_series(1, 60000) g",
        "analyze",
    )
    server = add_server_from_dsn(here.dsn, cores=64)
    for database in (here, busy):  # names of all are known with the first schema reading
        database.execute("select 1")
    yield server, here, busy, idle
    with here.connect() as admin:
        for database in (busy, idle):
            admin.execute(
                psycopg.sql.SQL("revoke connect on database {} from {}").format(
                    *map(psycopg.sql.Identifier, (database.name, here.login))
                )
            )


def sampled(server: Server, busy: Any) -> None:
    schema_step.read_schema(server)
    pipeline.take_snapshot(server)
    for _ in range(3):
        busy.execute(SLOW)
    pipeline.take_snapshot(server)


def test_a_database_with_load_is_read_planned_and_advised_on(three):
    server, here, busy, idle = three
    sampled(server, busy)
    schema_step.read_schema(server)
    names = [database.name for database in inspected_databases(server)]
    assert names[0] == here.name
    assert busy.name in names
    assert idle.name not in names
    there = Database.objects.get(server=server, name=busy.name)
    assert SchemaReading.objects.filter(database=there).count() == 1
    pipeline.explain_statements(server)
    plan = PlanRecord.objects.get(database=there, statement__normalized_sql__contains="from event")
    assert plan.is_analyzed
    check_server(server)
    found = set(FindingRecord.objects.filter(server=server, database=there).values_list("code", flat=True))
    assert {"PL004", "SC001"} <= found
    assert not FindingRecord.objects.filter(database__name=here.name, code__in=["PL004", "SC001"]).exists()
    pipeline.advise_on_indexes(server)
    run = AdviceRun.objects.get(database=there)
    assert run.problem == ""
    assert any("kind" in index["definition"] for index in run.result["indexes"])


def test_what_an_operator_left_out_is_not_read(three):
    server, here, busy, _ = three
    server.databases_not = [f"{busy.name[:-2]}*"]
    server.save()
    sampled(server, busy)
    schema_step.read_schema(server)
    assert [database.name for database in inspected_databases(server)] == [here.name]
    assert is_left_out(server, busy.name)
    server.databases_only, server.databases_not = ["nothing-else"], []
    assert is_left_out(server, busy.name)
    assert not is_left_out(server, here.name)


def test_one_that_cannot_be_read_costs_the_others_nothing(three):
    server, here, busy, _ = three
    with busy.connect() as admin:
        admin.execute(
            psycopg.sql.SQL("revoke connect on database {} from public").format(psycopg.sql.Identifier(busy.name))
        )
        admin.execute(
            psycopg.sql.SQL("revoke connect on database {} from {}").format(
                *map(psycopg.sql.Identifier, (busy.name, here.login))
            )
        )
    sampled(server, busy)
    note = schema_step.read_schema(server)
    assert "1 of its databases could not be read" in note
    there = Database.objects.get(server=server, name=busy.name)
    assert "GRANT CONNECT is missing" in there.problem
    assert SchemaReading.objects.filter(database__name=here.name).exists()
    assert "waiting" not in check_server(server)


def test_the_busiest_are_chosen_and_stay_while_idle(three):
    server, here, busy, idle = three
    schema_step.read_schema(server)
    oids = dict(Database.objects.filter(server=server).values_list("name", "oid"))
    choose_databases(server, {oids[idle.name]: 5.0})
    choose_databases(server, {oids[busy.name]: 5.0})
    assert {d.name for d in inspected_databases(server)} >= {here.name, busy.name, idle.name}
    assert not Database.objects.filter(server=server, name__in=["template0", "template1"], is_inspected=True).exists()


def test_databases_take_turns_with_the_advisor(three):
    server, here, busy, _ = three
    sampled(server, busy)
    here.execute("create table own (id int primary key)", "select * from own")
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    pipeline.advise_on_indexes(server)
    first = AdviceRun.objects.get().database
    AdviceRun.objects.update(tried_at=timezone.now() - timedelta(minutes=1))
    pipeline.advise_on_indexes(server)
    assert {first.name, AdviceRun.objects.latest("tried_at").database.name} == {here.name, busy.name}


def test_one_without_advice_leaves_the_others_their_turn(three):
    server, here, busy, _ = three
    sampled(server, busy)
    here.execute("checkpoint")  # load, and nothing to plan
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    notes = [pipeline.advise_on_indexes(server) for _ in range(2)]
    assert "waiting for statements" in notes
    assert AdviceRun.objects.get(made_at__isnull=False).database.name == busy.name
    AdviceRun.objects.update(tried_at=timezone.now() - timedelta(minutes=1))
    AdviceRun.objects.filter(database__name=busy.name).update(tried_at=timezone.now() - timedelta(minutes=2))
    busy.execute(f"revoke connect on database {busy.name} from {here.login}, public")
    with pytest.raises(MonitoredServerError):
        pipeline.advise_on_indexes(server)
    assert AdviceRun.objects.latest("tried_at").database.name == busy.name


def test_a_schema_of_another_version_keeps_no_other_database_from_advice(three):
    server, here, busy, _ = three
    sampled(server, busy)
    here.execute("create table own (id int primary key)", "select * from own")
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    SchemaReading.objects.filter(database__name=here.name).update(facts=b"{}", confirmed_at=timezone.now())
    for _ in range(2):
        assert pipeline.advise_on_indexes(server) != "waiting for the first reading of the schema"
    assert [run.database.name for run in AdviceRun.objects.all()] == [busy.name]
