"""Which indexes are suggested for which statements, and why nothing is."""

import random
from dataclasses import replace

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planned import why_these_columns
from analyzer.advice.rules import suggest
from analyzer.advice.rules.candidates import statement_advice
from analyzer.advice.rules.coverage import Need, served_by
from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableActivity
from analyzer.schema.index_names import index_name
from analyzer.statements.fingerprint import fingerprint
from tests.advice.builders import facts, foreign_key, index, statement, table

CUSTOMERS = table(
    "customers",
    ["id|bigint|-1", "email|character varying(40)|-0.99", "country|character varying(40)|50", "name|text|-0.7",
     "active|boolean|2"],
    rows=200_000,
)  # fmt: skip
ORDERS = table(
    "orders",
    ["id|bigint|-1", "customer_id|bigint|150000", "status|character varying(40)|5",
     "created|timestamp with time zone|-1",
     "code|character varying(40)|-1", "seller_id|bigint|200|0.5", "returned|timestamp with time zone|-0.02|0.98",
     "flag|boolean|2", "data|jsonb|-1", "tags|text[]|-0.5", "note|text|-0.5|0.4", "unknown|bigint|?"],
)  # fmt: skip
LINES = table(
    "lines", ["id|bigint|-1", "order_id|bigint|-0.3", "product_id|bigint|20000", "quantity|integer|50"], rows=3_000_000
)
SMALL = table("settings", ["id|bigint|-1", "key|text|-1", "value|text|-1"], rows=300)
SHOP = facts(CUSTOMERS, ORDERS, LINES, SMALL)


def with_indexes(base, *indexes):
    return replace(base, indexes=(*base.indexes, *indexes))


def advise(sql, schema=SHOP, rows=None, findings=()):
    """The one statement's suggestions as table(columns), or the reason."""
    advice = suggest_indexes([statement(sql, rows=rows)], schema, findings)
    shown = [f"{s.table}({', '.join(c.sql() for c in s.columns)})" for s in advice.suggestions]
    return shown or advice.reasons[fingerprint(sql)]


SUGGESTED = {
    "select * from orders where code = $1": ["orders(code)"],
    "select * from orders where code = $1 limit $2": ["orders(code)"],
    "select * from orders where code in ($1, $2, $3)": ["orders(code)"],
    "select * from orders where code = any ($1)": ["orders(code)"],
    "update orders set status = $1 where code = $2": ["orders(code)"],
    "delete from orders where code = $1": ["orders(code)"],
    # equality first, then the range
    "select * from orders where created between $1 and $2 and seller_id = $3": ["orders(seller_id, created)"],
    # equality that already leaves few rows needs no range after it
    "select * from orders where customer_id = $1 and created > $2": ["orders(customer_id)"],
    # then the order, where LIMIT can stop early
    "select * from orders where status = $1 order by created limit $2": ["orders(status, created)"],
    "select * from orders where status = $1 order by created desc limit $2": ["orders(status, created)"],
    "select * from orders where status = $1 order by created desc, id desc limit 20": ["orders(status, created, id)"],
    "select * from orders where status = $1 order by created desc, id limit 20": ["orders(status, created, id DESC)"],
    "select * from orders order by created desc limit $1": ["orders(created)"],
    "select * from orders order by note desc limit $1": ["orders(note)"],
    "select * from orders order by note desc nulls last limit $1": ["orders(note NULLS FIRST)"],
    "select * from orders where returned is not null order by returned desc limit 10": ["orders(returned)"],
    "select * from orders where status <> $1 order by created limit 10": ["orders(created)"],
    # joins: the driving table by its condition, the others by their join column
    "select * from orders o join customers c on c.id = o.customer_id where c.email = $1": [
        "customers(email)", "orders(customer_id)"
    ],
    "select * from customers c left join orders o on o.customer_id = c.id where c.email = $1": [
        "customers(email)", "orders(customer_id)"
    ],
    "select * from orders join lines on lines.order_id = orders.id where orders.code = $1": [
        "lines(order_id)", "orders(code)"
    ],
    "delete from lines using orders where lines.order_id = orders.id and orders.code = $1": [
        "lines(order_id)", "orders(code)"
    ],
    "select id, (select count(*) from orders o where o.customer_id = c.id) from customers c where id = $1": [
        "orders(customer_id)"
    ],
    "select * from customers c where id = $1 and exists (select 1 from orders o where o.customer_id = c.id)": [
        "orders(customer_id)"
    ],
    "select * from lines where order_id in (select id from orders where id = $1)": ["lines(order_id)"],
    "with recursive t as (select id from orders where id = $1 union all select l.id from lines l join t on"
    " l.order_id = t.id) select * from t": ["lines(order_id)"],
    "select * from (values ($1::bigint), ($2)) v (id) join lines on lines.order_id = v.id": ["lines(order_id)"],
    # a subquery in FROM is looked into
    "select count(*) from (select id from orders where code = $1) s": ["orders(code)"],
    "select * from orders where upper(code) = upper($1)": ["orders((upper(code)))"],
    "select * from orders where data @> $1": ["orders(data jsonb_path_ops)"],
    "select * from orders where data ? $1": ["orders(data)"],
    "select * from orders where tags && $1": ["orders(tags)"],
    "select * from orders where code like 'abc%'": ["orders(code text_pattern_ops)"],
    "select * from orders where code = $1 or code = $2": ["orders(code)"],
    "select * from orders where code = $1 union all select * from orders where customer_id = $2": [
        "orders(code)", "orders(customer_id)"
    ],
}  # fmt: skip


@pytest.mark.parametrize("sql", SUGGESTED)
def test_suggested(sql):
    assert sorted(advise(sql)) == SUGGESTED[sql]


URLS = {
    # a hash finds the few rows whatever order they are asked for; where they are many, LIMIT stops early in that order
    "url = $1 order by id limit 1": ["hash url"],
    "url = $1 order by created desc limit 1": ["hash url"],
    "url in ($1, $2) and deleted is null order by id limit 9": ["hash url"],
    "tenant = $1 and url = $2 order by id limit 1": ["hash url"],
    "customer = $1 and url = $2 order by id limit 1": ["btree customer, id"],
    "site = $1 order by created limit 1": ["btree site, created"],
    # no hash holds a NULL
    "url is null": ["btree url"],
    "tenant = $1 and url is null": ["btree tenant, url"],
    "url = $1 and deleted is null": ["hash url"],
    # nor bits
    "mask = $1": ["btree mask"],
    "mask = $1 order by id limit 1": ["btree mask, id"],
}


@pytest.mark.parametrize("condition", URLS)
def test_long_texts_are_hashed_where_equality_is_asked_for_and_finds_few(condition):
    pages = table(
        "pages",
        ["id|bigint|-1", "tenant|bigint|2000", "customer|bigint|500000", "url|text|-0.9|0.01", "site|text|100",
         "mask|bit varying|-1", "created|timestamp with time zone|-1", "deleted|timestamp with time zone|-1|0.9"],
    )  # fmt: skip
    long = (replace(c, avg_width_bytes=100) if c.name in ("url", "site", "mask") else c for c in pages.columns)
    shop = facts(replace(pages, columns=tuple(long)))
    made = suggest_indexes([statement(f"select * from pages where {condition}")], shop).suggestions
    assert [f"{s.method} {', '.join(c.sql() for c in s.columns)}" for s in made] == URLS[condition]


REFUSED = {
    "select * from orders where id = $1": "It finds rows of public.orders by the unique key (id).",
    "select * from orders where id = $1 and status = $2": "It finds rows of public.orders by the unique key (id).",
    "select * from orders where id in ($1, $2)": "It finds rows of public.orders by the unique key (id).",
    "select * from settings where key = $1": "public.settings has only about 300 rows: reading it whole is quick.",
    "select * from settings order by value limit 1": (
        "public.settings has only about 300 rows: reading it whole is quick."
    ),
    "select * from orders where flag": (
        "Its conditions on public.orders keep about 50% of the rows, as far as the statistics tell without the values:"
        " reading the table whole is cheaper than that many index lookups."
    ),
    "select * from orders where created > $1": (
        "Its conditions on public.orders keep about 33% of the rows, as far as the statistics tell without the values:"
        " reading the table whole is cheaper than that many index lookups."
    ),
    "select * from orders": "It reads public.orders without a condition.",
    "select count(*) from orders": "It sums up public.orders without a condition: all rows are needed.",
    "select distinct status from orders order by 1 limit 5": (
        "It sums up public.orders without a condition: all rows are needed."
    ),
    "select * from orders o join customers c on c.id = o.customer_id": (
        "It joins whole tables, without a condition or LIMIT: reading them whole is right."
    ),
    "select * from orders where status <> $1": (
        "Its conditions exclude values instead of naming them: no index narrows that down."
    ),
    "select * from orders where code = $1 or customer_id = $2": (
        "Its conditions are joined by OR over several columns: no single index serves them."
    ),
    "select * from orders where date_trunc('day', created) = $1": (
        "It compares an expression, not a bare column, so an index on the column cannot serve it."
    ),
    "select * from orders where unknown = $1": (
        "How many rows of public.orders it keeps is not known: its columns have no statistics: ANALYZE the table."
    ),
    "insert into orders (id) values ($1)": "It inserts rows: there is nothing to find.",
    "set work_mem = '1GB'": "It is no single query that an index could serve.",
    "select * from pg_class where relname = $1": "It reads the server's own catalog.",
    "select * from elsewhere where a = $1": "elsewhere is no table that pgLoupe has seen in this database.",
    "select 1": "It has no condition, join or order that an index could serve.",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_refused_with_a_reason(sql):
    assert advise(sql) == REFUSED[sql]


@pytest.mark.parametrize("extensions", [(), ("pg_trgm",)])
def test_trigram_index_with_the_extension_where_it_lacks(extensions):
    shop = facts(CUSTOMERS, extensions=extensions)
    found = suggest_indexes([statement("select * from customers where name like $1")], shop).suggestions
    makes = [s for s in found[0].statements if s.startswith("CREATE EXTENSION")]
    assert makes == ([] if extensions else ["CREATE EXTENSION IF NOT EXISTS pg_trgm"])
    assert advise("select * from customers where name like $1", shop) == ["customers(name gin_trgm_ops)"]
    assert advise("select * from customers where upper(name::text) like upper($1)", shop) == [
        "customers((upper(CAST(name AS text))) gin_trgm_ops)"
    ]


SERVED_BY = {
    # (existing index, statement): the index serves it
    "the same column": (index("i", "code"), "select * from orders where code = $1"),
    "leading column of a longer one": (index("i", "code", "status"), "select * from orders where code = $1"),
    "columns in another order": (
        index("i", "status", "seller_id"), "select * from orders where seller_id = $1 and status = $2"
    ),
    "hash": (index("i", "code", method="hash"), "select * from orders where code = $1"),
    "where it is not null": (index("i", "code", where="(code IS NOT NULL)"), "select * from orders where code = $1"),
    "where the flag is set, as asked": (
        index("i", "created", where="flag"), "select * from orders where flag order by created limit 10"
    ),
    "a selective part of it": (
        index("i", "customer_id"), "select * from orders where customer_id = $1 and seller_id = $2"
    ),
    "read backwards": (
        index("i", "status", "created"), "select * from orders where status = $1 order by created desc limit 9"
    ),
    "both directions turned": (
        index("i", "created", "id", options=(3, 0)), "select * from orders order by created, id desc limit 9"
    ),
    "the order, filtering as it goes": (
        index("i", "created"), "select * from orders where status = $1 order by created desc limit 9"
    ),
    "few rows to sort": (
        index("i", "customer_id"), "select * from orders where customer_id = $1 order by created limit 9"
    ),
    "expression": (
        index("i", None, expressions=("upper((code)::text)",)),
        "select * from orders where upper(code::text) = upper($1)"
    ),
    "prefix search": (
        index("i", "code", default=False, opclasses=("varchar_pattern_ops",)),
        "select * from orders where code like 'abc%'"
    ),
    "of what is not NULL, for a range in its order": (
        index("i", "created", where="(created IS NOT NULL)"),
        "select * from orders where created > $1 order by created limit 9",
    ),
    "gin": (index("i", "tags", method="gin"), "select * from orders where tags && $1"),
    "gin of the rows asked for": (
        index("i", "tags", method="gin", where="(returned IS NOT NULL)"),
        "select * from orders where tags && $1 and returned is not null"
    ),
    "gin of what is not NULL": (
        index("i", "tags", method="gin", where="(tags IS NOT NULL)"), "select * from orders where tags && $1"
    ),
    "gin that knows more": (
        index("i", "data", method="gin", opclasses=("jsonb_ops",)), "select * from orders where data @> $1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SERVED_BY)
def test_served_by_an_existing_index(case):
    existing, sql = SERVED_BY[case]
    assert advise(sql, facts(with_indexes(ORDERS, existing))) == "i on public.orders serves it."


NOT_SERVED_BY = {
    "invalid": (index("i", "code", valid=False), "select * from orders where code = $1"),
    "not leading": (index("i", "status", "code"), "select * from orders where code = $1"),
    "brin": (index("i", "code", method="brin"), "select * from orders where code = $1"),
    "hash, of what is NULL": (index("i", "code", method="hash"), "select * from orders where code is null"),
    "partial": (index("i", "code", where="(seller_id > 5)"), "select * from orders where code = $1"),
    "other operator class": (index("i", "code", default=False), "select * from orders where code = $1"),
    "mixed directions": (index("i", "created", "id"), "select * from orders order by created, id desc limit 9"),
    "low selectivity first": (index("i", "status"), "select * from orders where seller_id = $1 and status = $2"),
    "prefix search without the operator class": (index("i", "code"), "select * from orders where code like 'abc%'"),
    "of rows chosen by two columns": (
        index("i", "code", where="(seller_id > customer_id)"),
        "select * from orders where code = $1",
    ),
    "of rows chosen by an expression": (
        index("i", "created", where="(lower(status) = 'new')"),
        "select * from orders where status = $1 order by created limit 9",
    ),
    "of what is not NULL, in an order": (
        index("i", "created", where="(created IS NOT NULL)"),
        "select * from orders order by created limit 9",
    ),
    "of what is not NULL, in an order behind a column": (
        index("i", "seller_id", "created", where="(created IS NOT NULL)"),
        "select * from orders where seller_id = $1 order by created limit 9",
    ),
    "of what is not NULL, for what is": (
        index("i", "code", where="(code IS NOT NULL)"),
        "select * from orders where code is null",
    ),
    "of one value, and what is not NULL in an order": (
        index("i", "created", where="((seller_id = 5) AND (created IS NOT NULL))"),
        "select * from orders where seller_id = $1 order by created limit 9",
    ),
    "of one value, for what is NULL": (
        index("i", "status", where="(code = 'new')"),
        "select * from orders where status = $1 and code is null",
    ),
    "of what is not NULL, on another column": (
        index("i", "status", where="(code IS NOT NULL)"),
        "select * from orders where code = $1",
    ),
    "of two values, where one is asked for": (
        index("i", "created", where="((seller_id = 5) AND (code = 'x'))"),
        "select * from orders where seller_id = $1 order by created limit 9",
    ),
    "gin of other rows": (
        index("i", "data", method="gin", where="(returned IS NULL)"),
        "select * from orders where data ? 'x'",
    ),
    "gin of some rows": (
        index("i", "note", method="gin", opclasses=("gin_trgm_ops",), where="(id > 1000)"),
        "select * from orders where note ilike '%abc%'",
    ),
    "gin of rows chosen by an expression": (
        index("i", "tags", method="gin", where="((data ->> 'a'::text) IS NOT NULL)"),
        "select * from orders where tags && $1",
    ),
    "gin that knows no keys": (
        index("i", "data", method="gin", opclasses=("jsonb_path_ops",), default=False),
        "select * from orders where data ? 'x'",
    ),
    "gin of words": (
        index("i", "note", method="gin", opclasses=("text_ops",)),
        "select * from orders where note ilike '%abc%'",
    ),
}


@pytest.mark.parametrize("case", NOT_SERVED_BY)
def test_not_served_by_an_existing_index(case):
    existing, sql = NOT_SERVED_BY[case]
    assert isinstance(advise(sql, facts(with_indexes(ORDERS, existing))), list)


@pytest.mark.parametrize(
    ("asked", "is_served"),
    [
        ("app.norm(code)", True), ("norm(code)", True), ("other.norm(code)", False),
        ("app.norm(other.norm(code))", False),
    ],
)  # fmt: skip
def test_an_index_on_a_function_serves_that_of_its_schema(asked, is_served):
    written = "app.norm(app.norm((code)::text))" if asked.count("norm") == 2 else "app.norm((code)::text)"
    existing = index("i", None, expressions=(written,))
    need = Need(with_indexes(ORDERS, existing), frozenset(), (IndexColumn(asked, is_expression=True),), "expression")
    assert (served_by(need) is not None) is is_served


def test_numbers_get_an_index_where_no_intarray_has_operators_of_its_own():
    events = table("events", ["id|bigint|-1", "numbers|integer[]|-0.5"])
    sql = "select id from events where numbers @> '{1}'"
    (need,) = statement_advice(sql, facts(events)).needs
    assert (need.method, need.tail) == ("gin", (IndexColumn("numbers"),))
    with_it = statement_advice(sql, facts(events, extensions=("intarray",)))
    assert (with_it.needs, with_it.reasons) == ([], ["Which index knows numbers @>, only a planner tells."])


def test_queue_poll_with_its_partial_index():
    sql = "select * from orders where status = $1 order by created limit 1 for update skip locked"
    existing = index("queue", "created", where="((status)::text = 'new'::text)")
    assert advise(sql, facts(with_indexes(ORDERS, existing))) == (
        "The partial index queue on public.orders (WHERE ((status)::text = 'new'::text)) serves it for the values it"
        " was made for; whether these are the ones asked for cannot be told from $1."
    )


def test_rows_per_call_tell_more_than_the_statistics():
    sql = "select * from orders where created > $1"
    assert advise(sql, rows=50.0) == ["orders(created)"]
    assert isinstance(advise(sql, rows=900_000.0), str)
    assert isinstance(advise("select * from orders where code = $1 and flag", rows=600_000.0), str)


def test_an_executed_plan_tells_more_than_the_statistics():
    sql = "select count(*) from orders where created > $1"
    found = Finding(
        "PL004", "", Severity.WARNING, "Seq Scan on orders", "", "", {"rows_read": 1_000_000, "rows_kept": 40},
        about=fingerprint(sql), table="public.orders",
    )  # fmt: skip
    assert isinstance(advise(sql), str)
    advice = suggest_indexes([statement(sql)], SHOP, [found])
    assert [(s.name, s.finding_keys) for s in advice.suggestions] == [("ix_orders_created", (found.key,))]


def test_an_n_plus_one_is_not_answered_by_an_index():
    sql = "select * from orders where code = $1"
    burst = Finding("ST001", "", Severity.WARNING, "x", "", "", {}, about=fingerprint(sql), table="public.orders")
    (suggestion,) = suggest_indexes([statement(sql)], SHOP, [burst]).suggestions
    assert suggestion.finding_keys == ()


def test_statements_share_an_index():
    workload = [
        statement("select * from orders where seller_id = $1 and status = $2", 5),
        statement("select * from orders where status = $1 order by created limit 10", 7),
        statement("select * from orders where status = $1 and seller_id = $2 order by created desc limit 10", 11),
        statement("select * from orders where seller_id = $1", 13),
    ]
    advice = suggest_indexes(workload, SHOP)
    assert [(s.name, s.helped_time_s_per_day) for s in advice.suggestions] == [
        (index_name("orders", ["seller_id", "status", "created"]), 29),
        ("ix_orders_status_created", 7),
    ]


def test_the_order_of_the_workload_changes_nothing():
    workload = [statement(sql, at + 1.0) for at, sql in enumerate([*SUGGESTED, *REFUSED])]
    first = suggest_indexes(workload, SHOP)
    for seed in range(3):
        shuffled = random.Random(seed).sample(workload, len(workload))
        again = suggest_indexes(shuffled, SHOP)
        assert again == first
    assert len({s.key for s in first.suggestions}) == len(first.suggestions)
    assert len({s.name for s in first.suggestions}) == len(first.suggestions)


def parent_and_child(deleted=5):
    parent = replace(CUSTOMERS, activity=TableActivity(deleted_rows=deleted))
    return parent, replace(ORDERS, foreign_keys=(foreign_key("fk_customer", "customer_id", to=parent),))


def test_foreign_key_whose_parent_loses_rows():
    (suggestion,) = suggest_indexes([], facts(*parent_and_child())).suggestions
    assert (suggestion.name, suggestion.serves_foreign_keys, suggestion.helps) == (
        "ix_orders_customer_id", ("fk_customer",), ()
    )  # fmt: skip
    assert suggestion.reason == (
        "customer_id is compared by equality. Deleting or changing a referenced row needs it to check fk_customer."
    )


def test_foreign_key_whose_parent_keeps_its_rows():
    assert suggest_indexes([], facts(*parent_and_child(deleted=0))).suggestions == []


def test_foreign_key_with_a_finding():
    found = Finding("SC001", "", Severity.WARNING, "fk_customer", "", "", {}, about="public.orders.fk_customer")
    (suggestion,) = suggest_indexes([], facts(*parent_and_child(deleted=0)), [found]).suggestions
    assert suggestion.finding_keys == (found.key,)


def test_foreign_key_and_statement_share_an_index():
    parent, child = parent_and_child()
    sql = "select * from orders where customer_id = $1 order by created limit 1"
    (suggestion,) = suggest_indexes([statement(sql)], facts(parent, child)).suggestions
    assert (suggestion.name, suggestion.serves_foreign_keys) == ("ix_orders_customer_id_created", ("fk_customer",))


def test_a_write_heavy_table_is_warned_about():
    busy = replace(ORDERS, inserted_rows_per_day=500_000.0)
    (suggestion,) = suggest_indexes([statement("select * from orders where code = $1")], facts(busy)).suggestions
    assert suggestion.warnings == (
        "public.orders takes about 500,000 row changes a day; each index makes them dearer.",
    )


@pytest.mark.parametrize(
    ("rate", "seen", "watched_s", "said"),
    [
        (500_000.0, 41_000, 7_200, "takes about 500,000 row changes a day, by the 2 hours it was watched"),
        (500_000.0, 900_000, 7 * 86_400, "takes about 500,000 row changes a day"),
        (None, 450_000, 300, "took 450,000 row changes in the 5 minutes it was watched so far"),
        (None, 45_000, 300, None),
        (None, None, None, None),
        (99_000.0, 45_000, 40_000, None),
    ],
)
def test_a_write_rate_says_what_it_is_made_of(rate, seen, watched_s, said):
    busy = replace(ORDERS, inserted_rows_per_day=rate, seen_rows=seen and (seen - 3, 2, 1), watched_s=watched_s)
    (suggestion,) = suggest_indexes([statement("select * from orders where code = $1")], facts(busy)).suggestions
    assert suggestion.warnings == ((f"public.orders {said}; each index makes them dearer.",) if said else ())


def test_a_partitioned_table_gets_the_script():
    leaf = table("events_1", ["id|bigint|-1", "at|timestamp with time zone|-1"], oid=7, parent_oid=6, keys=())
    root = table(
        "events", ["id|bigint|-1", "at|timestamp with time zone|-1"], oid=6, kind="p", partitions=(7,), keys=()
    )
    (suggestion,) = suggest_indexes([statement("select * from events where id = $1")], facts(root, leaf)).suggestions
    assert suggestion.statements == (
        "SET lock_timeout = '5s'",
        "CREATE INDEX IF NOT EXISTS ix_events_id ON ONLY public.events (id)",
        "SET lock_timeout = 0",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_events_1_id ON public.events_1 (id)",
        "SET lock_timeout = '5s'",
        "ALTER INDEX public.ix_events_id ATTACH PARTITION public.ix_events_1_id",
        "RESET lock_timeout",
    )
    assert suggestion.warnings == (
        "The table is partitioned: the script builds one index per partition and attaches it.",
    )


def test_nothing_is_known_without_readable_statistics():
    hidden = replace(SHOP, statistics_readable=False)
    assert advise("select * from orders where unknown = $1", hidden) == (
        "How many rows of public.orders it keeps is not known: pgLoupe may not read the table's statistics."
    )


def test_of_a_partial_index_only_what_is_known_is_said():
    """Of its size nothing: the condition may hold for nearly all rows."""
    partial = IndexDefinition(ORDERS, (IndexColumn("created"),), predicate="flag")
    said = why_these_columns(partial, ["select id from orders where flag and created > $1"], (), SHOP)
    assert said.endswith("Only rows with flag are in it: writes of other rows do not touch it.")


def test_a_statement_we_fail_on_says_so_and_the_others_are_advised_on(monkeypatch):
    def failing(sql, facts, **known):
        if "seller_id" in sql:
            raise TypeError("secret")
        return statement_advice(sql, facts, **known)

    monkeypatch.setattr(suggest, "statement_advice", failing)
    ours = statement("select * from orders where seller_id = $1")
    found = suggest_indexes([ours, statement("select * from orders where code = $1")], SHOP)
    assert [s.name for s in found.suggestions] == ["ix_orders_code"]
    assert found.reasons == {ours.fingerprint: "pgLoupe could not work on this statement (TypeError)."}


def test_a_column_of_the_join_beside_one_of_equality_finds_no_rows_by_it():
    definition = IndexDefinition(ORDERS, (IndexColumn("status"), IndexColumn("customer_id")))
    joined = "select 1 from orders o join customers c on c.id = o.customer_id where {}"
    said = why_these_columns(definition, [joined.format("o.status = $1")], (), SHOP)
    assert said == "status finds the rows by equality and customer_id serves the join."
    alone = IndexDefinition(ORDERS, (IndexColumn("customer_id"),))
    assert why_these_columns(alone, [joined.format("c.id = $1")], (), SHOP) == "customer_id finds the rows by the join."
