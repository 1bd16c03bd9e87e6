"""What a LIMIT reads, where the planner expects its matches too early."""

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.plans import parse_plan
from analyzer.plans.limits import rows_before_limit
from analyzer.twin import lease
from analyzer.twin.plan_object import cost_under_limit
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

SEARCH = "select * from person where upper(name) like '%' || upper('XY12') || '%'{} order by name limit 50"
# its plan hangs on the Limit, before the sort
LEAST = " and id <> (select min(id) from person)"


@pytest.fixture
def people(postgres18, scratch_database):
    database = scratch_database(postgres18)
    with database.connect() as connection:
        connection.execute(
            "create table person as select i as id, md5(i::text) as name, repeat('x', 200) as note"
            " from generate_series(1, 60000) as i"
        )
    database.vacuum()
    return database


@pytest.mark.parametrize("more", ["", LEAST])
def test_an_order_that_finds_few_matches_is_no_gain(people, var_dir, more):
    settings = settings_of(people.dsn)
    with connect(settings) as connection:
        facts = read_schema(connection)
    definition = IndexDefinition(facts.find_table("person", "public"), (IndexColumn("name"),))
    with lease(settings, var_dir) as twin:
        (index,) = twin.hypothesize([definition])

        def gain(**known):
            query = Query(str(known), "search", SEARCH.format(more), 1.0, **known)
            return twin.plan(query).total_cost - twin.plan(query, [index.id]).total_cost

        assert gain() > 0  # as the planner sees it: 600 matches, the first 50 of them soon
        assert gain(rows_before_limit=30.0) < 0
        assert gain(rows_per_call=2.0) < 0
        assert gain(rows_before_limit=50_000.0) > 0


@pytest.mark.parametrize("more", ["", LEAST])
def test_rows_before_a_limit_are_those_that_were_sorted(people, more):
    with people.connect() as connection:
        ((plan,),) = connection.execute(
            f"explain (analyze, format json) select * from person where id % 2 = 0{more} order by name limit 7"
        ).fetchall()
        assert rows_before_limit(parse_plan(plan)) == 30_000
        ((plan,),) = connection.execute("explain (analyze, format json) select * from person limit 7").fetchall()
        assert rows_before_limit(parse_plan(plan)) is None


@pytest.mark.parametrize(
    ("known", "cost"),
    [({}, 1_010.0), ({"rows_before_limit": 20.0}, 1_050.0), ({"rows_per_call": 5.0}, 1_055.0)],
)
def test_what_is_computed_before_the_limit_is_paid_whole(known, cost):
    once = {"Node Type": "Aggregate", "Parent Relationship": "InitPlan", "Total Cost": 1_000.0}
    source = {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Startup Cost": 0.0, "Total Cost": 100.0}
    top = {"Node Type": "Limit", "Total Cost": 1_010.0, "Plan Rows": 10, "Plans": [once, source]}  # as EXPLAIN has it
    assert cost_under_limit(top, Query("q", "search", "select 1", 1.0, **known)) == cost
