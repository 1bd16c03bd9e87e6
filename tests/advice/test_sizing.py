"""Estimated index sizes against indexes that PostgreSQL built, from the statistics that ANALYZE took."""

import pytest

from analyzer.advice.sizing.size import btree_size_bytes
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.schema.facts import ColumnFacts, TableFacts

ROWS = 300_000
TABLE = f"""
create table sized as
select
    i as id,
    i::bigint * 7 as big_id,
    (random() * 20000)::int as customer_id,
    (random() * 200000)::int as product_id,
    case when random() < 0.97 then 'open' else 'closed' end as status,
    'user' || i || '@example.org' as email,
    md5(i::text)::uuid as token,
    timestamptz '2024-01-01' + i * interval '1 second' as created_at,
    date '2024-01-01' + (random() * 700)::int as day,
    random() < 0.3 as active,
    case when random() < 0.2 then (random() * 1000)::int end as parent_id,
    (random() * 10000)::numeric(10, 2) as price,
    random() as score,
    repeat('x', (random() * 40)::int) || i as title,
    (i % 30)::smallint as kind
from generate_series(1, {ROWS}) as i
"""
COLUMNS = [
    "id", "big_id", "customer_id", "product_id", "status", "email", "token", "created_at", "day", "active", "parent_id",
    "price", "score", "title", "kind", "customer_id, created_at", "status, customer_id", "day, kind",
    "active, product_id",
    "customer_id, title", "kind, parent_id", "customer_id, product_id, day",
]  # fmt: skip


@pytest.fixture(scope="module")
def sized(postgres):
    postgres15 = postgres(15)
    with postgres15.connect() as connection:
        connection.execute("drop database if exists sizing")
        connection.execute("create database sizing")
    with postgres15.connect("sizing") as connection:
        connection.execute("select setseed(0.5)")
        connection.execute(TABLE)
        connection.execute("analyze sized")
        sizes = {}
        for columns in COLUMNS:
            connection.execute(f"create index probe on sized ({columns})")
            (sizes[columns],) = connection.execute("select pg_relation_size('probe')").fetchone()
            connection.execute("drop index probe")
    with connect(ConnectionSettings.from_dsn(postgres15.socket_dsn("sizing"), allow_local=True)) as session:
        facts = read_schema(session)
    yield facts.find_table("sized"), sizes
    with postgres15.connect() as connection:
        connection.execute("drop database sizing with (force)")


@pytest.mark.postgres
@pytest.mark.parametrize("columns", COLUMNS)
def test_estimate_is_within_15_percent_of_the_built_index(sized, columns):
    table, sizes = sized
    estimate = btree_size_bytes(table, columns.split(", "))
    assert estimate == pytest.approx(sizes[columns], rel=0.15)


def test_size_is_unknown_without_statistics():
    column = ColumnFacts("a", 1, "integer", 23, False, 1000.0)
    table = TableFacts(1, "public", "t", "r", 1000.0, 8192 * 100, (column,))
    assert btree_size_bytes(table, ["a"]) is None


def test_size_is_unknown_for_a_column_that_is_not_there():
    assert btree_size_bytes(TableFacts(1, "public", "t", "r", 1000.0, 8192), ["a"]) is None


def test_an_empty_table_has_a_meta_page_and_a_leaf():
    column = ColumnFacts("a", 1, "integer", 23, False, 0.0, n_distinct=0.0, null_frac=0.0, avg_width_bytes=4)
    assert btree_size_bytes(TableFacts(1, "public", "t", "r", 0.0, 0, (column,)), ["a"]) == 2 * 8192
