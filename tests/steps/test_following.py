"""A suggested index is built on a real server, under another name: it becomes built, then realised or not used."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from analyzer.models import PlanRecord, Server, SuggestionRecord
from analyzer.steps import follow
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store import tidying
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase
from tests.waiting import wait_for_scans

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TABLE = (
    "create table item as select n as id, n % 5000 as kind, repeat('x', 60) as filler from generate_series(1, 60000) n",
    "alter table item add primary key (id)",
    "analyze item",
)


@pytest.fixture
def shop(any_postgres: Any, scratch_database: Any) -> ScratchDatabase:
    database: ScratchDatabase = scratch_database(any_postgres)
    database.execute(*TABLE)
    return database


@pytest.fixture
def shop18(postgres18: Any, scratch_database: Any) -> ScratchDatabase:
    database: ScratchDatabase = scratch_database(postgres18)
    database.execute(*TABLE)
    return database


def call(database: ScratchDatabase, times: int, *settings: str) -> None:
    with database.connect() as connection:
        for setting in settings:
            connection.execute(setting)
        for n in range(times):
            connection.execute("select * from item where kind = %s", (n % 100,))


def suggested(database: ScratchDatabase) -> tuple[Server, SuggestionRecord]:
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    call(database, 20)
    pipeline.take_snapshot(server)
    pipeline.explain_statements(server)
    check_server(server)
    record = SuggestionRecord.objects.get()
    assert (record.state, record.columns, record.level) == ("suggested", ["kind"], "rule")
    return server, record


def look(server: Server, record: SuggestionRecord) -> SuggestionRecord:
    schema_step.read_schema(server)
    check_server(server)
    record.refresh_from_db()
    return record


def test_built_under_another_name_it_becomes_realised(shop: ScratchDatabase) -> None:
    server, record = suggested(shop)
    call(shop, 10)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    shop.execute("create index concurrently somebodys_index on item (kind)")
    look(server, record)
    assert (record.state, record.built_index_name, record.level) == ("built", "somebodys_index", "rule")
    assert record.closed_at is not None  # nothing to create any more
    assert record.outcome["calls"] == 0
    pipeline.take_snapshot(server)
    call(shop, 29)
    pipeline.take_snapshot(server)
    look(server, record)
    assert (record.state, record.outcome["calls"], record.outcome["calls_wanted"]) == ("built", 29, 30)
    call(shop, 1)
    wait_for_scans(shop, "somebodys_index", 30)
    pipeline.take_snapshot(server)
    pipeline.explain_statements(server)  # the table's indexes changed, so it is explained again
    look(server, record)
    assert (record.state, record.level, record.outcome["calls"]) == ("realised", "realised", 30)
    [statement] = record.outcome["statements"]
    before, after = statement["before"], statement["after"]
    assert (before["calls"], after["calls"]) == (30, 30)
    assert before["blocks_per_call"] > 500 > 50 > after["blocks_per_call"]
    assert before["mean_exec_time_ms"] > after["mean_exec_time_ms"]
    assert record.outcome["scans"] >= 30
    assert statement["plan_change"].startswith("Seq Scan on item became ")
    assert "using somebodys_index" in statement["plan_change"]
    assert PlanRecord.objects.filter(statement__fingerprint=statement["fingerprint"]).count() >= 2
    assert record.outcome["drop_ddl"] == ""


def test_not_used_offers_the_drop_and_a_late_scan_changes_the_verdict(shop18: ScratchDatabase, settings: Any) -> None:
    settings.ANALYZER_OUTCOME_WAIT_S = 0
    server, record = suggested(shop18)
    shop18.execute('create index "Odd Name" on item (kind)')
    look(server, record)
    assert record.state == "built"
    pipeline.take_snapshot(server)
    call(shop18, 30, "set enable_indexscan = off", "set enable_bitmapscan = off")
    pipeline.take_snapshot(server)
    look(server, record)
    assert (record.state, record.outcome["scans"]) == ("not_used", 0)
    assert record.outcome["drop_ddl"] == 'DROP INDEX CONCURRENTLY IF EXISTS public."Odd Name";\n'
    call(shop18, 1)
    wait_for_scans(shop18, "Odd Name", 1)
    look(server, record)
    assert (record.state, record.outcome["drop_ddl"]) == ("built", "")  # one of 30 calls: hardly used
    call(shop18, 3)
    wait_for_scans(shop18, "Odd Name", 4)
    pipeline.take_snapshot(server)
    look(server, record)
    assert (record.state, record.outcome["drop_ddl"]) == ("built", "")  # used, by what is not known
    pipeline.explain_statements(server)
    look(server, record)
    assert (record.state, record.outcome["statements"][0]["uses_index"]) == ("realised", True)


def test_plans_are_read_once_where_none_was_seen_since(
    shop18: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, record = suggested(shop18)
    shop18.execute("create index theirs on item (kind)")
    look(server, record)
    pipeline.explain_statements(server)
    look(server, record)
    [statement] = record.outcome["statements"]
    assert (statement["uses_index"], "using theirs" in statement["plan_change"]) == (True, True)
    reading, read = follow.parse_plan, []
    monkeypatch.setattr(follow, "parse_plan", lambda plan: read.append(plan) or reading(plan))
    record.outcome |= {"statements": [statement | {"uses_index": False}]}
    record.save()
    look(server, record)
    assert read != []  # it may have been kept after the look
    read.clear()
    record.outcome |= {"statements": [statement], "looked_at": (timezone.now() + timedelta(hours=1)).isoformat()}
    record.save()
    look(server, record)
    assert (read, record.outcome["statements"][0]["plan_change"]) == ([], statement["plan_change"])


def test_indexes_built_together_for_the_same_statement_share_what_changed(shop18: ScratchDatabase) -> None:
    server, record = suggested(shop18)
    shop18.execute("create index theirs on item (kind)")
    look(server, record)
    assert record.outcome["shared_with"] == []
    twin, stranger = SuggestionRecord.objects.get(), SuggestionRecord.objects.get()
    for other, name, helps in ((twin, "also_theirs", record.helps), (stranger, "elsewhere", [])):
        other.pk, other.key, other.built_index_name, other.helps = None, name, name, helps
        other.definition = {}
        other.save()
    look(server, record)
    assert record.outcome["shared_with"] == ["also_theirs"]


def test_sums_of_whole_minutes_do_not_mix_before_and_after(shop18: ScratchDatabase) -> None:
    server, record = suggested(shop18)
    call(shop18, 30)
    pipeline.take_snapshot(server)
    shop18.execute("create index theirs on item (kind)")
    look(server, record)
    pipeline.take_snapshot(server)
    call(shop18, 10)
    pipeline.take_snapshot(server)
    tidying.tidy_store(timezone.now() + timedelta(minutes=20))  # rolls up all that was read
    look(server, record)
    [statement] = record.outcome["statements"]
    assert statement["after"]["calls"] == 10
    assert statement["after"]["blocks_per_call"] < 50


def test_dropped_again_it_is_suggested_again(shop18: ScratchDatabase) -> None:
    server, record = suggested(shop18)
    shop18.execute("create index theirs on item (kind)")
    assert look(server, record).state == "built"
    shop18.execute("drop index theirs")
    look(server, record)
    assert (record.state, record.closed_at, record.built_at, record.outcome) == ("suggested", None, None, {})
    assert SuggestionRecord.objects.count() == 1


def test_an_index_built_after_the_suggestion_closed_counts_once(shop18: ScratchDatabase) -> None:
    server, record = suggested(shop18)
    SuggestionRecord.objects.update(state="closed", closed_at=record.last_seen)
    twin = SuggestionRecord.objects.get()
    twin.pk, twin.key = None, "the same, told by somebody else"
    twin.save()
    shop18.execute("create index theirs on item (kind)")
    look(server, record)
    assert sorted(SuggestionRecord.objects.values_list("state", flat=True)) == ["built", "closed"]


def test_an_index_we_fail_on_is_named_and_the_others_are_followed(
    shop18: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, record = suggested(shop18)
    odd = SuggestionRecord.objects.get()
    odd.pk, odd.key, odd.name, odd.definition = None, "odd", "odd", {**record.definition, "predicate": "odd"}
    odd.first_seen -= timedelta(days=1)  # looked at before the other
    odd.save()
    real = follow.built_indexes

    def failing(definition: Any, facts: Any) -> Any:
        if definition.predicate == "odd":
            raise TypeError("secret")
        return real(definition, facts)

    monkeypatch.setattr(follow, "built_indexes", failing)
    shop18.execute("create index theirs on item (kind)")
    schema_step.read_schema(server)
    assert "Index odd: pgLoupe could not work on this index (TypeError)" in check_server(server)
    record.refresh_from_db()
    assert record.state == "built"


def test_what_goes_for_another_reason_is_closed_not_built(shop18: ScratchDatabase) -> None:
    server, record = suggested(shop18)
    shop18.execute("create index wider on item (kind, filler)")
    look(server, record)
    assert (record.state, record.built_at) == ("closed", None)


def test_of_tenants_it_is_built_when_all_have_it_and_judged_by_the_scans_of_all(shop18: ScratchDatabase) -> None:
    tenants = ("t1", "t2")
    for schema in tenants:
        shop18.execute(f"create schema {schema}", f"create table {schema}.item as select * from item")
    shop18.execute("drop table item", "analyze")

    def call_each(times: int) -> None:
        for schema in tenants:
            call(shop18, times, f"set search_path to {schema}")

    server = add_server_from_dsn(shop18.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    call_each(10)
    pipeline.take_snapshot(server)
    check_server(server)
    record = SuggestionRecord.objects.get()
    assert [record.definition["schema"], *(schema for schema, _ in record.definition["also"])] == ["t1", "t2"]
    schema_step.read_schema(server)
    shop18.execute("create index one on t1.item (kind)")
    assert look(server, record).built_at is None
    shop18.execute("create index other on t2.item (kind)")
    assert look(server, record).state == "built"
    pipeline.take_snapshot(server)
    call(shop18, 40, "set search_path to t2")  # the tenant that the suggestion was not planned on
    wait_for_scans(shop18, "other", 40)
    pipeline.take_snapshot(server)
    assert look(server, record).state == "realised"
    assert record.outcome["scans"] == 40
    assert len(record.outcome["scans_counters"]) == 2
