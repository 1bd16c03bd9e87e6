"""Sizes of indexes of every kind, and statistics of expressions, against what PostgreSQL 18 makes of 30,000 rows."""

import math
from dataclasses import replace

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.elements import gin_keys
from analyzer.advice.sizing.keys import KeyColumn, _interval_widths, skewed_values
from analyzer.advice.sizing.size import btree_height, btree_index_size, index_size_bytes
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.storage import StorageFacts
from analyzer.statements.index_predicates import ImpliedValues, held_by
from analyzer.values.column_statistics import ColumnStatistics
from analyzer.values.expression_statistics import (
    Evaluated,
    evaluation_sql,
    expression_statistics,
    only_column,
    probe_values,
    restore_arguments,
)
from bench.measure_index_sizes import expression_columns, prepare
from bench.sized_tables import parse_columns
from tests.advice.builders import table

ROWS = 30_000
TABLES = f"""
select setseed(0.3);
create table things as
select
    i as id, (random() * 2000)::int as customer_id, 'user' || i || '@example.org' as email,
    (random() * 1000)::numeric(8, 2) as price, ('C' || i % 300)::char(8) as code,
    case when random() < 0.1 then i end as parent_id, i % 20 as kind, (i % 20) / 4 as family,
    timestamptz '2024-01-01' + i * interval '7 minutes' as created_at,
    timestamptz '2024-01-01' + random() * 2e5 * interval '1 minute' as seen_at,
    jsonb_build_object('user', (random() * 900)::int, 'kind', 'k' || i % 12) as data,
    array(select 'tag' || (90 * random() ^ 2)::int from generate_series(1, 1 + i % 4)) as tags,
    'Product ' || (random() * 3000)::int || ' of house ' || (random() * 99)::int as label
from generate_series(1, {ROWS}) as i;
create statistics families (ndistinct) on kind, family from things;
"""
# method, columns, what else, greatest error
KINDS = [
    ("btree", "customer_id", {}, 0.15), ("btree", "email", {"is_unique": True}, 0.15), ("btree", "code", {}, 0.15),
    ("btree", "customer_id desc, created_at", {}, 0.15), ("btree", "customer_id", {"include": ("price",)}, 0.15),
    ("btree", "parent_id", {"predicate": "parent_id is not null"}, 0.15), ("btree", "kind, family, id", {}, 0.15),
    ("btree", "kind, family", {}, 0.15), ("btree", "(lower(label))", {}, 0.15), ("btree", "parent_id, email", {}, 0.15),
    ("btree", "(date_trunc('day', seen_at at time zone 'UTC'))", {}, 0.15),
    ("gin", "data jsonb_path_ops", {}, 0.30), ("gin", "data", {}, 0.30), ("gin", "tags", {}, 0.30),
    ("gin", "label gin_trgm_ops", {}, 0.30), ("gin", "customer_id", {}, 0.30),
    ("brin", "created_at, label", {"storage": "pages_per_range = 1"}, 0.30), ("brin", "created_at", {}, 0.30),
    ("hash", "customer_id", {}, 0.15), ("hash", "kind", {}, 0.15),
]  # fmt: skip


@pytest.fixture(scope="module")
def things(postgres):
    postgres18 = postgres(18)
    with postgres18.connect() as connection:
        connection.execute("drop database if exists kinds")
        connection.execute("create database kinds")
    with pytest.MonkeyPatch.context() as patch, postgres18.connect("kinds") as connection:
        patch.setattr("bench.measure_index_sizes.TABLES", TABLES)
        tables, statistics, groups = prepare(connection, postgres18.socket_dsn("kinds"))
        yield connection, tables["things"], statistics["things"], groups["things"]
    with postgres18.connect() as connection:
        connection.execute("drop database kinds with (force)")


@pytest.mark.postgres
@pytest.mark.parametrize(("method", "columns", "more", "error"), KINDS)
def test_estimate_is_near_the_built_index(things, method, columns, more, error):
    connection, table, statistics, groups = things
    definition = IndexDefinition(table, parse_columns(columns), method, **more)
    known = statistics | expression_columns(connection, definition, statistics)
    unique = "unique" if definition.is_unique else ""
    connection.execute(f"create {unique} index probe on things {definition.body()}")
    (real,) = connection.execute("select pg_relation_size('probe')").fetchone()
    height = None
    if method == "btree":
        (height,) = connection.execute("select level from bt_metap('probe')").fetchone()
    connection.execute("drop index probe")
    rows = ROWS * 0.1 if definition.predicate else None
    assert index_size_bytes(definition, known, rows=rows, distinct_groups=groups) == pytest.approx(real, rel=error)
    if height is not None:
        assert btree_index_size(definition, known, rows=rows, distinct_groups=groups).height == height


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("expression", "distinct"),
    [
        ("customer_id % 10", 10), ("date_trunc('day', seen_at at time zone 'UTC')", 140), ("data ->> 'kind'", 12),
        ("lower(email)", 30_000), ("coalesce(parent_id, 0)", 3001), ("parent_id is null", 2),
        ("(data ->> 'user')::int", 901),
    ],
)  # fmt: skip
def test_an_expression_gets_the_statistics_that_analyze_would_take(things, expression, distinct):
    connection, table, statistics, _ = things
    column = table.column(only_column(expression))
    probes = probe_values(statistics[column.name], column.type_oid)
    statement = evaluation_sql(expression.replace("%", "%%"), column.name, column.type_name)
    results = [Evaluated(*row) for row in connection.execute(statement, [list(probes.texts)])]
    (type_oid,) = connection.execute(f"select pg_typeof({expression})::oid::int from things limit 1").fetchone()
    found = expression_statistics(statistics[column.name], probes, results, ROWS, type_oid=type_oid)
    assert found.distinct_values(ROWS) == pytest.approx(distinct, rel=0.2)
    connection.execute(f"create index probe on things (({expression}))")
    arguments = restore_arguments(found)
    types = {"most_common_vals": "text", "histogram_bounds": "text", "avg_width": "int", "most_common_freqs": "real[]"}
    pairs = ", ".join(f"'{name}', %s::{types.get(name, 'real')}" for name in arguments)
    connection.execute("analyze things")
    (attribute, nulls, width) = connection.execute(
        "select attname, null_frac, avg_width from pg_stats where tablename = 'probe'"
    ).fetchone()
    assert found.null_frac == pytest.approx(nulls, abs=0.02)
    assert found.avg_width_bytes == pytest.approx(width, abs=1)
    (restored,) = connection.execute(
        "select pg_restore_attribute_stats('schemaname', 'public', 'relname', 'probe', 'attname', %s::text,"
        f" 'inherited', false, {pairs})",
        [attribute, *arguments.values()],
    ).fetchone()
    connection.execute("drop index probe")
    assert restored


def test_what_a_predicate_holds():
    assert held_by("deleted_at is null and (kind = 3) and active and not closed and price > 2 and a + 1 = 2") == {
        "deleted_at": ImpliedValues.NULL,
        "kind": ImpliedValues.ONE_VALUE,
        "active": ImpliedValues.ONE_VALUE,
        "closed": ImpliedValues.ONE_VALUE,
        "price": ImpliedValues.NOT_NULL,
    }
    assert held_by("kind = 3 or kind is null") == {}
    assert held_by("not (status = 'done') and kind is distinct from 3") == {"status": ImpliedValues.NOT_NULL}
    assert held_by("this is no sql") == {}


@pytest.mark.parametrize(("pages", "height"), [(2, 0), (4, 1), (280, 1), (300, 2), (80_000, 2), (90_000, 3)])
def test_the_root_rises_with_the_pages(pages, height):
    """An inner page leads to 284 pages of integer keys."""
    assert btree_height(pages * 8192, 4) == height


@pytest.mark.parametrize("method", ["btree", "hash", "gin", "spgist"])
def test_what_cannot_be_known_is_none(method):
    column = ColumnFacts("a", 1, "text", 25, False, 1000.0)
    table = TableFacts(1, "public", "t", "r", 1000.0, 8192 * 100, (column,))
    assert index_size_bytes(IndexDefinition(table, (IndexColumn("a"),), method)) is None
    assert index_size_bytes(IndexDefinition(table, (IndexColumn("f(a)", is_expression=True),), method)) is None


def test_a_partial_index_needs_its_rows():
    column = ColumnFacts("a", 1, "integer", 23, False, 1e6, n_distinct=-1.0, null_frac=0.0, avg_width_bytes=4)
    table = TableFacts(1, "public", "t", "r", 1e6, 8192 * 10_000, (column,))
    definition = IndexDefinition(table, (IndexColumn("a"),), predicate="b = 3")
    assert index_size_bytes(definition) is None
    assert index_size_bytes(definition, rows=366) == 2 * 8192


def test_skewed_keys_are_more_values_than_analyze_saw():
    """1,200,000 orders of customer 199,999 * random()^3: 190,000 of them have some, ANALYZE said 62,924."""
    bounds = tuple(str(1 + 199_999 * (n / 100) ** 3) for n in range(101))
    widths = _interval_widths(bounds)
    classes = skewed_values(widths, 62_924, 1_200_000, 30_000, 1.0)
    seen = sum(c.count * -math.expm1(-1_200_000 * c.share) for c in classes)
    assert seen == pytest.approx(190_000, rel=0.02)
    # evenly spread ones stay what they are
    even = _interval_widths([str(n * 1_000) for n in range(101)])
    classes = skewed_values(even, 62_924, 1_200_000, 30_000, 1.0)
    assert sum(c.count * -math.expm1(-1_200_000 * c.share) for c in classes) == pytest.approx(62_924, rel=0.05)


@pytest.mark.parametrize(
    "bounds", [["a"] * 30, ["1", "2"], ["5"] * 30, ["1"] * 29 + ["NaN"], sorted(map(str, range(50)))]
)
def test_a_histogram_that_shows_no_spread_tells_nothing(bounds):
    assert _interval_widths(bounds) == []


def test_a_column_that_another_one_implies_adds_no_combinations():
    """ndistinct of both is that of one: rows fall on the pairs as they fall on its values."""
    on = table("t", ["account_id|bigint|50000", "tenant_id|integer|200"], rows=1_000_000)
    both = IndexDefinition(on, (IndexColumn("tenant_id"), IndexColumn("account_id")))
    alone = IndexDefinition(on, (IndexColumn("account_id"),))
    groups = {frozenset({"tenant_id", "account_id"}): 50_000.0}
    one, independent = index_size_bytes(alone), index_size_bytes(both)
    assert index_size_bytes(both, distinct_groups=groups) == pytest.approx(one, rel=0.1)
    assert independent > 2 * one


@pytest.mark.parametrize(("version", "shares"), [(150_018, True), (150_020, False), (180_006, True)])
def test_a_release_that_keeps_equal_chars_builds_larger_indexes(version, shares):
    column = ColumnFacts("code", 1, "character(3)", 1042, False, 1e6, n_distinct=4.0, null_frac=0.0, avg_width_bytes=4)
    on = TableFacts(1, "public", "t", "r", 1e6, 8192 * 10_000, (column,))
    size = index_size_bytes(IndexDefinition(on, (IndexColumn("code"),)), server_version_num=version)
    assert (size < 10e6) == shares


@pytest.mark.parametrize(
    ("type_oid", "type_name", "documents", "distinct", "keys"),
    [
        (3614, "tsvector", [f"'same':1 'w{n % 30}':2,5 'it''s':3" for n in range(60)], 30, 32),
        (90_001, "ext.hstore", [f'"color"=>"c{n}", "size"=>NULL' for n in range(60)], 600, 602),
        (3802, "jsonb", [f'{{"color": "c{n}"}}' for n in range(60)], 600, 600),
    ],
)
def test_no_part_of_documents_has_more_values_than_there_are_documents(type_oid, type_name, documents, distinct, keys):
    statistics = ColumnStatistics(
        n_distinct=distinct,
        avg_width_bytes=40,
        histogram_bounds=tuple(documents),
        type_oid=type_oid,
        type_name=type_name,
    )
    opclass = "jsonb_path_ops" if type_name == "jsonb" else None
    found = gin_keys(KeyColumn("x", type_oid, type_name, statistics, opclass=opclass), 100_000)
    assert found is not None
    assert sum(key.values.count for key in found) == pytest.approx(keys, abs=2)


def test_a_gin_index_on_documents_too_wide_for_statistics_is_as_large_as_they_are():
    """15 built 45, 5.3 and 6.4 MB where texts take 24.6 MB of TOAST, 8.2 MB of it, and 7 MB of heap."""
    known = ColumnStatistics(n_distinct=-1.0, avg_width_bytes=18)
    whole = replace(
        table("t", ("id|bigint|-1", "body|text|-1"), rows=6_000), storage=StorageFacts(toast_bytes=24_576_000)
    )
    trigrams = IndexDefinition(whole, (IndexColumn("body", opclass="gin_trgm_ops"),), "gin")
    size = index_size_bytes(trigrams, {"body": known})
    assert 24_576_000 < size < 25_000_000
    inline = replace(trigrams, table=replace(whole, storage=StorageFacts(toast_bytes=0)))
    assert 8_000_000 < index_size_bytes(inline, {"body": replace(known, avg_width_bytes=1_393)}) < 8_600_000
    assert index_size_bytes(trigrams, {"body": ColumnStatistics()}) is None  # never analysed
