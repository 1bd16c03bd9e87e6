"""Tables and CTEs, columns and functions, told apart as PostgreSQL does; and texts that name their schemas."""

import pytest

from analyzer.statements.names import Attribute, collect_names, joined_tables, table_references
from analyzer.statements.qualify import qualified_sql
from analyzer.statements.safety import check_statement
from analyzer.statements.tree import parse


def tables(sql: str) -> list[str]:
    (statement,) = parse(sql)
    return sorted(node.relname for node in table_references(statement.stmt))


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("with t as (select * from t) select * from t", ["t"]),
        ("with recursive t as (select 1 union select * from t) select * from t", []),
        ("with a as (select * from b), b as (select 1) select * from a, b", ["b"]),
        ("with recursive a as (select * from b), b as (select 1) select * from a, b", []),
        ("select * from (with u as (select 1) select * from u) z, u", ["u"]),
        ("with u as (select 1) select (select count(*) from u), s.* from s.u s", ["u"]),
        ("with t as (select 1) insert into t select * from t", ["t"]),
        ("with x as (delete from t returning *) select * from x", ["t"]),
        ("select * from a union (with b as (select 1) select * from b)", ["a"]),
    ],
)
def test_a_cte_is_no_table(sql: str, found: list[str]) -> None:
    assert tables(sql) == found


@pytest.mark.parametrize(
    ("sql", "attributes"),
    [
        ("select t.x from t", [Attribute("x", ("", "t"))]),
        ("select v.x from t v, s", [Attribute("x", ("", "t"))]),
        ("select s.t.x from s.t", [Attribute("x", ("s", "t"))]),
        ("select (t.a).x from t", [Attribute("a", ("", "t")), Attribute("x")]),
        ("select (v).x from t v", [Attribute("x")]),
        ("select v.x from (select 1 as x) v", []),
        ("select v.y from (select 1 as x) v", [Attribute("y")]),
        ("select v.x from (select * from t) v", [Attribute("x")]),
        ("select v.x from t v, (select 1 as x) w, lateral (select v.x from (select 1 as y) v) q",
         [Attribute("x"), Attribute("x", ("", "t"))]),
        ("select c.x from (select 1 as x) c, generate_series(1, 2) as c2(x) join t as c on true",
         [Attribute("x", ("", "t"))]),
        ("select j.x from t join u using (id) as j", [Attribute("x")]),
        ("select g.x from generate_series(1, 3) g, (select (select 1 from (select 1 as x) g)) y", [Attribute("x")]),
        ("select generate_series.x, (select 1 from (select 1 as x) generate_series) from generate_series(1, 3)",
         [Attribute("x")]),
        ("select v.b from t as v (a, b)", []),
        ("select v.c from t as v (a, b)", [Attribute("c")]),
    ],
)  # fmt: skip
def test_a_column_is_excused_by_its_own_table_alone(sql: str, attributes: list[Attribute]) -> None:
    (statement,) = parse(sql)
    assert list(collect_names(statement.stmt).attributes) == attributes


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("select * from only t where x = $1::kind", 'select * from only "app".t where x = $1::"app".kind'),
        ("with t as (select * from t) select * from t", 'with t as (select * from "app".t) select * from t'),
        ("select 'ä', kind 'free', t.* from t /* t */", 'select \'ä\', "app".kind \'free\', t.* from "app".t /* t */'),
        ("select word(t.a), pg_catalog.word(1) from t", 'select "ext".word(t.a), pg_catalog.word(1) from "app".t'),
        ("select '😀' from other.t, t", "select '😀' from other.t, \"app\".t"),
        ("select extract(day from a), substring(b from 1 for 2), a::int[] from t",
         'select extract(day from a), substring(b from 1 for 2), a::int[] from "app".t'),
        ("select * from t*, (t) x", None),
        ("select 1", "select 1"),
    ],
)  # fmt: skip
def test_schemas_are_written_in_and_nothing_else(sql: str, written: str | None) -> None:
    assert qualified_sql(sql, {"t": "app"}, {"kind": "app"}, {"word": "ext"}) == written


def test_a_schema_of_any_name_is_quoted() -> None:
    assert qualified_sql("table t", {"t": 'a"; drop table x; --'}, {}) == 'table "a""; drop table x; --".t'


def test_a_cte_that_is_merged_counts_as_often_as_it_is_read() -> None:
    def doubled(how: str, last: int = 10) -> str:
        levels = [f"c{n} as {how} (select a.id from c{n - 1} a join c{n - 1} b using (id))" for n in range(1, last + 1)]
        return f"with c0 as {how} (select id from t), {', '.join(levels)} select * from c{last}"

    for how, merged in {"not materialized": 3 * 2**10 - 1, "materialized": 22, "": 22}.items():
        (statement,) = parse(doubled(how))
        assert joined_tables(statement.stmt) == merged
    assert "names at least 10,000 tables" in check_statement(doubled("not materialized", 200)).reason
    (statement,) = parse(
        "with recursive t as not materialized (select 1 union select 2 from t join s.v on true) table t"
    )
    assert joined_tables(statement.stmt, lambda name: 40 if name == ("s", "v") else 1) == 82
