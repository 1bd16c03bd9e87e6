"""A plan that changed on a real server gets its cause: from the kept past through the twin to the finding's words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from analyzer.behaviour.planner_differences import Difference, differences, with_invalid_index
from analyzer.behaviour.planner_past import STATISTICS, PlannerPast
from analyzer.findings import Finding, Severity
from analyzer.models import Database, ExplainState, PlanCause, PlannerPiece, PlanPeriodRecord, Server, Statement
from analyzer.schema.storage import StorageFacts
from analyzer.steps import plan_causes
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store import planner_past
from analyzer.store.findings import keep_findings
from analyzer.store.parameters import SeenText, keep_samples
from analyzer.store.plan_periods import causes_of, note_plan
from analyzer.store.servers import add_server_from_dsn, connection_settings
from analyzer.twin import ANEW, lease
from analyzer.twin.snapshot import read_past
from tests.checks.builders import facts as build_facts
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
MADE = (
    "create table item (id int primary key, kind int not null, name text not null)",
    "alter table item set (autovacuum_enabled = off)",
    "insert into item select n, n % 5000, 'secret ' || n % 20 from generate_series(1, 60000) n",
    "create index ix_item_kind on item (kind)",
    "vacuum analyze item",
)


@pytest.fixture
def settings(settings: Any, own_dir: Path) -> Any:
    settings.VAR_DIR = own_dir
    return settings


@pytest.fixture
def shop(any_postgres: Any, scratch_database: Any, settings: Any) -> ScratchDatabase:
    database: ScratchDatabase = scratch_database(any_postgres)
    for statement in MADE:
        database.execute(statement)
    return database


def call(database: ScratchDatabase) -> None:
    with database.connect() as connection:
        for n in range(20):
            connection.execute("select * from item where kind = %s", (n,))


def look(server: Server, database: ScratchDatabase) -> None:
    call(database)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    pipeline.explain_statements(server)


def test_a_dropped_index_is_named_in_the_finding(shop: ScratchDatabase) -> None:
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    look(server, shop)
    assert pipeline.advise_on_indexes(server) == ""
    PlannerPiece.objects.update(first_seen=timezone.now() - timedelta(hours=1))  # before the plan was last seen
    shop.execute("drop index ix_item_kind", "create index ix_item_name on item (name)")
    look(server, shop)
    database = Database.objects.get(server=server, is_inspected=True)
    statement = Statement.objects.get(server=server, normalized_sql__contains="where kind =")
    periods = PlanPeriodRecord.objects.filter(statement=statement).order_by("first_seen")
    newest = periods.last()
    assert newest is not None
    slower = Finding(
        "ST010", "Plan changed", Severity.WARNING, f"plan {newest.shape[:8]}", "m", "h", {}, about=statement.fingerprint
    )
    keep_findings(server, database, [slower], ["ST010"])
    assert pipeline.advise_on_indexes(server) == ""
    cause = PlanCause.objects.get()
    assert cause.is_proved, cause.description
    assert cause.description.startswith(
        "The cause, by the planner twin: index ix_item_kind of public.item was dropped (between "
    )
    assert "still makes the old plan (Bitmap Index Scan on ix_item_kind)." in cause.description
    assert len(cause.evidence["causes"]) == 1
    assert len(cause.evidence["differences"]) == 2
    told = causes_of(database, [statement.pk])[statement.pk][cause.shape_before, cause.shape_after]
    assert (told.description, told.hint) == (cause.description, cause.hint)
    assert told.hint.startswith("Create the index again")
    pipeline.advise_on_indexes(server)
    assert PlanCause.objects.get().found_at == cause.found_at  # it is looked for once

    PlanCause.objects.all().delete()
    changed = newest.first_seen
    PlannerPiece.objects.filter(first_seen__lt=changed).update(last_seen=changed)  # the index was there with the plan
    assert pipeline.advise_on_indexes(server) == ""
    cause = PlanCause.objects.get()
    assert (cause.is_proved, cause.evidence["differences"]) == (False, []), cause.description


def test_other_values_are_named(postgres15: Any, scratch_database: Any, settings: Any) -> None:
    shop: ScratchDatabase = scratch_database(postgres15)
    shop.execute(
        *MADE[:2],
        "insert into item select n, case when n % 10 = 0 then n else 1 end, 'x' from generate_series(1, 60000) n",
        *MADE[3:],
    )
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    call(shop)
    pipeline.take_snapshot(server)
    database = Database.objects.get(server=server, is_inspected=True)
    statement = Statement.objects.get(server=server, normalized_sql__contains="where kind =")
    for kind in (500, 1):
        text = SeenText(statement.pk, f"select * from item where kind = {kind}", timezone.now(), None)
        keep_samples(database, [text])
        ExplainState.objects.update(next_at=timezone.now() - timedelta(hours=1))
        pipeline.explain_statements(server)
        pipeline.advise_on_indexes(server)
    newest = PlanPeriodRecord.objects.filter(statement=statement, values_source="sampled").order_by("first_seen").last()
    assert newest is not None
    assert "kind" not in newest.sql_encrypted
    slower = Finding(
        "ST010", "Plan changed", Severity.WARNING, f"plan {newest.shape[:8]}", "m", "h", {}, about=statement.fingerprint
    )
    keep_findings(server, database, [slower], ["ST010"])
    pipeline.advise_on_indexes(server)
    assert PlanCause.objects.get().evidence["causes"] == [["the values asked for are others"]]


def test_what_is_kept_is_encrypted_kept_once_and_goes_when_nobody_wants_it(
    shop: ScratchDatabase, settings: Any
) -> None:
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    look(server, shop)
    pipeline.advise_on_indexes(server)
    pieces = PlannerPiece.objects.filter(name="public.item")
    assert sorted(pieces.values_list("kind", flat=True)) == ["figures", "identity", "statistics", "structure"]
    assert not any("secret" in piece.data_encrypted for piece in pieces)
    database = Database.objects.get(server=server, is_inspected=True)
    kept = planner_past.past_at(database, timezone.now(), timezone.now())
    assert kept is not None
    assert "secret 7" in str(kept.tables["public.item"].statistics["name"]["most_common_vals"])
    pipeline.advise_on_indexes(server)
    assert pieces.count() == 4
    shop.execute("delete from item where name = 'secret 7'", "vacuum analyze item")
    with lease(connection_settings(server), settings.VAR_DIR, fresh_s=ANEW) as twin:
        planner_past.keep_past(database, read_past(twin, {"public.item"}), timezone.now())
    assert pieces.filter(kind=STATISTICS).count() == 2
    yesterday = timezone.now() - timedelta(days=1)
    assert planner_past.past_at(database, yesterday, yesterday) is None
    first = planner_past.past_at(database, yesterday, timezone.now())
    assert first is not None
    assert first.tables["public.item"] == kept.tables["public.item"]
    settings.ANALYZER_KEEP_PLANNER_DAYS = 0
    planner_past.drop_old(timezone.now())
    assert PlannerPiece.objects.count() == 0
    assert not PlanPeriodRecord.objects.exclude(sql_encrypted="").exists()
    pipeline.advise_on_indexes(server)
    assert PlannerPiece.objects.count() == 0
    assert PlanCause.objects.count() == 0


def test_of_past_days_each_days_last_is_kept(db: None) -> None:
    server = Server.objects.create(name="one", slug="one", host="h", user="u", dbname="shop")
    database = Database.objects.create(server=server, oid=5, name="shop")
    now = timezone.now().replace(hour=12, minute=0)
    for hours in range(24 * 40, 0, -6):
        at = now - timedelta(hours=hours)
        PlannerPiece.objects.create(
            database=database, kind=STATISTICS, name="public.item", digest=str(hours), data_encrypted="x",
            first_seen=at, last_seen=at + timedelta(hours=5),
        )  # fmt: skip
    planner_past.drop_old(now)
    pieces = list(PlannerPiece.objects.order_by("first_seen").values_list("first_seen", flat=True))
    assert now - timedelta(days=36) < pieces[0] < now - timedelta(days=34)
    recent = [at for at in pieces if at > now - timedelta(days=2)]
    assert len(recent) in (7, 8)
    assert len(pieces) - len(recent) in (33, 34, 35)


def test_a_fault_costs_the_one_cause_and_is_said(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server.objects.create(name="one", slug="one", host="h", user="u", dbname="shop")
    database = Database.objects.create(server=server, oid=5, name="shop")
    now = timezone.now()
    statement = Statement.objects.create(
        server=server, fingerprint="f1", normalized_sql="select 1", kind="select", first_seen=now, last_seen=now
    )
    for shape, at in (("aaaa", now - timedelta(hours=2)), ("bbbb", now - timedelta(hours=1))):
        note_plan(statement, database, shape, "none", at, is_by_twin=False)
    slower = Finding("ST010", "Plan changed", Severity.WARNING, "plan bbbb", "m", "h", {}, about="f1")
    keep_findings(server, database, [slower], ["ST010"])

    def fails(*_: object) -> None:
        raise ZeroDivisionError("a value of the data")

    monkeypatch.setattr(plan_causes, "_plan", fails)
    facts = build_facts({"tables": [{"name": "t"}]})
    assert [plan_causes.find_causes(server, database, facts, now) for _ in range(2)] == [1, 0]
    cause = PlanCause.objects.get()
    assert (cause.is_proved, cause.description) == (
        False,
        "The cause is not proved: pgLoupe could not work on this statement (ZeroDivisionError).",
    )
    days = [now + timedelta(days=day) for day in (0.5, 1, 1.5, 2, 3, 4, 5)]
    assert [plan_causes.find_causes(server, database, facts, day) for day in days] == [0, 1, 0, 1, 1, 0, 0]
    PlanCause.objects.update(is_proved=True, evidence={})
    assert plan_causes.find_causes(server, database, facts, now + timedelta(days=9)) == 0


def test_which_analyze_ran_between_two_readings() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    before, after, later = (noon + timedelta(hours=hours) for hours in (-1, 1, 2))
    words = {
        (None, noon): "by autoanalyze, 2026-11-30 12:00 UTC",
        (noon, before): "by an ANALYZE that somebody ran, 2026-11-30 12:00 UTC",
        (noon, later): "",  # an autoanalyze between is forgotten by the one since
        (before, None): "",
        (None, None): "",
    }
    for (by_hand, auto), expected in words.items():
        storage = StorageFacts(last_analyze=by_hand, last_autoanalyze=auto)
        assert plan_causes.analyzed_between(storage, before, after) == expected


def test_an_index_that_became_invalid_is_not_said_to_be_dropped() -> None:
    gone = Difference("index dropped", "public.t", "ix_t", "index ix_t of public.t was dropped", 4.0)
    for indexes, words in (
        ([], "index ix_t of public.t was dropped"),
        (
            [{"name": "ix_t", "columns": ["a"], "is_valid": False}],
            "index ix_t of public.t became invalid, so that the planner passes it by",
        ),
    ):
        facts = build_facts({"tables": [{"name": "t", "columns": ["a"], "indexes": indexes}]})
        assert with_invalid_index(gone, facts).description == words


def test_settings_that_count_memory_have_their_unit() -> None:
    then = PlannerPast({"work_mem": "4096", "effective_cache_size": "524288", "random_page_cost": "4"}, {})
    now = PlannerPast({"work_mem": "64", "effective_cache_size": "16384", "random_page_cost": "1.1"}, {})
    assert [difference.description for difference in differences(then, now)] == [
        "effective_cache_size changed from 4 GB to 128 MB",
        "random_page_cost changed from 4 to 1.1",
        "work_mem changed from 4 MB to 64 kB",
    ]
