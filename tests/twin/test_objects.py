"""What real schemas hold: every kind of table, type, index, view and extension is on the twin, or named as missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from analyzer.twin.extended_statistics import dependencies_bytes, ndistinct_bytes
from tests.servers import ScratchDatabase
from tests.twin.conftest import OBJECTS, settings_of, shape

pytestmark = pytest.mark.postgres

QUERIES = (
    'select * from "DATA"."Odd Name" where "Select" = \'v7\'',
    "select * from reading where at = '2023-05-05' and region = 'north'",
    "select count(*) from reading where sensor = 44",
    "select * from reading_2024 where sensor = 45 and at > '2024-06-01'",
    "select region, max(value) from reading group by region",
    "select id, title from article where body like 'a%'",
    "select length(body) from article where id < 50",
    "select * from attributes where pairs @> 'color=>c7'",
    "select * from attributes where path <@ 'top.a3'",
    "select * from attributes where kind = 'k2' and n between 10 and 12",
    "select * from booking where during @> timestamptz '2024-02-02 10:00'",
    "select * from booking where spans && int4range(100, 110)",
    "select * from booking where lower(code) = 'code-5' and room < 10",
    "select * from booking where room = 7 and day = 'tue'",
    "select * from booking where width > 50 and 'mon' = any (days) order by id limit 5",
    "select * from booking where code = 'code-9'::slug and codes @> array['a1'::citext]",
    "select (place).x from booking where (place).y > 100",
    "select * from secret where tenant = 4",
    "select * from draft where owner = 3",
    "select * from quiet_north where sensor < 20",
    "select * from of_room(5) where day = 'mon'",
    "select * from busiest order by n desc limit 3",
    "insert into draft (owner) select room from booking where id < 100",
    "update reading set value = 0 where sensor = 3",
)
# (the costs of the rest are those of another version: within 20 %)
# pg_stats shows the histograms of ranges from 17 on: pg_dump cannot read those of older servers
RANGE_OPERATORS = ("during @>", "spans &&")


def query(sql, values=None):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0, values=values)


@pytest.fixture(scope="module")
def filled(postgres):
    database = ScratchDatabase(postgres(18))
    with database.connect() as connection:
        connection.execute(OBJECTS)
    database.vacuum()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def twin(filled, var_dir):
    with lease(settings_of(filled.superuser_dsn), var_dir) as found:
        yield found


def test_everything_is_on_the_twin(twin):
    assert twin.missing == ()


@pytest.mark.parametrize("version", [13, 15])
def test_everything_of_an_older_server_is_on_the_twin(version, postgres, scratch_database, var_dir):
    database = scratch_database(postgres(version))
    with database.connect() as connection:
        connection.execute(OBJECTS)
    database.vacuum()
    with lease(settings_of(database.superuser_dsn), var_dir) as found:
        assert found.missing == ()
        for sql in QUERIES:
            with database.connect() as server:
                ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
            planned = found.plan(query(sql))
            assert not isinstance(planned, Refused), (sql, planned)
            if not any(operator in sql for operator in RANGE_OPERATORS):
                assert planned.total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.2), sql


@pytest.mark.parametrize("sql", QUERIES)
def test_plan_is_the_servers(sql, filled, twin):
    with filled.connect() as server:
        ((((answer,)),),) = server.execute(f"explain (format json, verbose) {sql}").fetchall()
    planned = twin.explain(query(sql))
    assert not isinstance(planned, Refused), planned
    assert shape(planned["Plan"]) == shape(answer["Plan"])
    assert planned["Plan"]["Total Cost"] == pytest.approx(answer["Plan"]["Total Cost"], rel=0.001)
    assert planned["Plan"]["Plan Rows"] == answer["Plan"]["Plan Rows"]


def test_row_security_is_off_there(filled, twin):
    """The application's own policy would add a filter, and fail for want of its setting."""
    assert "app.tenant" not in str(twin.explain(query("select * from secret")))
    assert twin.plan(query("select * from secret")).rows == 5000


def test_hypothetical_index_of_a_multi_level_partitioned_table(filled, twin):
    with connect(settings_of(filled.superuser_dsn)) as connection:
        reading = read_schema(connection).find_table("reading")
    (index,) = twin.hypothesize([IndexDefinition(reading, (IndexColumn("value"),))])
    sql = "select * from reading where value between 10 and 11"
    with filled.connect() as server, server.transaction(force_rollback=True):
        server.execute("create index real on reading (value)")
        ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
    planned = twin.plan(query(sql), [index.id])
    assert planned.used == {index.id}
    assert planned.total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.001)
    # the index of one leaf, as the plan names it
    assert twin.plan(query("select * from reading_2023_north where value = 7"), [index.id]).used == {index.id}


def test_table_of_several_terabytes(scratch_database, postgres18, var_dir):
    """Files of 1 GiB each, sparse: the planner sees the size, the disk does not."""
    database = scratch_database(postgres18)
    database.execute(
        "create table big (a bigint not null, b text)",
        "insert into big select g, 'b' || g % 50 from generate_series(1, 1000) as g",
        "analyze big",
        # as ANALYZE would have it there
        "select pg_restore_relation_stats('schemaname', 'public', 'relname', 'big', 'relpages', 300000000,"
        " 'reltuples', 30000000000::float4)",
    )
    blocks = 300_000_000
    with connect(settings_of(database.superuser_dsn)) as connection:
        big = read_schema(connection).find_table("big")
    with lease(settings_of(database.superuser_dsn), var_dir) as found:
        relation = next(r for r in found._catalog.by_oid.values() if r.name == "big")
        files = found._hypothetical.files
        found._superuser.execute("select pgloupe_twin.pg_buffercache_evict_all()")
        files.set_blocks(relation.path, blocks)
        relation = replace(relation, blocks=blocks)
        found._catalog.by_oid[relation.oid] = found._catalog.tables["public", "big"] = relation
        lookup = query("select * from big where a = 7")
        before = found.plan(lookup)
        assert before.total_cost > blocks / 3  # parallel workers share the reading, at a price
        assert found.plan(query("select * from big")).rows == pytest.approx(3e10, rel=0.01)
        (index,) = found.hypothesize([IndexDefinition(big, (IndexColumn("a"),))])
        assert index.size_bytes > 500e9
        after = found.plan(lookup, [index.id])
        assert after.used == {index.id}
        assert after.total_cost < 5_000_000
        data = Path(found._superuser.execute("show data_directory").fetchone()[0])
        on_disk = sum(path.stat().st_blocks * 512 for path in data.rglob("*") if path.is_file())
        assert on_disk < 500e6


def test_foreign_table_is_a_plain_one_with_its_statistics(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    database.execute(
        "create extension postgres_fdw",
        "create schema there",
        "create table there.item as select g as id, g % 50 as kind, 'n' || g as name from generate_series(1, 900) as g",
        "analyze there.item",
        "create server loop foreign data wrapper postgres_fdw options"
        f" (host '{postgres18.cluster.socket_dir}', port '{postgres18.cluster.port}', dbname '{database.name}')",
        "create user mapping for current_user server loop options (user 'postgres')",
        "create foreign table item (id int not null, kind int, name text options (column_name 'name'))"
        " server loop options (schema_name 'there', table_name 'item')",
        "analyze item",
        "create view of_kind as select * from item where kind = 3",
    )
    with connect(settings_of(database.superuser_dsn)) as connection:
        item = read_schema(connection).find_table("item", "public")
    with lease(settings_of(database.superuser_dsn), var_dir) as found, database.connect() as server:
        assert found.missing == ()
        for sql in ("select * from item where kind = 3", "select * from of_kind", "select distinct kind from item"):
            ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
            assert found.plan(query(sql)).rows == answer["Plan"]["Plan Rows"], sql
        assert item is None or found.hypothesize([IndexDefinition(item, (IndexColumn("kind"),))]) == [
            Refused("public.item is a foreign table, which cannot have indexes.")
        ]
        assert found._superuser.execute("select count(*) from pg_foreign_server").fetchone() == (0,)


def test_vector_indexes(scratch_database, postgres18, var_dir):
    """pgvector, which the embedded PostgreSQL brings."""
    database = scratch_database(postgres18)
    database.execute(
        "create extension vector",
        "create table doc (id int primary key, kind int not null, embedding vector(8) not null)",
        "insert into doc select g, g % 20, array(select sin(g * n) from generate_series(1, 8) as n)::vector"
        " from generate_series(1, 3000) as g",
        "create index doc_near on doc using hnsw (embedding vector_l2_ops)",
        "create index doc_lists on doc using ivfflat (embedding vector_cosine_ops) with (lists = 20)",
    )
    database.vacuum()
    near = "array[1,0,0,0,0,0,0,0]::vector"
    with lease(settings_of(database.superuser_dsn), var_dir) as found, database.connect() as server:
        assert found.missing == ()
        for sql in (
            f"select id from doc order by embedding <-> {near} limit 5",
            f"select id from doc order by embedding <=> {near} limit 5",
            f"select id from doc where kind = 3 order by embedding <-> {near} limit 5",
        ):
            ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
            assert shape(found.explain(query(sql))["Plan"]) == shape(answer["Plan"])
            cost = found.plan(query(sql)).total_cost
            assert cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.01), sql


# an extension of SQL alone, so that the server can have one that the twin's fixed list does not know
FAKE_CONTROL = "default_version = '1.0'\nrelocatable = false\nschema = geo\n"
FAKE_SQL = """
create type geo.spot as (x float8, y float8);
create function geo.distance(geo.spot, geo.spot) returns float8 language sql immutable as 'select 1.0::float8';
create function geo.middle(geo.spot, geo.spot) returns geo.spot language sql immutable as 'select $1';
create function geo.zone(x float8) returns int language sql immutable as 'select (x / 10)::int';
create aggregate geo.centre(geo.spot) (sfunc = geo.middle, stype = geo.spot);
create operator geo.<-> (leftarg = geo.spot, rightarg = geo.spot, function = geo.distance);
"""


def test_extension_that_the_twin_lacks_costs_only_what_needs_it(private_postgres, var_dir, own_dir):
    (own_dir / "extension").mkdir()
    (own_dir / "extension" / "fakegis.control").write_text(FAKE_CONTROL)
    (own_dir / "extension" / "fakegis--1.0.sql").write_text(FAKE_SQL)
    server = private_postgres(18, settings={"extension_control_path": f"$system:{own_dir}"})
    database = ScratchDatabase(server)
    database.execute(
        "create schema geo",
        "create extension fakegis",
        "create table shop (id int primary key, x float8 not null, zone int default geo.zone(7))",
        "create table visit (id int primary key, shop_id int not null references shop, at geo.spot)",
        "create table town (id int primary key, name text not null)",
        "create index shop_zone on shop (geo.zone(x))",
        "create index shop_x on shop (x)",
        "create view near as select * from visit where geo.distance(at, row(0, 0)::geo.spot) < 5",
        "create view zoned as select id, geo.zone(x) as zone from shop",
        "create function nearest(geo.spot) returns int language sql as 'select 1'",
        "insert into shop (id, x) select g, g % 97 from generate_series(1, 4000) as g",
        "insert into town select g, 't' || g from generate_series(1, 500) as g",
    )
    database.vacuum()
    with lease(settings_of(database.superuser_dsn), var_dir) as found, database.connect() as connection:
        assert found.limitations() == [
            "The twin lacks type spot (extension fakegis): visit.at has a stand-in; what filters, joins or sorts by it"
            " is not planned",
            "The twin lacks view public.near: cannot cast type record to geo.spot",
        ]
        for sql in ("select * from shop where x = 5", "select * from town as t join shop as s on s.id = t.id"):
            ((((answer,)),),) = connection.execute(f"explain (format json) {sql}").fetchall()
            assert found.plan(query(sql)).total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.001)
        assert not isinstance(found.plan(query("select shop_id, geo.centre(at) from visit group by 1")), Refused)
        for sql in ("select * from visit where id = 5", "select at from visit where shop_id between 3 and 9"):
            ((((answer,)),),) = connection.execute(f"explain (format json) {sql}").fetchall()
            assert found.plan(query(sql)).total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.001), sql
        for sql in (
            "select * from visit where geo.distance(at, at) < 5",
            "select * from visit order by at operator(geo.<->) row(1, 2)::geo.spot",
        ):
            assert "which the twin lacks (extension fakegis)." in found.plan(query(sql)).reason, sql
        # its functions are there by name: a plan that needs their result is not guessed
        assert found.plan(query("select * from zoned")).rows == 4000
        assert found.plan(query("select * from shop where zone = geo.zone(5)")) == Refused(
            "The twin does not have the extension fakegis."
        )


@pytest.mark.parametrize("version", [13, 15, 18])
def test_extended_statistics_are_there(version, postgres, scratch_database, var_dir):
    """Columns that follow from each other: without them estimates are many times too low."""
    database = scratch_database(postgres(version))
    database.execute(
        "create table car (gone int, model int, maker int, color int, plate text)",
        "insert into car select 0, g % 400, g % 400 / 10, g % 7, 'p' || g % 400 from generate_series(1, 12000) as g",
        "alter table car drop column gone",
        "create statistics car_follows (dependencies) on model, maker, plate from car",
        "create statistics car_groups (ndistinct) on model, maker, color from car",
        "create table part (at int, a int, b int) partition by range (at)",
        "create table part_1 partition of part for values from (0) to (10000)",
        "insert into part select g, g % 100, g % 100 / 5 from generate_series(1, 5000) as g",
        "create statistics part_follows (dependencies, ndistinct) on a, b from part",
    )
    database.vacuum()
    with lease(settings_of(database.superuser_dsn), var_dir) as found, database.connect() as server:
        assert found.missing == ()
        for sql, independent in (
            ("select * from car where model = 33 and maker = 3", 1),
            ("select * from car where model = 33 and maker = 3 and plate = 'p33'", 1),
            ("select model, maker, color from car group by 1, 2, 3", 12000),
            ("select maker, color from car group by 1, 2", None),
            ("select * from part where a = 7 and b = 1", None),
        ):
            ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
            rows = found.plan(query(sql)).rows
            assert rows == answer["Plan"]["Plan Rows"], sql
            assert rows != independent
        casts = "select count(*) from pg_cast where castsource = 'bytea'::regtype and oid >= 16384"
        assert found._superuser.execute(casts).fetchone() == (0,)


def test_common_combinations_that_are_not_copied_are_named(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    database.execute(
        "create table car as select g % 40 as model, g % 40 / 4 as maker from generate_series(1, 3000) as g",
        "create statistics car_common (mcv) on model, maker from car",
        "analyze car",
    )
    for dsn, reason in (
        (database.superuser_dsn, "most common combinations are not copied"),
        (database.dsn, "only the owner of the table may read them"),
    ):
        with lease(settings_of(dsn), var_dir) as found:
            assert [str(m) for m in found.missing] == [f"extended statistics public.car_common: {reason}"]


def test_extended_statistics_of_a_liar_are_passed_over():
    numbers = {1: 1, 2: 2, 3: 3}
    assert ndistinct_bytes('{"1, 2": 120}', numbers).hex() == "a4bf52a301000000010000000000000000005e400200000001000200"
    assert dependencies_bytes('{"1 => 3": 1.000000}', numbers).hex() == (
        "2c9a54b40100000001000000000000000000f03f020001000300"
    )
    assert ndistinct_bytes(None, numbers) is None
    for text in (
        '{"1, 9": 5}',
        '{"1": 5}',
        '{"1, 2": 1e999}',
        '{"1, 2 => 3": 5}',
        "{}",
        "x",
        '{"1,2,3,1,2,3,1,2,3": 4}',
    ):
        assert ndistinct_bytes(text, numbers) is None, text
    for text in ('{"1, 2": 0.5}', '{"1 => 9": 0.5}', '{"1 => 2": 7}', '{"=> 2": 1}'):
        assert dependencies_bytes(text, numbers) is None, text


def test_row_security_that_hides_statistics_from_the_login_is_told(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    database.execute(
        "create table secret as select g as id, g % 25 as tenant from generate_series(1, 5000) as g",
        "alter table secret enable row level security",
        "analyze secret",
    )
    with lease(settings_of(database.dsn), var_dir) as found:
        ((kind, name, reason),) = [(m.kind, m.name, m.reason) for m in found.missing]
        assert (kind, name) == ("statistics data", "public.secret")
        assert reason == "row security hides them from the login (needs BYPASSRLS)"
        assert found.plan(query("select * from secret where tenant = 1")).rows > 0
