"""Suggestions for a real database, made there, and used by its planner: what is suggested is worth having."""

import json

import pytest

from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.preparable import preparable_sql
from tests.advice.builders import statement

pytestmark = pytest.mark.postgres

SCHEMA = """
create table customers (id int primary key, email varchar(80) not null, country char(2) not null, name text);
insert into customers select i, 'user' || i || '@example.org', chr(65 + i % 20) || 'X', 'name ' || i
from generate_series(1, 40000) as i;
create table orders (id int primary key, customer_id int not null references customers, status varchar(20) not null,
    created timestamptz not null, code text not null, total numeric(10, 2), tags text[], data jsonb, returned date);
insert into orders select i, 1 + (i * 7919) % 40000, (array['new', 'paid', 'sent', 'done'])[1 + i % 4],
    timestamptz '2024-01-01' + i * interval '1 minute', 'C-' || md5(i::text), i % 500, array['t' || i % 1000],
    jsonb_build_object('k', i), case when i % 50 = 0 then date '2024-01-01' + i % 300 end
from generate_series(1, 150000) as i;
create table lines (id int primary key, order_id int not null, product_id int not null, quantity int not null);
insert into lines select i, 1 + (i * 31) % 150000, 1 + (i * 17) % 5000, i % 9 from generate_series(1, 300000) as i;
create table jobs (id int primary key, state text not null, run_at timestamptz not null);
insert into jobs select i, case when i % 1000 = 0 then 'queued' else 'done' end,
    timestamptz '2024-01-01' + i * interval '1 s'
from generate_series(1, 100000) as i;
create index jobs_queue on jobs (run_at) where state = 'queued';
create extension pg_trgm;
"""
# statement -> the new indexes its plan uses
SERVED = {
    "select * from orders where code = $1": {"ix_orders_code"},
    "select * from orders where customer_id = $1 and status = $2": {"ix_orders_customer_id"},
    "select * from orders where status = $1 order by created desc limit 20": {"ix_orders_created"},
    "select * from orders order by created limit 10": {"ix_orders_created"},
    "select * from orders join customers on customers.id = orders.customer_id where customers.email = $1": {
        "ix_customers_email",
        "ix_orders_customer_id",
    },
    "select * from orders o join lines l on l.order_id = o.id where o.code = $1": {
        "ix_orders_code",
        "ix_lines_order_id",
    },
    "select count(*) from lines where product_id = $1": {"ix_lines_product_id"},
    "select * from lines where product_id = $1 and quantity = $2 and order_id > $3": {"ix_lines_product_id"},
    "select * from orders where returned between $1 and $2": {"ix_orders_returned"},
    "select * from customers where upper(email) = upper($1)": {"ix_customers_upper_email"},
    "select * from orders where tags && $1::text[]": {"ix_orders_tags"},
    "select * from customers where name ilike $1": {"ix_customers_name"},
    "update orders set status = $1 where code = $2": {"ix_orders_code"},
    "delete from lines where order_id = $1": {"ix_lines_order_id"},
    "select c.id, (select max(o.created) from orders o where o.customer_id = c.id) from customers c where c.id = $1": {
        "ix_orders_customer_id"
    },
}
LEFT_ALONE = [
    "select * from orders where id = $1",
    "select id from jobs where state = $1 order by run_at limit 1 for update skip locked",
    "select * from customers where id in ($1, $2, $3)",
    "select status, count(*) from orders group by status",
    "select * from orders where status = $1",
    "select * from orders join customers on customers.id = orders.customer_id",
]


@pytest.fixture(scope="module", params=[13, 15, 18], ids=lambda version: f"pg{version}")
def advised(request, postgres):
    server, name = postgres(request.param), "advised"
    with server.connect() as connection:
        connection.execute(f"drop database if exists {name}")
        connection.execute(f"create database {name}")
    with server.connect(name, prepare_threshold=None) as connection:
        connection.execute(SCHEMA)
        connection.execute("analyze")
        with connect(ConnectionSettings.from_dsn(server.socket_dsn(name), allow_local=True)) as session:
            facts = read_schema(session)
        advice = suggest_indexes([statement(sql) for sql in (*SERVED, *LEFT_ALONE)], facts)
        for suggestion in advice.suggestions:
            for each in suggestion.statements:
                connection.execute(each)
        connection.execute("analyze")
        connection.execute("set plan_cache_mode = force_generic_plan")
        yield connection, advice, server
    with server.connect() as connection:
        connection.execute(f"drop database {name} with (force)")


def indexes_used(connection, sql):
    """Names of the indexes in the generic plan."""
    connection.execute(f"prepare probe as {preparable_sql(sql).sql}")
    count = len(preparable_sql(sql).parameters)
    values = f"({', '.join(['null'] * count)})" if count else ""
    (plan,) = connection.execute(f"explain (format json) execute probe{values}").fetchone()
    connection.execute("deallocate probe")
    found, nodes = set(), [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        found |= {node["Index Name"]} if "Index Name" in node else set()
        nodes += node.get("Plans", [])
    return found


def test_every_suggested_index_is_used_by_the_planner(advised):
    connection, _, _ = advised
    used = {sql: indexes_used(connection, sql) for sql in SERVED}
    assert {sql: used[sql] for sql, names in SERVED.items() if not names <= used[sql]} == {}


def test_nothing_else_is_suggested(advised):
    _, advice, _ = advised
    assert {s.name for s in advice.suggestions} == set().union(*SERVED.values())
    assert set(advice.reasons) == {fingerprint(sql) for sql in LEFT_ALONE}


def test_sizes_are_near_those_built(advised):
    connection, advice, _ = advised
    off = {}
    for suggestion in advice.suggestions:
        (size,) = connection.execute("select pg_relation_size(%s::regclass)", (suggestion.name,)).fetchone()
        estimate = suggestion.estimated_size_bytes
        if suggestion.method == "btree" and estimate is not None and not 0.85 <= estimate / size <= 1.15:
            off[suggestion.name] = (estimate, size)
    assert off == {}


def test_with_the_indexes_made_nothing_is_suggested_any_more(advised):
    _, _, server = advised
    with connect(ConnectionSettings.from_dsn(server.socket_dsn("advised"), allow_local=True)) as session:
        facts = read_schema(session)
    again = suggest_indexes([statement(sql) for sql in (*SERVED, *LEFT_ALONE)], facts)
    assert [s.key for s in again.suggestions] == []
