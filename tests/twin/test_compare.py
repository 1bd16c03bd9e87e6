"""What the gate made of a statement on the server, beside what the twin makes of it."""

import json
from datetime import UTC, datetime

import pytest

from analyzer.advice.planner import Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainRequest, explain_statement
from analyzer.plans import redact_plan
from analyzer.plans.compare import Sameness
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.predicates import parameter_columns
from analyzer.statements.preparable import preparable_sql
from analyzer.twin import lease
from analyzer.twin.compare import compare_with_server
from analyzer.values.choose import ColumnValues, choose_values, fixed_values
from tests.monitored.application_sql import SCHEMA, STATEMENTS
from tests.servers import ScratchDatabase
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

ROOMY = ExplainLimits(cores=64)


@pytest.fixture(scope="module")
def shop(postgres):
    database = ScratchDatabase(postgres(18))
    database.execute(*SCHEMA)
    database.execute("vacuum")
    yield database
    database.drop()


@pytest.fixture(scope="module")
def twin(shop, var_dir):
    with lease(settings_of(shop.dsn), var_dir) as found:
        yield found


def server_plans(database, sql, mode="plain", sampled=()):
    request = ExplainRequest(sql, fingerprint(sql), sampled, mode)
    return {o.values_source: o for o in explain_statement(settings_of(database.dsn), request, ROOMY) if o.plan_json}


def generic_plan(database, sql):
    with database.connect() as connection:
        text = f"explain (generic_plan, verbose, format json) {preparable_sql(sql).sql}"
        (plan,) = connection.execute(text).fetchone()
    return redact_plan(plan)


def chosen_values(twin, sql, facts):
    """By source, as the gate chose them: the same rule over the same statistics."""
    text = preparable_sql(sql).sql
    uses = parameter_columns(text, facts)
    statistics = {}
    for use in uses.values():
        table = facts.find_table(use.table, use.schema or None) if use.table and use.column else None
        known = twin.column_statistics(table.schema, table.name).get(use.column) if table else None
        if known is not None:
            statistics[use.schema or "", use.table, use.column] = ColumnValues.of(known)
    sets = choose_values(uses, twin.parameter_types(text), statistics, datetime.now(UTC), fixed_values(text))
    return {values.source: values.literals for values in sets}


@pytest.mark.parametrize("name", STATEMENTS)
def test_generic_plan_is_the_servers(name, shop, twin):
    sql = STATEMENTS[name]
    found = compare_with_server(twin, sql, None, generic_plan(shop, sql))
    assert found == Sameness("same plan", True, pytest.approx(1, abs=0.001)), found


def test_executed_plan_with_the_same_values_is_the_servers(shop, twin):
    with connect(settings_of(shop.dsn)) as connection:
        facts = read_schema(connection)
    sql = STATEMENTS["page"].replace("LIMIT $2 OFFSET $3", "LIMIT 20")
    plans = server_plans(shop, sql, "analyze")
    assert set(plans) == {"typical", "rare"}
    values = chosen_values(twin, sql, facts)
    for source, outcome in plans.items():
        assert outcome.plan.is_analyzed
        found = compare_with_server(twin, sql, values[source], outcome.plan_json)
        assert found == Sameness("same plan", True, pytest.approx(1, abs=0.001)), source
    # the values matter: those of the other plan do not give its cost
    assert compare_with_server(twin, sql, values["rare"], plans["typical"].plan_json).verdict != "same plan"


def test_sampled_plan_is_compared_by_the_text_with_its_values(shop, twin):
    sql = 'SELECT * FROM "orders" WHERE "orders"."status" = $1 ORDER BY "note"'
    sample = sql.replace("$1", "'lost'")
    plan = server_plans(shop, sql, sampled=(sample,))["sampled"].plan_json
    assert "lost" not in json.dumps(plan)
    assert compare_with_server(twin, sample, None, plan).verdict == "same plan"
    # the text without its values is another question
    assert compare_with_server(twin, sql, None, plan).verdict.startswith("same shape, cost within")


def test_difference_is_told_in_words(shop, twin):
    sql = 'SELECT "id" FROM "orders" WHERE "orders"."shipped_on" = $1'
    shop.execute("create index shipped on orders (shipped_on)")
    try:
        plan = generic_plan(shop, sql)
    finally:
        shop.execute("drop index shipped")
    found = compare_with_server(twin, sql, None, plan)
    assert not found.is_same_shape
    assert found.verdict == "different: Bitmap Heap Scan on orders using shipped became Seq Scan"


def test_the_twin_plans_with_the_settings_that_the_plan_was_made_with(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    database.execute(
        "create table wide as select g as a, repeat('x', 200) as b from generate_series(1, 60000) as g",
        "vacuum analyze wide",
        f"alter database {database.name} set max_parallel_workers_per_gather = 6",
        f"alter database {database.name} set min_parallel_table_scan_size = 0",
        f"alter database {database.name} set parallel_setup_cost = 0",
        f"alter database {database.name} set work_mem = '1MB'",
    )
    sql = "select count(*) from wide"
    with database.connect() as connection:
        (((in_parallel,),),) = connection.execute(f"explain (format json, verbose, settings) {sql}").fetchall()
    in_series = server_plans(database, sql)["none"].plan_json
    assert "Gather" in json.dumps(in_parallel)
    assert "Gather" not in json.dumps(in_series)
    with lease(settings_of(database.dsn), var_dir) as found:
        for plan in (in_parallel, in_series):
            assert compare_with_server(found, sql, None, plan).verdict == "same plan"


def test_what_cannot_be_compared_says_why(twin):
    assert compare_with_server(twin, "select 1", None, {"no": "plan"}) == Refused(
        'The server\'s plan cannot be read: The JSON holds no plan: neither "Plan" nor "Node Type" is in it.'
    )
    assert compare_with_server(twin, "vacuum", None, [{"Plan": {"Node Type": "Result"}}]) == Refused(
        "It is a utility statement, which has no plan of its own."
    )
    refused = compare_with_server(twin, "select * from nowhere", None, [{"Plan": {"Node Type": "Result"}}])
    assert refused == Refused('Relation "nowhere" does not exist.')
