"""Built by the login of least privilege from servers of every age."""

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.catalog.schema_dump import dump_schema
from analyzer.monitored.connection import connect
from analyzer.runtime.client_programs import client_program
from analyzer.twin import lease
from tests.twin.conftest import SCHEMA, settings_of, shape

pytestmark = pytest.mark.postgres

# plans that are the same in every version
QUERIES = (
    "select * from account where email = 'user77@example.com'",
    "select * from app.orders where placed >= '2024-11-01'",
    "select a.name, o.amount from account as a join app.orders as o on o.account_id = a.id where o.note = 'Note 3'",
    "select * from spent where account_id = 44",
    "select * from place where area = 7 order by id",
    "update app.orders set note = 'x' where id = 99",
)


def query(sql, values=None):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0, values=values)


@pytest.fixture
def filled(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    with database.connect() as connection:
        connection.execute(SCHEMA)
        if any_postgres.version < 14:
            connection.execute(f"grant usage on schema app to {database.login}")
            connection.execute(f"grant select on all tables in schema public, app to {database.login}")
    database.vacuum()
    return database


def test_twin_of_any_server_plans_as_it_does(filled, var_dir):
    settings = settings_of(filled.dsn)
    with connect(settings) as connection:
        facts = read_schema(connection)
    orders = facts.find_table("orders", "app")
    with lease(settings, var_dir) as twin, filled.connect() as server:
        assert twin.missing == ()
        for sql in QUERIES:
            ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
            planned, explained = twin.plan(query(sql)), twin.explain(query(sql))
            assert shape(explained["Plan"]) == shape(answer["Plan"]), sql
            assert planned.total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.01), sql
        (index,) = twin.hypothesize([IndexDefinition(orders, (IndexColumn("account_id"),))])
        sql = "select * from app.orders where account_id = 7"
        before, after = twin.plan(query(sql)), twin.plan(query(sql), [index.id])
        assert after.used == {index.id}
        assert after.total_cost < before.total_cost / 10
        assert before == twin.plan(query(sql))
        primary = next(i.oid for i in orders.indexes if i.is_primary)
        by_id = query("select * from app.orders where id = $1")
        assert twin.plan(by_id).used == {primary}
        assert twin.plan(by_id, without=[primary]).used == frozenset()
        skewed = "select * from app.orders where status = $1"
        rare, common = twin.plan(query(skewed, ("open",))), twin.plan(query(skewed, ("done",)))
        assert rare.rows < common.rows / 10
        assert not isinstance(twin.plan(query(skewed)), Refused)


def test_skip_scans_are_planned_only_for_servers_that_know_them(filled, var_dir):
    settings = settings_of(filled.dsn)
    with filled.connect() as server:
        server.execute(
            "create table reading as select i % 20 as sensor, i as at"
            " from generate_series(1, 200000) as i; analyze reading"
        )
    with connect(settings) as connection:
        facts = read_schema(connection)
    definition = IndexDefinition(facts.find_table("reading", "public"), (IndexColumn("sensor"), IndexColumn("at")))
    wanted = query("select * from reading where at = 4711")
    with lease(settings, var_dir) as twin, filled.connect() as server:
        (index,) = twin.hypothesize([definition])
        planned = twin.plan(wanted, [index.id])
        server.execute("create index on reading (sensor, at)")
        ((((answer,)),),) = server.execute(f"explain (format json) {wanted.sql}").fetchall()
        assert bool(planned.used) == ("Index Name" in answer["Plan"]) == (facts.server_version_num >= 180000)
        assert planned.total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.05)


def test_options_of_columns_that_only_newer_minor_releases_know_are_passed_over(filled, own_dir, var_dir):
    """15.20 keeps pg_attver beside each analysed column, and pg_dump writes it out."""
    filled.execute(
        "update pg_attribute set attoptions = '{pg_attver=379}' where attrelid = 'account'::regclass and attnum > 0",
        "update pg_attribute set attoptions = '{n_distinct=40,pg_attver=380}' where attrelid = 'place'::regclass"
        " and attnum = 1",
    )
    settings = settings_of(filled.superuser_dsn)
    dump_schema(settings, own_dir / "dump", pg_dump=client_program("pg_dump", 180_000))
    assert b"pg_attver" not in (own_dir / "dump").read_bytes()
    with lease(settings, var_dir) as twin:
        assert twin.missing == ()
        options = "select attoptions from pg_attribute where attrelid = 'place'::regclass and attnum = 1"
        assert twin._superuser.execute(options.replace("'place'", "'public.place'")).fetchone() == (["n_distinct=40"],)
