"""What a text can become while it is planned, reckoned from its tree."""

import pytest

from analyzer.statements.extents import CONSTANT_BYTES, MOST_DIGITS
from analyzer.statements.folding import sizes
from analyzer.statements.safety import sizes_with_values
from analyzer.statements.tree import parse


def of(sql: str):  # type: ignore[no-untyped-def]
    (statement,) = parse(sql)
    return sizes(statement.stmt)


@pytest.mark.parametrize(
    "expression",
    [
        "repeat('x', 100001)", "repeat(repeat('x', 500), 500)", "repeat('x', 300 * 300)", "lpad('x', 900000000)",
        "'x'::char(10485760)", "cast('x' as bpchar(200000))", "B'1'::bit(83886080)", "bpchar('x', 10485760, true)",
        "replace(repeat('a', 9000), 'a', repeat('b', 9000))", "regexp_replace(repeat('a', 900), '.', repeat('b', 900))",
        "array_fill(0, array[1000, 1000])", "format('%900000000s', 'x')", "format('%1$*2$s', 'x', 900000000)",
        "jsonb_pretty('" + "[" * 999 + "]" * 999 + "')", "'{a,b,c,d}'::char(1000000)[]",
        "jsonb_path_query_array('" + "[" * 60 + "]" * 60 + "', '$.**.**.**.**')",
        "(select repeat(s, 1000) from (select repeat('x', 1000) s) v)",
        "ts_headline('a', 'b'::tsquery, repeat('x', 40000))",
    ],
)  # fmt: skip
def test_constant_that_takes_memory_is_refused(expression: str) -> None:
    assert of(f"select {expression}").refusal.startswith("Its constants may take the server's memory")


def test_many_small_constants_are_added_up() -> None:
    each = f"repeat('x', {CONSTANT_BYTES:.0f})"
    assert of("select " + ", ".join([each] * 5)).refusal == ""
    assert "up to 1.05 MB" in of("select " + ", ".join([each] * 11)).refusal


@pytest.mark.parametrize(
    "expression",
    [
        "1e65000 * 1e65000", "power(10::numeric, 100000)", "10::numeric ^ 5000", "factorial(30000)", "exp(5999.0)",
        "(('1e' || '65000')::numeric) + 1", "ln(repeat('9', 9999)::numeric)", "round(1, 9000)",
        "(select power(x, y) from (select 10::numeric x, 100000 y) v)", "'$ * 1e65000 * 2'::jsonpath @? '{}'",
        "jsonb_path_query('1', '$ * 1e65000')", "('{\"a\": 1e65000}'::jsonb ->> 'a')::numeric * 2",
    ],
)  # fmt: skip
def test_long_number_is_refused(expression: str) -> None:
    assert "digits already while it is planned" in of(f"select {expression}").refusal


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat('x', 100000)", "select lpad(id::text, 12, '0') from t", "select repeat(name, 3) from t",
        "select format('%s <%s>', name, email) from t", "select round(avg(price * 1.19), 2) from t",
        "select 2 ^ 10, power(x - y, 2), sqrt(z) from t", "select x::char(10), y::numeric(12, 2) from t",
        "select id from t where prefs @? '$.n ? (@.a > 5)' and doc @@ plainto_tsquery('english', 'cats')",
        "select string_agg(title, ', ' order by id), array_agg(tag) from t",
        "with a as (select x || ' ' || y as s from t), b as (select s || '!' as s from a) select upper(s) from b",
        "select jsonb_path_query(doc, '$.items[*].tags[*]') from t", "select '{1,2,3}'::int[], 1e100 + x from t",
        "select replace(name, 'a', 'bb'), regexp_replace(name, '\\s+', ' ', 'g') from t",
        "select to_char(at, 'YYYY-MM-DD'), md5(name), length(body) from t",
    ],
)  # fmt: skip
def test_what_applications_do_is_small(sql: str) -> None:
    found = of(sql)
    assert (found.refusal, found.objection) == ("", "")


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat(name, 9000) from t", "select repeat('x', id) from t",
        "select length(repeat(coalesce('abc', name), 300000000)) from t",
        "select length(repeat(x, 300000000)) from lower('ABC') x", "select (coalesce(1e65000, n) - 7) * 2 from t",
    ],
)  # fmt: skip
def test_large_value_of_a_row_is_an_objection(sql: str) -> None:
    found = of(sql)
    assert (found.refusal, bool(found.objection)) == ("", True)


def test_what_aggregates_keep_is_told_for_the_plan() -> None:
    collected = of("select array_agg(repeat(md5(g::text), 300)) from generate_series(1, 9) g").collected
    assert collected is not None
    assert 9600 <= collected.bytes(0.0) < 10_000
    for sql in ("select array(select s from t)", "select json_arrayagg(s) from t", "select string_agg(s, ',') from t"):
        assert of(sql).collected is not None, sql
    assert of("select count(*), max(s) from t").collected is None


def test_values_are_reckoned_with_where_they_are_sent() -> None:
    sql = "select repeat(a, $1), lpad(b, $2) from t where c = $3"
    assert sizes_with_values(sql, ["3", "8", "x"]).objection == ""
    assert "838 GB" in sizes_with_values(sql, ["900000000", "8", "x"]).objection
    assert "characters" in sizes_with_values(sql, ["3", "8", "1" + "0" * 20_000]).refusal
    assert of(sql).objection == ""


def test_products_of_columns_are_counted() -> None:
    assert of("select a * b, a / 2, 3 * 4 from t").products == 2
    assert of("select ln(a), power(a, b) from t").products == 2


def test_repeated_columns_take_no_time() -> None:
    assert of("select " + "a, " * 12_000 + "a from t").refusal == ""


def test_limit_of_digits_is_the_one_that_is_told() -> None:
    assert f"{MOST_DIGITS:,.0f} are allowed" in of("select 1e2000 + 1").refusal


def doubled(levels: int) -> str:
    sql = "select id, a from t"
    for level in range(levels):
        sql = f"select id, case when a > 0 then a end as a from ({sql}) s{level}"
    return sql


def test_expressions_are_reckoned_as_the_planner_writes_them_out() -> None:
    assert of(doubled(20)).terms > 2**20
    assert "terms once views, subqueries and WITH queries are written out" in of(doubled(20)).objection
    assert of(doubled(6)).objection == ""


def test_columns_of_views_count_as_what_they_are_made_of() -> None:
    view = {("app", "v"): of("select repeat('x', 9000) as a, b + 1 as b from t").outputs}
    (statement,) = parse("select repeat(x.a, 900), x.b from app.v as x")
    assert "up to 7.73 MB" in sizes(statement.stmt, view).refusal
    (statement,) = parse("select repeat(x.a, 900), x.b from other.v as x")
    assert sizes(statement.stmt, view).refusal == ""


SUM = " + ".join(["a"] * 200)
LONG = {("app", "v"): of(f"select id, {SUM} as sum from t").outputs}


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("v.sum", "app.v"),
        ("x.b", "(select * from t, app.v) as x (a, b)"),
        ("x.sum", "(select * from t union all select * from app.v) as x"),
        ("x.sum", "(select v.* from app.v, (select 1 as sum) as w) as x"),
        ("x.sum", "(select (v).* from app.v) as x"),
        ("j.sum", "(app.v cross join t) as j"),
        ("j.b", "(app.v cross join t) as j (a, b)"),
        ("j.id", "(select sum as id from app.v) as w join t using (id) as j"),
        ("x.sum", "(select case when id > 0 then 1 else sum end from app.v) as x"),
        ("x.int4", "(select (sum + 1)::int4 from app.v) as x"),
        ("x.greatest", "(select greatest(sum, 1) from app.v) as x"),
        ("x.json_array", "(select json_array(sum) from app.v) as x"),
        ("(v).sum", "app.v, lateral (select (v).sum) as l"),
    ],
)
def test_whatever_name_a_column_gets_it_counts_as_what_it_is_made_of(column: str, source: str) -> None:
    (statement,) = parse(f"select {' + '.join([column] * 1000)} from {source}")
    assert sizes(statement.stmt, LONG).terms > 200_000
    (statement,) = parse(f"select {', '.join(['y.id'] * 1000)} from {source} cross join t as y")
    assert sizes(statement.stmt, LONG).terms < 5_000


def test_conditions_of_a_view_or_of_a_with_query_come_with_each_reference() -> None:
    query = "select id from t where " + " or ".join(f"id = {n}" for n in range(1000))
    (statement,) = parse("select x.id from app.v as x, app.v as y")
    assert sizes(statement.stmt, {("app", "v"): of(query).outputs}).terms > 2 * 3_000
    twice = "with q as {} (" + query + ") select 1 from q as x, q as y"
    assert of(twice.format("not materialized")).terms > 2 * 3_000 > of(twice.format("")).terms
