"""What-if on a real twin of a real server."""

from datetime import UTC, datetime

import pytest

from analyzer.advice import queries as advising
from analyzer.advice.advise import advise
from analyzer.advice.candidates import enumerate_indexes
from analyzer.advice.candidates.typed import read_typed
from analyzer.advice.predicted import NotPredicted
from analyzer.advice.queries import CATALOG_ONLY, plannable_queries
from analyzer.advice.select import SelectionOptions
from analyzer.advice.selection import drops
from analyzer.errors import BadInput
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.questions.predict import predict
from analyzer.questions.what_if import what_if
from analyzer.twin import lease
from tests.advice.builders import statement
from tests.servers import ScratchDatabase
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres
NOW = datetime(2025, 3, 1, tzinfo=UTC)

SCHEMA = (
    "create table customers (id int primary key, email text not null, country char(2) not null)",
    "insert into customers select i, 'user' || i || '@example.org', chr(65 + i % 20) || 'X'"
    " from generate_series(1, 20000) as i",
    "create table orders (id int primary key, customer_id int not null, status text not null,"
    " created timestamptz not null, total numeric(10, 2))",
    "insert into orders select i, 1 + (i * 7919) % 20000, case when i % 500 = 0 then 'open' else 'done' end,"
    " timestamptz '2024-01-01' + i * interval '1 minute', i % 500 from generate_series(1, 100000) as i",
    "create index orders_created_idx on orders (created)",
    "create table events (id int not null, at date not null, kind int not null) partition by range (at)",
    "create table events_a partition of events for values from ('2024-01-01') to ('2024-07-01')",
    "create table events_b partition of events for values from ('2024-07-01') to ('2025-01-01')",
    "insert into events select i, date '2024-01-01' + i % 360, i % 5000 from generate_series(1, 60000) as i",
    "create view open_orders as select * from orders where status = 'open'",
)
BY_CUSTOMER = "select total from orders where customer_id = $1"
BY_STATUS = "select id from orders where status = $1"
NEWEST = "select id from orders where created > $1 order by created limit 10"
BY_EMAIL = "select id from customers where email = $1"
BY_KIND = "select id from events where kind = $1"
OPEN_OF = "select id from open_orders where customer_id = $1"
WORKLOAD = {
    sql: statement(sql, calls=calls)
    for sql, calls in (
        (BY_CUSTOMER, 1000), (BY_STATUS, 100), (NEWEST, 500), (BY_EMAIL, 50), (BY_KIND, 10), (OPEN_OF, 5),
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def twin_and_facts(postgres, var_dir):
    database = ScratchDatabase(postgres(18))
    try:
        database.execute(*SCHEMA)
        database.vacuum()
        with connect(settings_of(database.dsn)) as connection:
            facts = read_schema(connection)
        with lease(settings_of(database.dsn), var_dir) as twin:
            yield twin, facts
    finally:
        database.drop()


@pytest.fixture
def ask(twin_and_facts):
    """What is typed -> the answer, and for each statement that changes what is said of it."""
    twin, facts = twin_and_facts
    names = {s.fingerprint: sql for sql, s in WORKLOAD.items()}
    queries, refused = plannable_queries(twin, list(WORKLOAD.values()), facts, NOW)
    assert not refused

    def answer(text):
        typed = read_typed(text, facts)
        before = twin.plans_made
        found = what_if(twin, queries, [w.definition for w in typed.adds], [e.index.oid for e in typed.hides], facts)
        made = twin.plans_made - before
        return found, {names[c.statement]: c for c in found.changes}, made, queries

    return answer


def test_what_the_twins_own_catalog_lacks_is_no_reason(twin_and_facts):
    """An older server's columns, rights: of the server none of them is true."""
    twin, facts = twin_and_facts
    of_catalog = [
        statement(sql)
        for sql in (
            "select daticulocale from pg_catalog.pg_database where datname = $1",
            "select subname from pg_catalog.pg_subscription where subconninfo = $1",
        )
    ]
    gone = statement("select a from nowhere n join pg_catalog.pg_class c on c.relname = n.a")
    _, refused = plannable_queries(twin, [*of_catalog, gone], facts, NOW)
    assert {refused[s.fingerprint] for s in of_catalog} == {CATALOG_ONLY}
    assert refused[gone.fingerprint].startswith('Relation "nowhere" does not exist.')


def test_a_statement_we_fail_on_is_not_planned_and_the_others_are(twin_and_facts, monkeypatch):
    twin, facts = twin_and_facts
    real = advising.preparable_sql

    def failing(sql, **given):
        if sql == BY_STATUS:
            raise TypeError("secret")
        return real(sql, **given)

    monkeypatch.setattr(advising, "preparable_sql", failing)
    queries, refused = plannable_queries(twin, list(WORKLOAD.values()), facts, NOW)
    assert refused == {WORKLOAD[BY_STATUS].fingerprint: "pgLoupe could not work on this statement (TypeError)."}
    assert {q.statement for q in queries} == {s.fingerprint for s in WORKLOAD.values()} - refused.keys()
    refused_alone = predict(twin, facts, BY_STATUS, now=NOW)
    assert refused_alone == NotPredicted(BY_STATUS, "pgLoupe could not work on this statement (TypeError).")


@pytest.fixture
def failing_candidates(monkeypatch):
    """We fail where candidates are made for BY_STATUS."""
    real = enumerate_indexes.query_blocks

    def failing(sql, facts=None):
        if "status = " in sql:
            raise TypeError("secret")
        return real(sql, facts)

    monkeypatch.setattr(enumerate_indexes, "query_blocks", failing)


def test_a_statement_without_candidates_because_of_us_says_so_and_the_others_are_advised_on(
    twin_and_facts, failing_candidates
):
    twin, facts = twin_and_facts
    advice = advise(twin, list(WORKLOAD.values()), facts, SelectionOptions(), now=NOW)
    why_not = {e.statement: e.why_not for e in advice.effects}
    assert why_not[WORKLOAD[BY_STATUS].fingerprint] == "pgLoupe could not work on this statement (TypeError)."
    assert "(customer_id)" in {p.chosen.index.definition.body() for p in advice.proposals}
    alone = predict(twin, facts, BY_STATUS, now=NOW)
    assert (alone.likes, alone.why_none) == ((), "pgLoupe could not work on this statement (TypeError).")
    assert alone.plan.root.node_type == "Seq Scan"


def test_an_index_we_fail_on_is_named_and_the_statements_are_advised_on(twin_and_facts, monkeypatch):
    twin, facts = twin_and_facts
    real = drops.shape_of_index

    def failing(index):
        if index.name == "orders_created_idx":
            raise TypeError("secret")
        return real(index)

    monkeypatch.setattr(drops, "shape_of_index", failing)
    advice = advise(twin, list(WORKLOAD.values()), facts, SelectionOptions(), now=NOW)
    assert advice.faults == ("public.orders_created_idx: pgLoupe could not work on this index (TypeError).",)
    assert "(customer_id)" in {p.chosen.index.definition.body() for p in advice.proposals}


def test_operators_written_with_their_schema_are_predicted(foretell):
    listed = "customer_id operator(pg_catalog.=) any (array[1, 2])"
    found = foretell(f"select * from orders where coalesce({listed}, false) = true")
    assert "pgLoupe" not in (found.why_none or "")
    found = foretell(f"select * from orders where {listed}")
    assert [like.definition for like in found.likes] == ["(customer_id)"]
    found = foretell("select * from orders order by (status operator(pg_catalog.=) any (array['a', 'b'])) limit 5")
    assert "pgLoupe" not in (found.why_none or "")


def summaries(changes):
    return {sql: change.change.summary(change.cost_before, change.cost_after) for sql, change in changes.items()}


def test_a_new_index_changes_the_statements_that_would_use_it(ask):
    found, changes, _, _ = ask("orders (customer_id)")
    assert summaries(changes) == {
        BY_CUSTOMER: "Seq Scan on orders became Bitmap Heap Scan using ix_orders_customer_id, 86x cheaper",
        OPEN_OF: "Seq Scan on orders became Bitmap Heap Scan using ix_orders_customer_id, 97x cheaper",
    }
    assert list(changes) == [BY_CUSTOMER, OPEN_OF]  # by what they save in a day
    assert found.tried[0].used_by == tuple(c.statement for c in found.changes)
    assert not any(c.is_hurt for c in found.changes)
    assert 900_000 < found.size_bytes < 1_500_000
    assert (found.statements, found.looked_at) == (6, 2)
    assert found.cost_after < found.cost_before / 50


def test_statements_of_other_tables_are_not_planned(ask):
    _, changes, _, queries = ask("customers (country)")
    assert changes == {}
    _, changes, made, queries = ask("customers (email, country)")
    assert set(changes) == {BY_EMAIL}
    of_customers = [q for q in queries if "customers" in q.sql]
    assert made == len(of_customers) + 2  # each once, and the one that changes twice more to show it


def test_hiding_an_index_shows_who_would_miss_it(ask):
    found, changes, _, _ = ask("hide orders_created_idx")
    assert changes[NEWEST].change.sentences == (
        "Index Scan on orders using orders_created_idx became Seq Scan", "a Sort was added",
    )  # fmt: skip
    assert set(changes) == {NEWEST}
    assert changes[NEWEST].is_hurt
    assert found.size_bytes == 0
    assert found.cost_after > found.cost_before


def test_an_index_of_a_partitioned_table_serves_its_partitions(ask):
    _, changes, _, _ = ask("events (kind)")
    assert set(changes) == {BY_KIND}
    assert changes[BY_KIND].change.sentences == (
        "Seq Scan on events_a events_1 became Bitmap Heap Scan using ix_events_a_kind",
        "Seq Scan on events_b events_2 became Bitmap Heap Scan using ix_events_b_kind",
    )


def test_a_replacement_is_judged_together_with_what_it_replaces(ask):
    found, changes, _, _ = ask("orders (created, id)\nhide orders_created_idx")
    assert changes[NEWEST].change.sentences[0] == (
        "Index Scan on orders using orders_created_idx became Index Only Scan using ix_orders_created_id"
    )
    assert changes[NEWEST].cost_after < 5  # 2,733 without the new one
    assert changes[NEWEST].uses == (found.tried[0].index.id,)


def test_an_index_that_exists_already_is_said(ask):
    found, _, _, _ = ask("orders (created)")
    assert found.tried[0].exists_as.name == "orders_created_idx"
    assert found.size_bytes == 0


def test_nothing_asked_changes_nothing(ask):
    found, changes, made, _ = ask("")
    assert (changes, made, found.looked_at) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "orders using gin (status)",
            'public.orders USING gin (status): Data type text has no default operator class for access method "gin".',
        ),
        ("orders using nope (status)", 'public.orders USING nope (status): Access method "nope" does not exist.'),
        (
            "orders (status) where total > random()",
            "public.orders (status) WHERE total > random(): Functions in index predicate must be marked IMMUTABLE.",
        ),
    ],
)
def test_an_index_that_cannot_be_created_is_refused_with_the_planners_reason(ask, text, says):
    with pytest.raises(BadInput) as refused:
        ask(text)
    assert str(refused.value) == says


# -- predictions


@pytest.fixture
def foretell(twin_and_facts):
    twin, facts = twin_and_facts
    return lambda sql: predict(twin, facts, sql, now=NOW)


def test_a_new_statement_is_planned_with_its_values_and_gets_its_index(foretell):
    found = foretell("select * from orders where customer_id = 5;")
    assert (found.values, found.kind, found.sql) == ("given", "select", "select * from orders where customer_id = 5")
    assert [(r.table, r.node_type, r.plan_rows, r.table_rows) for r in found.reads] == [
        ("public.orders", "Seq Scan", 5, 100_000)
    ]
    assert [(like.ddl.statements, like.definition) for like in found.likes] == [
        (
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_customer_id ON public.orders (customer_id)",),
            "(customer_id)",
        )
    ]
    assert found.change_words == ("Seq Scan on orders became Bitmap Heap Scan using ix_orders_customer_id, 86x cheaper")
    assert found.cost_without == found.total_cost == 1986
    assert found.cost_with < 25
    assert found.plan_with_json["Plan"]["Node Type"] == "Bitmap Heap Scan"


def test_parameters_are_planned_generically_and_no_value_of_the_statistics_is_shown(foretell):
    found = foretell("select * from orders where status = $1 and customer_id = $2")
    assert found.values == "generic"
    assert "$1" in str(found.plan_json)
    assert "open" not in str(found.plan_json) + str(found.plan_with_json)


def test_joins_and_partitions_say_how_each_table_is_read(foretell):
    found = foretell("select * from orders o join customers c on c.id = o.customer_id where c.email = 'a@example.org'")
    assert {(r.table, r.node_type) for r in found.reads} == {
        ("public.orders", "Seq Scan"), ("public.customers", "Seq Scan"),
    }  # fmt: skip
    assert {like.table for like in found.likes} == {"public.orders", "public.customers"}
    found = foretell("select count(*) from events where kind = 3")
    assert [(r.table, r.node_type, r.partitions) for r in found.reads] == [("public.events", "Seq Scan", 2)]


def test_a_write_is_planned_too(foretell):
    found = foretell("update orders set total = 1 where customer_id = 3")
    assert (found.kind, [like.definition for like in found.likes]) == ("update", ["(customer_id)"])


def test_a_statement_that_is_served_gets_no_index_and_the_reason(foretell):
    found = foretell("select * from orders where id = 5")
    assert found.likes == ()
    assert found.why_none == "orders_pkey on public.orders serves it already; no other index makes it cheaper."


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selec 1", 'It is not valid SQL in line 1: syntax error at or near "selec".'),
        ("", "The text holds no statement."),
        ("select 1; select 2", "It holds 2 statements; write each into a file of its own."),
        ("vacuum", "It is a utility statement, which has no plan of its own."),
        ("create table x (a int)", "It is a utility statement, which has no plan of its own."),
        ("select * from nope", 'Relation "nope" does not exist.'),
        ("select nope from orders", 'Column "nope" does not exist.'),
    ],
)
def test_what_cannot_be_predicted_says_why(foretell, sql, says):
    assert foretell(sql) == NotPredicted(sql, says)
