"""What plans touch, by the twin's estimate beside what the server touched; and sizes of columns that go together."""

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from tests.servers import ScratchDatabase
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

TABLES = (
    "select setseed(0.5)",
    "create table region (id int primary key)",
    "insert into region select n from generate_series(1, 20) n",
    "create table account (id int primary key, region_id int not null references region, tenant_id int, state text)",
    "insert into account select n, 1 + n % 20, n % 150, 's' || n % 4 from generate_series(1, 3000) n",
    "create table home (house int, flat int, primary key (house, flat))",
    "insert into home select n % 400, n / 400 * 10 + n % 3 from generate_series(0, 1999) n",
    "create table bill (id int primary key, account_id int not null references account, filler text, house int,"
    " flat int, region_id int references region, tenant_id int, state text, foreign key (house, flat) references home)",
    # scattered over the table, more of them for the first accounts
    "insert into bill (id, account_id, filler, state, house, flat)"
    " select n, 1 + (2999 * random() ^ 2)::int, repeat('x', 80), 's' || (4 * random())::int, h % 400,"
    " h / 400 * 10 + h % 3 from (select n, (random() * 1999)::int as h from generate_series(1, 120000) n) x",
    "update bill set tenant_id = a.tenant_id, region_id = a.region_id from account a where a.id = account_id",
)
JOIN = "select sum(length(b.filler)) from account a join bill b on b.account_id = a.id where a.tenant_id = 7"


@pytest.fixture(scope="module")
def bills(postgres):
    database = ScratchDatabase(postgres(18))
    database.execute(*TABLES)
    database.execute("vacuum full analyze")
    database.vacuum()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def twin(bills, var_dir):
    with lease(settings_of(bills.dsn), var_dir) as found:
        yield found


@pytest.fixture(scope="module")
def bill(bills):
    with connect(settings_of(bills.dsn)) as connection:
        return read_schema(connection).find_table("bill")


def on(table, *columns, include=()):
    return IndexDefinition(table, tuple(IndexColumn(c) for c in columns), include=include)


def test_pages_are_those_the_server_touches(bills, twin, bill):
    plain, covering = twin.hypothesize([on(bill, "account_id"), on(bill, "account_id", include=("filler",))])
    query = Query("q", "q", JOIN, 1.0)
    without, scattered, together = (twin.plan(query, ids).work for ids in ((), [plain.id], [covering.id]))
    assert without.scattered_pages == 0
    with bills.connect() as connection:
        connection.execute("create index probe on bill (account_id)")
        connection.execute("set enable_bitmapscan = off")
        [[[explained]]] = connection.execute(f"explain (analyze, buffers, format json) {JOIN}").fetchall()
        connection.execute("drop index probe")
    touched = explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
    assert 0.5 * touched < scattered.scattered_pages < 1.2 * touched
    assert together.scattered_pages == 0


@pytest.mark.parametrize(
    ("columns", "low", "high"),
    [
        (("tenant_id", "account_id"), 0.9, 1.15),  # its account's
        (("account_id", "region_id"), 0.9, 1.15),  # the same key in both
        (("house", "flat"), 0.9, 1.15),  # a key of both: no more of them than there are homes
        (("account_id", "state"), 0.9, 1.15),  # a name that both have, and each its own
        (("account_id",), 0.9, 1.1),
    ],
)
def test_columns_that_go_together_are_sized_so(bills, twin, bill, columns, low, high):
    [estimated] = twin.hypothesize([on(bill, *columns)])
    with bills.connect() as connection:
        connection.execute(f"create index probe on bill ({', '.join(columns)})")
        [[built]] = connection.execute("select pg_relation_size('probe')").fetchall()
        connection.execute("drop index probe")
    assert low < estimated.size_bytes / built < high


@pytest.mark.parametrize(
    ("method", "expression", "low", "high"),
    [
        ("btree", "coalesce(id, tenant_id)", 0.95, 1.05),
        ("btree", "filler || ' ' || state || id::text", 0.9, 1.15),
        ("btree", "lower(int8range(id, id + 5))", 0.9, 1.15),
        ("gist", "int8range(id, id + account_id)", 0.8, 1.15),
        ("gin", "to_tsvector('simple', filler || ' ' || state)", 0.7, 1.4),
    ],
)
def test_expressions_over_several_columns_are_sized_by_what_comes_of_them(
    bills, twin, bill, method, expression, low, high
):
    [estimated] = twin.hypothesize([IndexDefinition(bill, (IndexColumn(expression, is_expression=True),), method)])
    with bills.connect() as connection:
        connection.execute(f"create index probe on bill using {method} (({expression}))")
        [[built]] = connection.execute("select pg_relation_size('probe')").fetchall()
        connection.execute("drop index probe")
    assert low < estimated.size_bytes / built < high
