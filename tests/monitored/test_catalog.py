"""The schema of real databases as facts, on 13, 15 and 18, with a login that may only read."""

import threading
import time

import psycopg
import pytest

from analyzer.monitored.catalog.column_statistics import read_statistics
from analyzer.monitored.catalog.rows import UNREADABLE
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.catalog.search_path import split_search_path
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.schema.kept import decode, encode
from analyzer.statements.blocks import ParameterUse
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres

SCHEMA = (
    "create table customer (id bigserial primary key, email text not null unique, country char(2), note text)",
    """create table orders (
        id int generated always as identity primary key,
        customer_id bigint not null references customer on delete cascade,
        code varchar(40), placed_at timestamptz, total numeric(10, 2),
        doubled numeric generated always as (total * 2) stored,
        unique (customer_id, code)
    )""",
    "create index orders_brin on orders using brin (placed_at)",
    "create index orders_hash on orders using hash (customer_id)",
    "create index orders_partial on orders (placed_at desc nulls last) include (total) where total > 10",
    "create index orders_expression on orders (lower(code), (id + 1), customer_id)",
    "create index orders_pattern on orders (code text_pattern_ops)",
    'create index orders_collated on orders (code collate "C")',
    "create table line (order_id int, product text, qty int, primary key (order_id, product))",
    "alter table line add constraint line_order foreign key (order_id) references orders"
    " on update set null on delete set default not valid",
    "create table event (at date not null, kind int, body jsonb) partition by range (at)",
    "create table event_2020 partition of event for values from ('2020-01-01') to ('2021-01-01')",
    "create table event_2021 partition of event for values from ('2021-01-01') to ('2022-01-01')"
    " partition by list (kind)",
    "create table event_2021_1 partition of event_2021 for values in (1)",
    "create index event_kind on event (kind)",
    "create view busy as select * from orders where total > 5",
    "create materialized view totals as select customer_id, sum(total) from orders group by 1",
    "create table empty_one (a int)",
    "alter table customer enable row level security",
    """insert into customer (email, country, note)
        select i || '@example.com', case when i % 10 = 0 then 'FR' else 'DE' end,
               case when i % 4 = 0 then 'note ' || i end
        from generate_series(1, 2000) i""",
    "insert into orders (customer_id, code, placed_at, total)"
    " select 1 + i % 2000, 'c' || i, timestamptz '2024-01-01 00:00Z' + i * interval '1 min', i % 50"
    " from generate_series(1, 10000) i",
    "insert into event select date '2020-06-01' + i % 300, 1, '{}' from generate_series(1, 1000) i",
)


@pytest.fixture
def shop(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(*SCHEMA, "analyze")
    return database


def read(database, login=None):
    with connect(ConnectionSettings.from_dsn(login or database.dsn)) as conn:
        return read_schema(conn)


def test_tables_columns_and_statistics(shop):
    facts = read(shop)
    assert [(t.schema, t.name, t.kind) for t in facts] == [
        ("public", "busy", "v"), ("public", "customer", "r"), ("public", "empty_one", "r"),
        ("public", "event", "p"), ("public", "event_2020", "r"), ("public", "event_2021", "p"),
        ("public", "event_2021_1", "r"), ("public", "line", "r"), ("public", "orders", "r"),
        ("public", "totals", "m"),
    ]  # fmt: skip
    orders = facts.find_table("orders")
    assert orders.rows == 10_000
    with shop.connect() as connection:
        (size,) = connection.execute("select pg_relation_size('orders')").fetchone()
    assert orders.size_bytes == size
    assert [(c.name, c.number, c.type_name, c.not_null, c.is_generated) for c in orders.columns] == [
        ("id", 1, "integer", True, False), ("customer_id", 2, "bigint", True, False),
        ("code", 3, "character varying(40)", False, False),
        ("placed_at", 4, "timestamp with time zone", False, False), ("total", 5, "numeric(10,2)", False, False),
        ("doubled", 6, "numeric", False, True),
    ]  # fmt: skip
    total = orders.column("total")
    assert (total.n_distinct, total.null_frac, total.distinct_values) == (50, 0, 50)
    assert sum(total.most_common_freqs) == pytest.approx(1, abs=0.001)
    assert orders.column("id").correlation == pytest.approx(1)
    assert orders.column("id").most_common_freqs is None
    assert orders.activity.inserted_rows in (0, 10_000)  # the statistics may come late
    assert facts.find_table("busy").rows is None
    assert facts.find_table("customer").has_row_security
    assert not orders.has_row_security
    # a table with row security hides its statistics from a login that is bound by it
    assert facts.find_table("customer").column("country").n_distinct is None
    assert read(shop, shop.superuser_dsn).find_table("customer").column("country").n_distinct == 2
    assert facts.statistics_readable
    assert facts.server_version_num // 10_000 == shop.server.version
    assert facts.database == shop.name
    assert set(facts.extensions) >= {"pg_stat_statements", "plpgsql"}
    assert facts.search_path == ("public",)
    assert facts.settings["random_page_cost"] == "4"
    assert facts.settings["jit"] in ("on", "off")
    assert facts.settings["track_io_timing"] == "on"


def test_indexes(shop):
    orders = read(shop).find_table("orders")
    indexes = {index.name: index for index in orders.indexes}
    brief = {
        name: (i.method, i.columns, i.include, i.expressions, i.predicate, i.options) for name, i in indexes.items()
    }
    assert brief == {
        "orders_pkey": ("btree", ("id",), (), (), None, (0,)),
        "orders_customer_id_code_key": ("btree", ("customer_id", "code"), (), (), None, (0, 0)),
        "orders_brin": ("brin", ("placed_at",), (), (), None, (0,)),
        "orders_hash": ("hash", ("customer_id",), (), (), None, (0,)),
        "orders_partial": ("btree", ("placed_at",), ("total",), (), "(total > (10)::numeric)", (1,)),
        "orders_expression": (
            "btree", (None, None, "customer_id"), (), ("lower((code)::text)", "((id + 1))"), None, (0, 0, 0)
        ),
        "orders_pattern": ("btree", ("code",), (), (), None, (0,)),
        "orders_collated": ("btree", ("code",), (), (), None, (0,)),
    }  # fmt: skip
    key = indexes["orders_customer_id_code_key"]
    assert (key.is_unique, key.is_primary, key.backs_constraint, key.is_usable) == (True, False, True, True)
    assert (key.opclasses, key.is_default_opclass) == (("int8_ops", "text_ops"), (True, True))
    assert indexes["orders_pattern"].is_default_opclass == (False,)
    assert indexes["orders_collated"].collations != indexes["orders_pattern"].collations
    assert indexes["orders_partial"].definition == (
        "CREATE INDEX orders_partial ON public.orders USING btree (placed_at DESC NULLS LAST)"
        " INCLUDE (total) WHERE (total > (10)::numeric)"
    )
    with shop.connect() as connection:
        sizes = dict(
            connection.execute(
                "select c.relname, pg_relation_size(c.oid) from pg_class c"
                " join pg_index i on i.indexrelid = c.oid where i.indrelid = 'orders'::regclass"
            ).fetchall()
        )
    assert {name: index.size_bytes for name, index in indexes.items()} == sizes
    assert orders.primary_key == ("id",)
    assert set(orders.unique_keys) == {("id",), ("customer_id", "code")}


def test_foreign_keys_and_the_families_that_can_serve_them(shop):
    facts = read(shop)
    orders, line = facts.find_table("orders"), facts.find_table("line")
    (key,) = orders.foreign_keys
    assert (key.columns, key.referenced_columns, key.on_delete, key.on_update) == (
        ("customer_id",), ("id",), "CASCADE", "NO ACTION"
    )  # fmt: skip
    assert (key.referenced_table, key.referenced_oid) == ("customer", facts.find_table("customer").oid)
    families = {i.name: i.opfamilies[0] for i in orders.indexes}
    for name in ("orders_hash", "orders_customer_id_code_key"):
        assert families[name] in key.opfamilies[0]
    assert families["orders_pattern"] not in key.opfamilies[0]
    (late,) = line.foreign_keys
    assert (late.is_validated, late.on_delete, late.on_update) == (False, "SET DEFAULT", "SET NULL")


def values_of(conn, columns):
    uses = {
        n: ParameterUse(n, "eq", schema, table, column) for n, (schema, table, column) in enumerate(columns, start=1)
    }
    names = {(schema, table): ((schema, table),) for schema, table, _ in columns}
    with conn.transaction_read_only():
        return read_statistics(conn, uses, names)


def test_partitions(shop):
    facts = read(shop)
    event, first, second, leaf = (
        facts.find_table(name) for name in ("event", "event_2020", "event_2021", "event_2021_1")
    )
    assert event.partitions == (first.oid, second.oid)
    assert (first.parent_oid, second.parent_oid, leaf.parent_oid) == (event.oid, event.oid, second.oid)
    assert (event.partition_key, second.partition_key, first.partition_key) == ("RANGE (at)", "LIST (kind)", None)
    assert event.rows == first.rows + leaf.rows == 1000
    assert event.size_bytes == first.size_bytes + leaf.size_bytes > 0
    assert event.column("kind").n_distinct == 1  # statistics of the whole tree
    (parent,), (child,), (grandchild,) = (list(table.indexes) for table in (event, second, leaf))
    assert (parent.parent_oid, child.parent_oid, grandchild.parent_oid) == (None, parent.oid, child.oid)
    assert parent.size_bytes is None


def test_facts_survive_json(shop):
    facts = read(shop)
    assert decode(encode(facts)) == facts


def test_hostile_names(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    names = ['Odd "one"', "it's; drop table x--", "%s {x} %(y)s", "ünïcode 表", "a" * 63, "\\n", "select"]
    schema = psycopg.sql.Identifier('S "%s" {0}')
    with database.connect() as connection:
        connection.execute(psycopg.sql.SQL("create schema {}").format(schema))
        for name in names:
            connection.execute(
                psycopg.sql.SQL("create table {}.{} ({} int primary key, {} text)").format(
                    schema, *(psycopg.sql.Identifier(n) for n in (name, name, name[::-1][:60] + "2"))
                )
            )
            connection.execute(
                psycopg.sql.SQL("insert into {}.{} values (1, 'x'), (2, 'x')").format(
                    schema, psycopg.sql.Identifier(name)
                )
            )
        connection.execute("analyze")
        if any_postgres.version < 14:
            for what in ("usage on schema {}", "select on all tables in schema {}"):
                connection.execute(
                    psycopg.sql.SQL("grant " + what + " to {}").format(schema, psycopg.sql.Identifier(database.login))
                )
    facts = read(database)
    assert sorted(t.name for t in facts) == sorted(names)
    for table in facts:
        assert (table.schema, table.primary_key) == ('S "%s" {0}', (table.name,))
        assert table.columns[1].distinct_values == 1
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        wanted = [(t.schema, t.name, t.columns[1].name) for t in facts]
        values = values_of(conn, wanted)
    assert {key: value.most_common_values for key, value in values.items()} == dict.fromkeys(wanted, ("x",))


def test_statistics_only_login_says_so(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        "create table t (a int primary key, b int)", "insert into t select i, i from generate_series(1, 500) i",
        "analyze",
        f"revoke pg_read_all_data from {database.login}" if any_postgres.version >= 14
        else f"revoke all on t from {database.login}",
    )  # fmt: skip
    facts = read(database)
    assert facts.statistics_readable is False
    (table,) = facts
    assert (table.rows, table.primary_key, table.column("b").n_distinct) == (500, ("a",), None)
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        assert values_of(conn, [("public", "t", "b")]) == {}


def test_never_analysed_is_unknown_not_zero(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        "create table t (a int) with (autovacuum_enabled = off)", "insert into t select generate_series(1, 1000)",
        "create table p (a int) partition by list (a)", "create table p1 partition of p for values in (1)",
    )  # fmt: skip
    facts = read(database)
    t, p = facts.find_table("t"), facts.find_table("p")
    assert (t.rows, t.column("a").n_distinct, t.column("a").distinct_values) == (None, None, None)
    assert t.size_bytes >= 40_000  # measured, as relpages is still 0
    assert facts.statistics_readable
    assert p.size_bytes == 0


def test_a_table_whose_statistics_the_login_may_not_see_says_so(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        "create table seen (a int)", "create table guarded (a int)", "create table column_seen (a int, b int)",
        "create table closed (a int)", "alter table guarded enable row level security",
        *([f"revoke pg_read_all_data from {database.login}"] if any_postgres.version >= 14 else []),
        f"revoke all on closed, column_seen from {database.login}",
        f"grant select on seen, guarded to {database.login}",
        f"grant select (b) on column_seen to {database.login}",
    )  # fmt: skip
    with database.connect(autocommit=False) as other:
        other.execute("lock table guarded in access exclusive mode")
        facts = read(database)
    assert {table.name: table.is_readable for table in facts} == {
        "seen": True, "guarded": False, "column_seen": True, "closed": False,
    }  # fmt: skip
    assert not facts.is_replica


def test_each_index_that_a_table_is_reindexed_with_is_being_built(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int, b int)", "create index on t (a)", "create index on t (b)")
    with database.connect(autocommit=False) as holder, database.connect() as builder:
        holder.execute("insert into t values (0, 0)")
        thread = threading.Thread(target=lambda: builder.execute("reindex table concurrently t"))
        thread.start()
        indexes = wait_for(lambda: found if len(found := read(database).find_table("t").indexes) >= 4 else None)
        holder.rollback()
        thread.join()
    assert [(i.is_usable, i.is_being_built) for i in sorted(indexes, key=lambda i: i.oid)] == [
        (True, False), (True, False), (False, True), (False, True),
    ]  # fmt: skip


def test_others_objects_are_left_out(postgres15, scratch_database):
    database = scratch_database(postgres15)
    with database.connect() as connection:
        connection.execute("create temporary table temporary_one (a int primary key)")
        connection.execute("create table mine (a int)")
        facts = read(database)
    assert [t.qualified_name for t in facts] == ["public.mine"]


def test_invalid_index_is_not_usable(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)", "insert into t values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute("create unique index concurrently broken on t (a)")
    (table,) = read(database)
    (index,) = table.indexes
    assert (index.name, index.is_unique, index.is_valid, index.is_usable) == ("broken", True, False, False)
    assert table.unique_keys == ()


def test_locked_table_does_not_fail_the_reading(shop):
    with shop.connect(autocommit=False) as other:
        other.execute("lock table orders, event in access exclusive mode")
        facts = read(shop)
    orders = facts.find_table("orders")
    assert orders.rows == 10_000
    assert orders.size_bytes > 0
    indexes = {i.name: i for i in orders.indexes}
    assert indexes["orders_pkey"].columns == ("id",)
    assert indexes["orders_partial"].predicate == UNREADABLE  # never taken for an index of the whole table
    assert indexes["orders_expression"].expressions == (UNREADABLE, UNREADABLE)
    assert indexes["orders_expression"].definition == ""
    assert ("id",) in orders.unique_keys
    assert facts.find_table("event").partition_key is None
    assert facts.find_table("customer").indexes[0].definition.startswith("CREATE UNIQUE INDEX")


def test_locks_taken_meanwhile_are_met_with_another_attempt(shop):
    stop = threading.Event()

    def lock_now_and_then():
        with shop.connect(autocommit=False) as other:
            while not stop.is_set():
                other.execute("lock table orders in access exclusive mode")
                stop.wait(0.15)
                other.rollback()
                stop.wait(0.15)

    thread = threading.Thread(target=lock_now_and_then)
    thread.start()
    try:
        for _ in range(5):
            assert read(shop).find_table("orders").rows == 10_000
    finally:
        stop.set()
        thread.join()


def test_search_path_of_the_application(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    role = f"app_{database.name}"
    database.execute("create schema app", 'create schema "Odd, one"', f"create role {role}")
    try:
        assert read(database).search_path == ("public",)
        database.execute(f"create schema {role}")
        assert read(database).search_path == (role, "public")  # "$user"
        database.execute(f'alter role {role} in database {database.name} set search_path = "Odd, one", App')
        assert read(database).search_path == ("Odd, one", "app", role, "public")
        database.execute(f"alter database {database.name} set search_path = app, nowhere, public")
        assert read(database).search_path == ("app", "public", "Odd, one")
    finally:
        database.execute(f"drop schema if exists {role}", f"drop owned by {role}", f"drop role {role}")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"$user", public', ["$user", "public"]),
        ('App,"Odd, ""one""" ,x', ["app", 'Odd, "one"', "x"]),
        ("", []),
        ('""', [""]),
        ('"open', ["open"]),
    ],
)
def test_search_path_text(text, names):
    assert split_search_path(text) == names


def test_values_of_columns(shop):
    with connect(ConnectionSettings.from_dsn(shop.superuser_dsn)) as conn:
        values = values_of(
            conn,
            [("public", "customer", "country"), ("public", "orders", "total"), ("public", "orders", "id"),
             ("public", "event", "kind"), ("public", "nowhere", "x")],
        )  # fmt: skip
        assert values_of(conn, []) == {}
    country = values["public", "customer", "country"]
    assert (country.most_common_values, country.null_frac, country.n_distinct) == (("DE", "FR"), 0, 2)
    assert country.most_common_freqs == pytest.approx((0.9, 0.1))
    assert "7.00" in values["public", "orders", "total"].most_common_values
    bounds = values["public", "orders", "id"].histogram_bounds
    assert (bounds[0], bounds[-1], len(bounds)) == ("1", "10000", 101)
    assert values["public", "event", "kind"].most_common_values == ("1",)
    assert len(values) == 4


def test_a_thousand_tables_in_a_moment(postgres18, scratch_database):
    database = scratch_database(postgres18)
    for start in range(0, 1000, 250):
        database.execute(
            "; ".join(
                f"create table t{i} (id int primary key, a int, b text, c timestamptz, d numeric);"
                f" create index on t{i} (lower(b)) where a > 5"
                for i in range(start, start + 250)
            )
        )
    database.execute("analyze")
    began = time.process_time()
    facts = read(database)
    assert len(facts.tables) == 1000
    assert sum(len(t.indexes) for t in facts) == 2000
    assert time.process_time() - began < 2  # ours; the server's share is about as much
