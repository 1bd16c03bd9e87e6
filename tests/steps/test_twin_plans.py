"""Statements that the server must not be asked for get the planner twin's plan, and the page says so."""

from pathlib import Path
from typing import Any

import pytest

from analyzer.models import ExplainAudit, ExplainState, PlanRecord, Server
from analyzer.runtime.processes import RuntimeFailure
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ASKED = "The server was not asked; this is the plan of pgLoupe's planner twin, made of your schema and statistics."
SCHEMA = (
    "create table item as select n as id, n % 100 as kind, md5(n::text) as name from generate_series(1, 20000) n",
    "alter table item add primary key (id)",
    "create index item_kind on item (kind)",
    # as many applications have one: what it calls may be anybody's by now
    "create function plain(t text) returns text language plpgsql immutable as $$ begin return lower(t); end $$",
    "create schema hidden",
)


@pytest.fixture
def settings(settings: Any, own_dir: Path) -> Any:
    settings.VAR_DIR = own_dir
    return settings


def recorded(database: ScratchDatabase, dsn: str) -> Server:
    server = add_server_from_dsn(dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    with database.connect() as connection:
        for n in range(20):
            connection.execute("select id from item where plain(name) = %s", (f"a{n}",))
            connection.execute("update item set name = %s where kind = %s and id < 0", ("a", n))
            connection.execute("select name from item where kind = %s and id < 500", (n,))
    pipeline.take_snapshot(server)
    return server


def outcomes() -> dict[str, tuple[str, str, str]]:
    """Of each statement: the gate's layer, its outcome, its plan's first node."""
    found = {}
    for state in ExplainState.objects.select_related("statement"):
        word = next(w for w in ("plain", "update", "name from item") if w in state.statement.normalized_sql.lower())
        plan = PlanRecord.objects.filter(statement=state.statement).first()
        audit = ExplainAudit.objects.filter(statement=state.statement).latest("at")
        node = plan.plan[0]["Plan"]["Node Type"] if plan else ""
        found[word] = (audit.layer, state.outcome, f"twin: {node}" if plan and plan.is_by_twin else node)
    return found


def test_code_of_users_and_changes_are_planned_on_the_twin(
    any_postgres: Any, scratch_database: Any, settings: Any
) -> None:
    database = scratch_database(any_postgres)
    database.execute(*SCHEMA)
    database.vacuum()
    server = recorded(database, database.dsn)
    assert pipeline.explain_statements(server) == ""
    found = outcomes()
    assert found.pop("name from item")[:2] in [("", "executed"), ("load", "plan_only")]
    assert found == {
        "plain": ("catalog", "plan_only", "twin: Seq Scan"),
        "update": ("ast", "plan_only", "twin: ModifyTable"),
    }
    reasons = set(ExplainState.objects.filter(outcome="plan_only").values_list("reason", flat=True))
    assert f"The function plain is not PostgreSQL's own, so it may do anything. {ASKED}" in reasons
    assert f"It changes data (UPDATE), so the server is not asked for it. {ASKED}" in reasons
    assert not ExplainAudit.objects.filter(layer="catalog").exclude(duration_ms=0.0).exists()


def test_login_that_may_write_gets_all_its_plans_from_the_twin(
    postgres18: Any, scratch_database: Any, settings: Any
) -> None:
    database = scratch_database(postgres18)
    database.execute(*SCHEMA)
    database.vacuum()
    server = recorded(database, database.superuser_dsn)
    pipeline.explain_statements(server)
    assert {layer: node[:5] for layer, _, node in outcomes().values()} == {"login": "twin:", "ast": "twin:"}
    assert {outcome for _, outcome, _ in outcomes().values()} == {"plan_only"}


def test_where_the_twin_cannot_plan_it_either_that_is_said(
    postgres18: Any, scratch_database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = scratch_database(postgres18)
    database.execute(*SCHEMA)
    database.vacuum()
    server = recorded(database, database.dsn)

    def refused(*_: Any, **__: Any) -> Any:
        raise RuntimeFailure("pg_dump is not installed")

    monkeypatch.setattr("analyzer.steps.explain_on_twin.lease", refused)
    pipeline.explain_statements(server)
    reason = ExplainState.objects.get(statement__normalized_sql__contains="plain").reason
    assert reason == (
        "The function plain is not PostgreSQL's own, so it may do anything."
        " Nor did pgLoupe's planner twin plan it: pg_dump is not installed."
    )
    assert not PlanRecord.objects.filter(is_by_twin=True).exists()
