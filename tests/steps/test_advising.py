"""The recorded workload of a real server goes through the twin; what is kept, and what becomes of failures."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from analyzer.checks import Context, Rules, run_checks
from analyzer.checks.index import redundant_index
from analyzer.models import (
    AdviceRun,
    FindingRecord,
    NoSuggestion,
    PlanRecord,
    Server,
    Snapshot,
    Statement,
    StatementEntry,
    SuggestionRecord,
)
from analyzer.steps import advise as advice_runs
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store import schemas
from analyzer.store.needless_indexes import plans_without
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase
from tests.waiting import wait_for_scans

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SCHEMA = (
    "create table parent as select n as id from generate_series(1, 2000) n",
    "alter table parent add primary key (id)",
    # vacuumed at a moment of its own choosing it would be read by index alone or not, and advised on otherwise
    "create table item with (autovacuum_enabled = off) as"
    " select n as id, n % 5000 as kind, case when n % 50 = 0 then 'open' else 'done' end as status,"
    " 1 + n % 2000 as parent_id, md5(n::text) as name, repeat('x', 60) as filler from generate_series(1, 60000) n",
    "alter table item add primary key (id), add constraint item_parent foreign key (parent_id) references parent",
    "create index item_open on item (id) where status = 'open'",
    "create index item_kind_spare on item (kind)",
    "create index item_kind_more on item (kind, name)",
    "analyze",
)
SEARCH = "select * from item where upper(name) like '%%' || %s || '%%' order by name limit 50"


@pytest.fixture
def settings(settings: Any, own_dir: Path) -> Any:
    settings.VAR_DIR = own_dir
    return settings


@pytest.fixture
def shop(postgres18: Any, scratch_database: Any, settings: Any) -> ScratchDatabase:
    database: ScratchDatabase = scratch_database(postgres18)
    database.execute(*SCHEMA)
    return database


def use(database: ScratchDatabase) -> None:
    with database.connect() as connection:
        for n in range(20):
            connection.execute("select filler from item where name = %s", (str(n),))
            connection.execute("select id from item where status = 'open' and id > %s order by id limit 5", (n * 100,))
            connection.execute("select max(filler) from item where kind = %s", (n,))
            connection.execute(SEARCH, (f"{n:X}F{n:X}",))
            connection.execute("delete from parent where id = %s and id < 0", (n,))


def recorded(database: ScratchDatabase) -> Server:
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    use(database)
    pipeline.take_snapshot(server)
    pipeline.explain_statements(server)
    check_server(server)
    return server


def test_suggestions_are_proved_and_rules_give_way(shop: ScratchDatabase) -> None:
    server = recorded(shop)
    by_rule = SuggestionRecord.objects.get(columns=["name"])
    assert by_rule.level == "rule"

    assert pipeline.advise_on_indexes(server) == ""

    run = AdviceRun.objects.get()
    assert (run.problem, run.made_at is not None, run.statements >= 4) == ("", True, True)
    assert run.plans_made > 0
    planned = SuggestionRecord.objects.filter(closed_at=None, level="planned")
    by_columns = {tuple(suggestion.columns): suggestion for suggestion in planned}
    assert set(by_columns) == {("name",), ("upper(name)",)}
    # a search inside texts: trigrams, with what they need first and the statistics of the expression last
    [extension, build, analyze] = by_columns["upper(name)",].ddl.splitlines()[-3:]
    assert extension == "CREATE EXTENSION IF NOT EXISTS pg_trgm;"
    assert build.endswith("ON public.item USING gin ((upper(name)) gin_trgm_ops);")
    assert analyze == "ANALYZE public.item;"
    record = by_columns["name",]
    evidence = record.evidence
    [helped] = [s for s in evidence["statements"] if s["cost_before"] > 100 * s["cost_after"]]
    assert "Seq Scan on item became Index" in helped["change"]
    assert evidence["planner"] == "twin"
    assert evidence["build_time_s"] > 0
    assert "name finds the rows by equality" in record.reason
    # where the planner also takes it for the order of a search that finds next to nothing, that is said
    dearer = {s["fingerprint"] for s in evidence["statements"] if s["cost_after"] > 1.1 * s["cost_before"]}
    assert dearer <= {h["fingerprint"] for h in evidence["hurt"]}
    # in the order of the primary key any status is met with soon enough
    said = dict(NoSuggestion.objects.values_list("statement__normalized_sql", "reason"))
    assert any("status" in sql for sql in said)
    [drop] = run.result["drops"]
    assert drop["index"] == "public.item_kind_spare"
    assert drop["statements"] == ["DROP INDEX CONCURRENTLY IF EXISTS public.item_kind_spare"]
    assert run.result["curve"][-1]["budget_bytes"] is None
    # and the finding of the redundant index carries the proof
    facts = schemas.newest_schema(run.database)
    proofs = plans_without(run.database, facts, timezone.now())
    assert [(proof.name, proof.statements >= 3, proof.may_go) for proof in proofs.values()] == [
        ("item_kind_spare", True, True)
    ]
    every_size = Rules(thresholds={("IX003", "size"): 0.0})
    [finding] = run_checks(
        facts, Context(without_index=proofs), checks=[redundant_index.check], rules=every_size
    ).findings
    assert "gets dearer without it (planned)" in finding.message
    # the next check leaves a planner's advice alone
    check_server(server)
    record.refresh_from_db()
    assert (record.level, record.closed_at) == ("planned", None)


def test_the_twin_plans_what_the_server_planned(shop: ScratchDatabase) -> None:
    server = recorded(shop)
    pipeline.advise_on_indexes(server)
    verdicts = set(PlanRecord.objects.values_list("twin_verdict", flat=True))
    assert verdicts <= {"same plan", ""}
    assert "same plan" in verdicts


def test_nothing_that_our_login_sent_stands_in_a_list(shop: ScratchDatabase) -> None:
    """pg_dump cannot mark its statements: SET, LOCK TABLE and calls of catalog functions are known by the login."""
    server = recorded(shop)
    pipeline.advise_on_indexes(server)  # dumps the schema
    before = pipeline.take_snapshot(server)
    ours = server.roles.get(name=server.user).oid
    entries = StatementEntry.objects.filter(server=server, role_oid=ours)
    assert entries.filter(is_own=True).count() > 30
    others = entries.filter(is_own=False)
    assert list(others.values_list("statement__normalized_sql", flat=True)) == [], before
    assert not Statement.objects.filter(server=server, normalized_sql__icontains="LOCK TABLE").exists()
    assert Snapshot.objects.latest("taken_at").own_exec_time_ms > 0


def test_a_deleted_parent_asks_for_its_children(shop: ScratchDatabase) -> None:
    begun = time.monotonic()
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    use(shop)
    shop.execute("delete from item where parent_id <= 300", "delete from parent where id <= 300", "analyze")
    for _ in range(2):
        pipeline.take_snapshot(server)
        schema_step.read_schema(server)
    check_server(server)
    pipeline.advise_on_indexes(server)
    record = SuggestionRecord.objects.get(columns=["parent_id"], closed_at=None)
    assert record.finding_keys == ["SC001:public.item.item_parent:item_parent"]
    assert record.evidence["writes_per_day"] is None  # seconds say nothing of a day
    assert record.evidence["writes_seen"] >= 300
    assert record.evidence["writes_seen_in_s"] <= time.monotonic() - begun
    assert record.warnings == []  # the evidence weighs the writes, and in figures


def test_a_run_that_fails_says_why_and_keeps_the_last_result(shop: ScratchDatabase, settings: Any) -> None:
    server = recorded(shop)
    pipeline.advise_on_indexes(server)
    before = AdviceRun.objects.get()
    settings.VAR_DIR = settings.VAR_DIR / "elsewhere"
    settings.VAR_DIR.write_text("a file where a directory has to be")
    said = pipeline.advise_on_indexes(server)
    run = AdviceRun.objects.get()
    assert said == run.problem == f"The twin's files under {settings.VAR_DIR} cannot be written: Not a directory"
    assert (run.made_at, run.result) == (before.made_at, before.result)
    assert run.tried_at > before.tried_at
    assert advice_runs.is_current(server, run.database, timezone.now())


def test_a_queue_with_its_partial_index_is_left_alone(scratch_database: Any, postgres18: Any, settings: Any) -> None:
    """No sample shows which status is polled, and nearly every row has another: the index that is scanned tells."""
    database: ScratchDatabase = scratch_database(postgres18)
    database.execute(
        "create table job as select n as id, case when n % 500 = 0 then 'failed' else 'done' end as status,"
        " timestamptz '2024-01-01' + n * interval '1 minute' as run_at, repeat('x', 40) as task"
        " from generate_series(1, 60000) as n",
        "create index job_queue on job (run_at) where status = 'queued'",
    )
    database.vacuum()
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    with database.connect() as connection:
        for _ in range(200):
            connection.execute(
                "select id from job where status = 'queued' and run_at <= now() order by run_at limit 1 for update"
            )
    wait_for_scans(database, "job_queue", 1)
    schema_step.read_schema(server)
    pipeline.take_snapshot(server)
    pipeline.explain_statements(server)
    check_server(server)
    assert pipeline.advise_on_indexes(server) == ""
    assert not SuggestionRecord.objects.filter(closed_at=None, table="public.job").exists()
    assert not FindingRecord.objects.filter(code="PL004", closed_at=None).exists()
