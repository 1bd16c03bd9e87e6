"""What EXPLAIN's expressions compare, in the notations of 16 and 17, and on real servers."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.plans import parse_plan, parse_plans
from analyzer.plans.conditions import ColumnName, Condition, read_condition, read_sort_key

DATA = Path(__file__).parent / "data"


def read(text: str) -> Condition:
    condition = read_condition(text)
    assert condition is not None, text
    return condition


@pytest.mark.parametrize(
    ("text", "column", "operator", "other"),
    [
        ("(o.status = 'new'::text)", "o.status", "=", "constant"),
        ("(id > 5)", "id", ">", "constant"),
        ("('5'::bigint < id)", "id", ">", "constant"),
        ("(id = $1)", "id", "=", "parameter"),
        ("(id = ($2)::bigint)", "id", "=", "parameter"),
        ("(a = $0)", "a", "=", "parameter"),  # an InitPlan's, to 16
        ("(a = (InitPlan 1).col1)", "a", "=", "initplan"),  # since 17
        ("(c.id = o.customer_id)", "c.id", "=", "column"),
        ("(c.id = lower(o.name))", "c.id", "=", "expression"),
        ("(created > (now() - '1 day'::interval))", "created", ">", "expression"),
        ("(id = ANY ('{1,2}'::integer[]))", "id", "= ANY", "constant"),
        ("(id <> ALL ($1))", "id", "<> ALL", "parameter"),
        ("(5 = ANY (tags))", "tags", "ANY", "constant"),
        ("(name ~~ 'a%'::text)", "name", "~~", "constant"),
        ("(tags @> '{x}'::text[])", "tags", "@>", "constant"),
        ("('{x}'::text[] <@ tags)", "tags", "@>", "constant"),
        ("(a IS NULL)", "a", "IS NULL", "nothing"),
        ("(a IS DISTINCT FROM 3)", "a", "IS DISTINCT FROM", "constant"),
        ("is_active", "is_active", "", "nothing"),
        ("(is_active IS NOT TRUE)", "is_active", "IS NOT TRUE", "nothing"),
        ("(x.y < (SubPlan 2))", "x.y", "<", "subplan"),
        ('("User"."select" OPERATOR(public.=) 1)', "User.select", "=", "constant"),
    ],
)
def test_one_comparison(text: str, column: str, operator: str, other: str) -> None:
    (comparison,) = read(text).comparisons
    assert (str(comparison.column), comparison.operator, comparison.other) == (column, operator, other)
    assert not comparison.is_negated


@pytest.mark.parametrize(
    ("text", "functions", "operators", "casts"),
    [
        ("(lower(email) = 'x'::text)", ("lower",), (), ()),
        ("(date_trunc('day'::text, t) = $1)", ("date_trunc",), (), ()),
        ("(EXTRACT(year FROM t) = '2024'::numeric)", ("extract",), (), ()),
        ("((col)::numeric = '5.5'::numeric)", (), (), ("numeric",)),
        ("((name)::text ~~ '%x'::text)", (), (), ("text",)),
        ("(lower((name)::text) = 'x'::text)", ("lower",), (), ("text",)),
        ("((a + 1) = 5)", (), ("+",), ()),
        ("((payload ->> 'k'::text) = 'v'::text)", (), ("->>",), ()),
        ("(COALESCE(a, 0) = 1)", ("coalesce",), (), ()),
        ("((a COLLATE \"C\") > 'x'::text)", (), ("COLLATE",), ()),
        ("(a[1] = 2)", (), ("[]",), ()),
    ],
)
def test_a_wrapped_column_is_no_plain_one(
    text: str, functions: tuple[str, ...], operators: tuple[str, ...], casts: tuple[str, ...]
) -> None:
    (comparison,) = read(text).comparisons
    assert (comparison.functions, comparison.operators, comparison.casts) == (functions, operators, casts)
    assert len(comparison.columns) == 1
    assert comparison.column is None


def test_what_and_joins_keeps_its_own_text_without_values() -> None:
    condition = read("((o.status = 'it''s new'::text) AND (o.amount > 500) AND ((o.note)::text ~~ '%secret%'::text))")
    assert [c.text for c in condition.comparisons] == [
        "(o.status = '?'::text)", "(o.amount > ?)", "((o.note)::text ~~ '%?%'::text)",
    ]  # fmt: skip
    assert condition.aliases == {"o"}
    assert [c.leading_wildcard for c in condition.comparisons] == [False, False, True]
    assert "secret" not in repr(condition)


def test_or_gives_its_arms() -> None:
    condition = read("(((a.x = 1) AND (a.z = 2)) OR (b.y = 'AND OR'::text))")
    ((first, second),) = condition.alternatives
    assert [c.text for c in first] == ["(a.x = ?)", "(a.z = ?)"]
    assert [c.text for c in second] == ["(b.y = '?'::text)"]
    (either,) = condition.comparisons
    assert (either.operator, either.other) == ("OR", "nothing")
    assert condition.columns == (ColumnName("x", "a"), ColumnName("z", "a"), ColumnName("y", "b"))


@pytest.mark.parametrize(
    ("text", "subplans", "hashed", "negated"),
    [
        ("(NOT (SubPlan 1))", {1}, set(), True),
        ("(NOT (hashed SubPlan 12))", set(), {12}, True),
        ("(NOT (ANY (id = (SubPlan 1).col1)))", {1}, set(), True),
        ("(NOT (ANY (id = (hashed SubPlan 2).col1)))", set(), {2}, True),
        ("(ANY ((a = (SubPlan 1).col1) AND (b = (SubPlan 1).col2)))", {1}, set(), False),
        ("(alternatives: SubPlan 3 or hashed SubPlan 4)", {3}, set(), False),
        ("EXISTS(SubPlan 1)", {1}, set(), False),
        ("(SubPlan 1)", {1}, set(), False),
    ],
)
def test_subplans_of_all_versions(text: str, subplans: set[int], hashed: set[int], negated: bool) -> None:
    condition = read(text)
    assert (condition.subplans, condition.hashed_subplans) == (subplans, hashed)
    (comparison,) = condition.comparisons
    assert (comparison.other, comparison.is_negated) == ("subplan", negated)


@pytest.mark.parametrize(
    ("text", "elements"),
    [("(id = ANY ('{}'::int[]))", 0), ("(id = ANY ('{1,2,3}'::int[]))", 3),
     ("""(id = ANY ('{a,"b,c",NULL}'::text[]))""", 3), ("(id = ANY (ARRAY[$1, $2]))", 2), ("(id = ANY ($1))", None),
     ("(name = '{1,2}'::text)", None)],
)  # fmt: skip
def test_a_list_has_so_many_elements(text: str, elements: int | None) -> None:
    assert read(text).comparisons[0].elements == elements


@pytest.mark.parametrize(
    "text",
    ["", "broken (", "(a = 1) AND", "a; drop table x", "1, 2", "a AS b", "x FROM t", "(a = (b",
     "(a = $1) UNION SELECT 2", "_explain_subplan(a)", "(" * 3000 + ")" * 3000],
)  # fmt: skip
def test_what_does_not_parse_has_no_reading(text: str) -> None:
    assert read_condition(text) is None


def test_a_long_list_of_values_is_read_and_none_kept() -> None:
    condition = read("(id = ANY ('{" + ",".join(str(100_000 + i) for i in range(100_000)) + "}'::integer[]))")
    assert condition.comparisons[0].elements == 100_000
    assert len(condition.text) < 100


@pytest.mark.parametrize(
    ("text", "column", "is_descending", "nulls_first"),
    [("o.created_at DESC NULLS LAST", "o.created_at", True, False), ("id", "id", False, False),
     ("id DESC", "id", True, True), ("id NULLS FIRST", "id", False, True), ("lower(name)", None, False, False),
     ("random()", None, False, False), ('"Order"."desc" DESC', "Order.desc", True, True),
     ("name USING ~<~", "name", False, False)],
)  # fmt: skip
def test_sort_keys(text: str, column: str | None, is_descending: bool, nulls_first: bool) -> None:
    key = read_sort_key(text)
    assert key is not None
    assert (key.is_descending, key.nulls_first) == (is_descending, nulls_first)
    assert (None if key.column is None else str(key.column)) == column


@pytest.mark.parametrize("path", sorted(DATA.glob("*.pg*.json")), ids=lambda path: path.name)
def test_every_expression_of_the_saved_plans_is_read(path: Path) -> None:
    for plan in parse_plans(path.read_bytes()):
        for node in plan:
            assert None not in [read_condition(text) for text in node.conditions.values()]
            for name in ("Sort Key", "Group Key", "Output"):
                for text in node.raw.get(name, []):
                    assert read_sort_key(text) is not None, text


STATEMENTS = {
    "select * from t where a not in (select b from u)": [("hashed", {1})],
    "select * from t where a not in (select b from u where u.c = t.c)": [("plain", {1})],
    "select * from t where (a, b) in (select a, b from u offset 0) or a = 1": [("hashed", {1})],
    "select * from t where exists (select 1 from u where u.b = t.b) or a = 1": None,
    "select * from t where a = (select max(b) from u) and b between 1 and 5": None,
    "select * from t where a > all (select b from u) and d::date = current_date": [("plain", {1})],
    "select * from t where case when a = 1 then b = 2 else c is null end": None,
    "select * from t where (a, b) < (1, 2) and t is not null and name collate \"C\" > 'x'": None,
    "select * from t where d at time zone 'UTC' > '2020-01-01' and extract(dow from d) = 1": None,
    "select * from t where name similar to 'a|b' or name ilike '%x%' or a = any(array[b, c])": None,
    "select b, count(*) from t group by b having count(*) filter (where a > 1) > 3 and sum(a) is distinct from 4": None,
    "select * from (select *, row_number() over (partition by b order by a) n from t) x where n <= 2": None,
    "select * from t where ctid = '(0,1)' or tags && '{a,b}' or point(a, b) <@ box '((0,0),(1,1))'": None,
    'select * from t order by name desc nulls last, a + b, name collate "C", random()': None,
    "select * from t where j ->> 'k' = 'v' and j @> '{\"a\": 1}' and j ? 'x' and (j -> 'a')::text = '1'": None,
    "select * from t a join u on a.a = u.b and (a.b = 1 or u.c = 2) and a.name <> u.c::text": None,
    "select array(select b from u where u.b = t.a), (select max(c) from u where u.b = t.a) from t": None,
}


@pytest.fixture
def connection(any_postgres) -> Iterator[psycopg.Connection]:
    with any_postgres.connect() as connection:
        connection.execute(
            "create temp table t (a int, b int, c int, d timestamptz, name varchar(20), tags text[], j jsonb);"
            "create temp table u (a int, b int, c int)"
        )
        yield connection


@pytest.mark.postgres
@pytest.mark.parametrize("verbose", ["verbose", "verbose off"])
@pytest.mark.parametrize("sql", STATEMENTS)
def test_every_expression_that_servers_print_is_read(connection: psycopg.Connection, sql: str, verbose: str) -> None:
    row = connection.execute(f"explain ({verbose}, format json) {sql}".encode()).fetchone()
    assert row is not None
    subplans: list[tuple[str, frozenset[int]]] = []
    for node in parse_plan(row[0]):
        for text in node.conditions.values():
            condition = read(text)
            subplans += [("plain", condition.subplans)] if condition.subplans else []
            subplans += [("hashed", condition.hashed_subplans)] if condition.hashed_subplans else []
        for name in ("Sort Key", "Group Key", "Output"):
            assert None not in [read_sort_key(text) for text in node.raw.get(name, [])]
    expected = STATEMENTS[sql]
    assert expected is None or subplans == expected
