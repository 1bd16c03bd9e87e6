"""Through the store: cursors, REFRESH, tenants and functions, from the sample to the plan and the suggestion."""

from typing import Any

import pytest

from analyzer.models import ExplainState, NoSuggestion, PlanRecord, Statement, SuggestionRecord
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps import texts as naming
from analyzer.store.servers import add_server_from_dsn

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TENANTS = ("tenant_1", "tenant_2", "tenant_10")
ROWS = "select g as id, g % 9000 as cust, repeat('n', 60) || g as note from generate_series(1, 40000) g"


@pytest.fixture
def settings(settings: Any, own_dir: Any) -> Any:
    settings.VAR_DIR = own_dir
    return settings


def plan_of(text: str) -> PlanRecord:
    return PlanRecord.objects.filter(statement__normalized_sql__startswith=text).order_by("-is_analyzed")[0]


def test_what_runs_inside_others_is_explained_and_advised_on(
    any_postgres: Any, scratch_database: Any, settings: Any
) -> None:
    database = scratch_database(any_postgres)
    database.execute(
        "set pg_stat_statements.track to none", f"create table o as {ROWS}",
        "create materialized view mv as select cust from o where note = 'n'", f"grant select on mv to {database.login}",
        *(
            f"create schema {name}; grant usage on schema {name} to {database.login};"
            f"create table {name}.inv as {ROWS}; grant select on {name}.inv to {database.login}"
            for name in TENANTS
        ),
    )  # fmt: skip
    database.vacuum()
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    for n in range(8):
        with database.connect(autocommit=False) as connection:
            cursor = f'"_django_curs_{n}_sync_{n}"'
            connection.execute(f"declare {cursor} no scroll cursor for select id from o where cust = {n}")
            connection.execute(f"fetch forward 2000 from {cursor}")
        with database.connect() as connection:
            connection.execute("refresh materialized view mv")
            for name in TENANTS:
                connection.execute(f"set search_path = {name}")
                connection.execute("select id from inv where cust = 7")
    pipeline.take_snapshot(server)
    naming.read_texts(server)
    pipeline.explain_statements(server)
    states = {s.statement.normalized_sql.split()[0]: s for s in ExplainState.objects.select_related("statement")}
    assert {s.outcome for s in states.values()} <= {"executed", "plan_only"}
    declared, refreshed, of_tenant = plan_of("declare"), plan_of("refresh"), plan_of("select id from inv")
    assert declared.rewrites[0] == "the query inside DECLARE CURSOR was planned"
    assert refreshed.rewrites[0] == "the query of the materialized view was planned"
    assert of_tenant.rewrites[0] == "of 3 schemas that have its tables one was taken (tenant_1.inv)"
    assert of_tenant.plan[0]["Plan"].get("Schema") == "tenant_1"
    assert Statement.objects.filter(normalized_sql__startswith="declare").count() == 1
    assert not Statement.objects.filter(normalized_sql__startswith="fetch").exists()

    assert pipeline.advise_on_indexes(server) == ""
    records = list(SuggestionRecord.objects.filter(closed_at__isnull=True))
    suggested = {s.table: s for s in records}
    for_tenants = suggested["tenant_1.inv"]
    assert for_tenants.ddl.count("CREATE INDEX CONCURRENTLY") == 3
    assert for_tenants.reason.startswith("The same for inv in each of 3 schemas: tenant_1, tenant_2, tenant_10. ")
    assert for_tenants.definition["also"] == [["tenant_10", "inv"], ["tenant_2", "inv"]]
    helped = {h["fingerprint"] for s in records for h in s.helps}  # a table may get two
    # an index, or why none: beside the refreshed view the cursor may be too small a part of the load for one
    told = set(NoSuggestion.objects.values_list("statement__fingerprint", flat=True))
    assert declared.statement.fingerprint in helped | told
    assert not NoSuggestion.objects.filter(reason__contains="does not exist").exists()
