"""Which indexes are tried for a statement, and which of them a query's plans get to see."""

from dataclasses import replace

import pytest

from analyzer.advice.candidates.enumerate_indexes import statement_candidates, workload_candidates
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query
from analyzer.advice.selection.relevance import indexes_by_query
from analyzer.advice.sizing.key_widths import better_hashed, undeclared_width
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.storage import StorageFacts
from analyzer.values.column_statistics import ColumnStatistics, without_cluster_bias
from tests.advice.builders import index, table
from tests.advice.table_planner import definition


def shop(server_version_num=150_000):
    tables = (
        table(
            "orders",
            ["id|bigint|-1", "customer_id|integer|50000", "status|text|5", "placed|timestamp with time zone|-0.9",
             "note|text|-0.5", "deleted_at|timestamp with time zone|-0.1", "total|numeric(10,2)|-0.3"],
            oid=1, rows=1_000_000,
        ),
        table("customer", ["id|bigint|-1", "name|text|-0.9", "city|text|500"], oid=2, rows=50_000),
    )  # fmt: skip
    return SchemaFacts("shop", server_version_num, tables)


def bodies(sql, of="orders"):
    return {d.body() for d in statement_candidates(sql, shop()) if d.table.name == of}


@pytest.mark.parametrize(
    ("sql", "some"),
    [
        ("select note from orders where customer_id = $1", {"(customer_id)", "(customer_id) INCLUDE (note)"}),
        ("select * from orders where customer_id = $1 and placed > $2", {"(customer_id, placed)"}),
        ("select * from orders where customer_id = $1 order by placed desc limit 10", {"(customer_id, placed)"}),
        (
            "select * from orders where status = 'open' and customer_id = $1",
            {"(customer_id) WHERE status = 'open'", "(status, customer_id)"},
        ),
        ("select id from orders where status in ('b', 'a') and placed > $1", {"(placed) WHERE status IN ('a', 'b')"}),
        (
            "with o as materialized (select * from orders where placed < $1) select * from o",
            {"(placed)"},
        ),
        ("select c.name from customer c join orders o on o.customer_id = c.id where c.city = $1", {"(customer_id)"}),
        ("select count(*) from orders group by customer_id", {"(customer_id)"}),
        ("select id from customer c where not exists (select from orders o where o.customer_id = c.id)",
         {"(customer_id)"}),
        ("delete from orders where placed < $1", {"(placed)"}),
    ],
)  # fmt: skip
def test_what_a_statement_could_use_is_tried(sql, some):
    assert some <= bodies(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from orders where status = $1",  # a value that changes from call to call
        "select * from orders where status <> 'done'",
        "select * from orders where placed = '2024-01-01'",  # no status: nearly every row has a value of its own
    ],
)
def test_a_predicate_is_made_of_lasting_values_only(sql):
    assert not [body for body in bodies(sql) if "WHERE" in body]


def test_columns_read_by_two_statements_are_covered_together():
    one = ("1", "select note from orders where customer_id = $1")
    two = ("2", "select total from orders where customer_id = $1")
    found = {c.definition.body(): c.statements for c in workload_candidates([two, one], shop())}
    assert found["(customer_id) INCLUDE (note, total)"] == {"1", "2"}


def test_plans_see_the_indexes_whose_first_column_is_named():
    schema = shop(server_version_num=150_000)
    orders = schema.find_table("orders")
    tried = [definition(orders, "customer_id"), definition(orders, "placed", "customer_id"), definition(orders, "note")]
    queries = [
        Query("key", "key", "select status from orders where customer_id = 7", 1.0),
        Query("using", "using", "select 1 from customer join orders using (placed)", 1.0),
        Query("hidden", "hidden", "select 1 from customer natural join orders", 1.0),
        Query("other", "other", "select customer_id from customer", 1.0),
    ]
    masks, _ = indexes_by_query(queries, tried, schema)
    assert masks == [0b001, 0b010, 0b111, 0]
    # from 18 on a later column is enough
    assert indexes_by_query(queries[:1], tried, shop(server_version_num=180_000))[0] == [0b011]


def test_neighbours_that_are_equal_hide_distinct_values():
    """lineitem of TPC-H at scale 1: 1,500,000 order numbers in 6,001,215 rows, one to seven side by side."""
    lineitem = table("lineitem", ["l_orderkey|bigint|367760"], rows=6_001_215, size_bytes=107_000 * 8192)
    seen = ColumnStatistics(n_distinct=367_760, correlation=1.0, avg_width_bytes=8)
    assert without_cluster_bias(seen, lineitem).n_distinct == pytest.approx(1_500_000, rel=0.2)
    scattered = ColumnStatistics(n_distinct=367_760, correlation=0.1)
    assert without_cluster_bias(scattered, lineitem) is scattered
    unique = ColumnStatistics(n_distinct=-1.0, correlation=1.0)
    assert without_cluster_bias(unique, lineitem).distinct_values(6_001_215) == 6_001_215


# of text, and of what is wider than a B-tree takes
WIDE = table(
    "params", ["id|bigint|-1", "key|character varying(250)|20", "value|character varying(8000)|-0.5",
               "a|character varying(400)|3000", "b|character varying(400)|700", "doc|jsonb|-1", "tags|text[]|-1",
               "note|text|-1", "body|text|-1", "mask|bit varying|-1", "words|tsvector|-1",
               "at|timestamp with time zone|-1", "made|timestamp without time zone|-1", "path|ltree|-1",
               "numbers|integer[]|-1"],
)  # fmt: skip


def widened(**avg_width_bytes):
    columns = (replace(c, avg_width_bytes=avg_width_bytes.get(c.name, c.avg_width_bytes)) for c in WIDE.columns)
    return replace(WIDE, columns=tuple(columns))


def tried(sql, *, table=WIDE, server_version_num=150_000, extensions=("pg_trgm",)):
    schema = SchemaFacts("shop", server_version_num, (table,), extensions=extensions)
    return {d.body() for d in statement_candidates(f"select * from params where {sql}", schema)}


@pytest.mark.parametrize(
    ("sql", "some", "never"),
    [
        ("key = $1 and value = $2", {"(key)", "USING hash (value)"}, {"(key, value)", "(value, key)", "(value)"}),
        ("a = $1 and b = $2", {"(a)", "(b)"}, {"(a, b)", "(b, a)"}),  # 1,600 bytes each
        ("a = $1", {"(a)"}, {"(a) INCLUDE (b)"}),
        ("value > $1", set(), {"(value)"}),
        ("value like 'x%'", {"USING spgist (value)", "USING gin (value gin_trgm_ops)"}, {"(value text_pattern_ops)"}),
        ("lower(value) = $1", {"USING hash ((lower(value)))"}, {"((lower(value)))"}),
        ("md5(value) = $1", {"((md5(value)))"}, set()),
        ("left(value, 40) = $1", {'(("left"(value, 40)))'}, set()),
        ("doc = $1", {"USING hash (doc)"}, {"(doc)"}),
        ("tags = $1", {"USING hash (tags)"}, {"(tags)"}),
        ("mask = $1", {"(mask)"}, {"USING hash (mask)"}),  # no hash class for these two
        ("words = $1", set(), {"(words)", "USING hash (words)"}),
        ("(doc ->> 'k')::int = 5", {"((CAST(doc ->> 'k' AS integer)))"}, set()),
        ("note = $1 and key = $2", {"(note)", "(key, note)"}, set()),
    ],
)
def test_no_btree_is_tried_on_what_it_may_refuse(sql, some, never):
    found = tried(sql)
    assert some <= found
    assert not never & found


def test_measured_widths_bound_what_no_length_is_declared_of():
    assert tried("note > $1", table=widened(note=167)) >= {"(note)"}
    assert tried("note > $1", table=widened(note=168)) == set()
    # of texts that are no names or codes nothing tells the widest: for equality a hash index takes any
    assert tried("note = $1", table=widened(note=60)) >= {"(note)"}
    assert tried("note = $1 and key = $2", table=widened(note=61)) == {"USING hash (note)", "(key)"}
    assert tried("lower(note) = $1", table=widened(note=61)) == {"USING hash ((lower(note)))"}
    assert tried("key = $1", table=widened(note=61)) == {"(key)"}
    assert tried("md5(note) = $1", table=widened(note=61)) >= {"((md5(note)))"}
    # ANALYZE kept none: all are wider than 1,024 bytes, and out of line they measure 18
    hidden = replace(WIDE, columns=tuple(replace(c, correlation=None, avg_width_bytes=18) for c in WIDE.columns))
    assert tried("note = $1", table=hidden) == {"USING hash (note)"}
    # what is stored out of line can only be note's: the others have a declared length below 500 bytes
    alone = replace(
        WIDE, columns=tuple(c for c in WIDE.columns if c.name in ("id", "note", "at")),
        storage=StorageFacts(toast_bytes=8192),
    )  # fmt: skip
    assert tried("note = $1", table=alone) == {"USING hash (note)"}
    assert tried("note = $1", table=replace(alone, storage=StorageFacts(toast_bytes=0))) >= {"(note)"}
    assert tried("note = $1", table=replace(WIDE, storage=StorageFacts(toast_bytes=8192))) >= {"(note)"}
    # what a B-tree holds already is no wider than it can be
    unique = replace(widened(note=300), indexes=(index("u", "note", unique=True),))
    assert tried("note > $1 and key = $2", table=unique) >= {"(key)"}


@pytest.mark.parametrize(
    ("expression", "is_short"),
    [
        ("note IS NULL", True), ("note = 'x'", True), ("doc ? 'a'", True), ("(doc -> 'a') IS NOT NULL", True),
        ("note LIKE 'x%'", True), ("note IS DISTINCT FROM key", True), ("note ~ 'a' AND note > 'b'", True),
        ("(note ~ 'a') IS TRUE", True), ("to_date(note, 'YYYY')", True),
        ("CASE WHEN note LIKE 'x%' THEN 1 ELSE 2 END", True), ("CASE WHEN id > 1 THEN note END", False),
        ("NULLIF(note, '')", False), ("note || 'x'", False), ("doc ->> 'a'", False), ("~ mask", False),
    ],
)  # fmt: skip
def test_what_an_expression_gives_bounds_its_width(expression, is_short):
    key = IndexColumn(expression, is_expression=True)
    table = widened(note=100)
    assert (undeclared_width(IndexDefinition(table, (key,))) == ()) == is_short
    assert not (is_short and better_hashed(key, table))


@pytest.mark.parametrize(
    ("sql", "some"),
    [
        ("note like 'x%'", "(note text_pattern_ops)"),
        ("note like $1 || '%'", "(note text_pattern_ops)"),
        ("lower(note) like lower($1) || '%'", "((lower(note)) text_pattern_ops)"),
        ("note like replace($1, '_', '\\_') || $2 || '%'", "(note text_pattern_ops)"),
        ("note like trim($1 || '%')", "(note text_pattern_ops)"),
        # the planner does not read a pattern that is computed when it runs
        ("note like concat($1, '%')", "USING gin (note gin_trgm_ops)"),
        ("note like unaccent($1) || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like 'org-' || unaccent($1) || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like 'a' || now()::text || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like 'a' || $1::date::text || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like lower('a' || now()::text || '%')", "USING gin (note gin_trgm_ops)"),
        ("note like current_user || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like 'a' || key || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like 'org-' || lower($1) || '%'", "(note text_pattern_ops)"),
        ("note like 'org-' || $1::int::text || '-%'", "(note text_pattern_ops)"),
        ("note like unaccent('x%')", "USING gin (note gin_trgm_ops)"),
        ("note like key || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like '%' || lower($1) || '%'", "USING gin (note gin_trgm_ops)"),
        ("note like $1", "USING gin (note gin_trgm_ops)"),
        ("reverse(note) like reverse('%x')", "((reverse(note)) text_pattern_ops)"),
        ("reverse(note) like reverse($1) || '%'", "((reverse(note)) text_pattern_ops)"),
        ("reverse(note) like reverse('x%')", "USING gin ((reverse(note)) gin_trgm_ops)"),
        ("path ~ '*.b'", "USING gist (path)"),
        ("not (key <> 'a' or note <> $1)", "(key, note)"),
        ("not (note not like 'x%')", "(note text_pattern_ops)"),
        ("not (at < $1)", "(at)"),
        ("note ~ '^abc'", "(note text_pattern_ops)"),
        ("note ~ '^(a|b)'", "USING gin (note gin_trgm_ops)"),
        ("note ~ '^a?b'", "USING gin (note gin_trgm_ops)"),
        ("note ~* '^abc'", "USING gin (note gin_trgm_ops)"),
        ("note similar to 'abc%'", "(note text_pattern_ops)"),
        ("starts_with(note, 'x')", "(note text_pattern_ops)"),
        ("upper(note) like upper('x%')", "((upper(note)) text_pattern_ops)"),
        ("key = $1 and note like 'x%'", "(key, note text_pattern_ops)"),
        ("note % 'word'", "USING gin (note gin_trgm_ops)"),
        ("note ilike any ($1)", "USING gin (note gin_trgm_ops)"),
        ("doc -> 'a' ? 'b'", "USING gin ((doc -> 'a'))"),
        ("tags && $1", "USING gin (tags)"),
        ("tstzrange(at, at) @> now()", "USING gist ((tstzrange(at, at)))"),
        ("to_tsvector('english', note || ' ' || body) @@ plainto_tsquery($1)",
         "USING gin ((to_tsvector('english', note || ' ' || body)))"),
        ("made::date = $1", "((CAST(made AS date)))"),
        ("(note = $1 and key = 'a') or (body = $2 and key = 'b')", "(note, key)"),
        ("(note = $1 and key = 'a') or (body = $2 and key = 'b')", "(body, key)"),
        # what all arms ask for holds by itself
        ("(key = $1 and note = $2) or (key = $1 and body = $3)", "(key)"),
    ],
)  # fmt: skip
def test_each_condition_has_the_index_that_knows_its_operator(sql, some):
    assert some in tried(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "doc ->> $1 = 'x'",  # a key that is not known
        "coalesce(at, 'now') = $1",  # another moment each time
        "length((select 'x')) = 1",
        "random() < 0.5",
        "similarity(note, 'looked for') > 0.5",
        "a = $1 or exists (select 1)",  # an arm without a condition on it
    ],
)
def test_what_no_index_could_be_on_is_not_tried(sql):
    assert tried(sql) == set()


def test_numbers_have_an_index_of_intarray_only_where_it_is():
    assert tried("numbers && '{1}'") == {"USING gin (numbers)"}
    assert tried("not numbers && '{1}'") == set()
    with_it = {"USING gin (numbers)", "USING gin (numbers gin__int_ops)"}
    assert tried("numbers && '{1}'", extensions=("intarray",)) == with_it
    assert tried("numbers @@ '1|2'", extensions=("intarray",)) == {"USING gin (numbers gin__int_ops)"}


def test_old_servers_do_not_know_all_of_it():
    assert tried("note ^@ 'x'", server_version_num=140_000) == set()
    assert tried("note like 'x%'", server_version_num=130_000) == {"(note text_pattern_ops)"}


def test_where_the_collation_compares_bytes_a_plain_index_serves_prefixes():
    bytewise = replace(WIDE, columns=tuple(replace(c, compares_bytes=True) for c in WIDE.columns))
    assert tried("note like 'x%'", table=bytewise) == {"(note)"}


def test_a_search_inside_texts_is_not_read_in_order():
    """How many match is a guess: the planner takes an early stop for granted."""
    assert tried("note ilike '%x%' order by at limit 5") == {"USING gin (note gin_trgm_ops)"}
    assert "(at)" in tried("note like 'x%' order by at limit 5")


def test_a_used_index_for_prefixes_tells_what_is_searched_for():
    used = index("like", "note", opclasses=("text_pattern_ops",), default=False, scans=5)
    assert tried("note like $1", table=replace(WIDE, indexes=(used,))) == set()
    assert tried("note like $1", table=replace(WIDE, indexes=(replace(used, scans=0),))) != set()


def test_a_small_table_is_left_to_its_calls_and_a_tiny_one_is_not_tried():
    sql = "select note from small where customer_id = $1"
    columns = ["id|bigint|-1", "customer_id|integer|500", "note|text|-0.5"]
    for size_bytes, tried in ((3 * 8192, True), (2 * 8192, False)):
        small = table("small", columns, rows=200, size_bytes=size_bytes)
        found = {d.body() for d in statement_candidates(sql, SchemaFacts("shop", 150_000, (small,)))}
        assert ("(customer_id)" in found) == tried
