"""Predicates where names must be resolved, lookups and parents, and rewritten texts."""

import pytest

from analyzer.statements.lookup import ParentShape, ParentTable, condition_shape, parent_shape, repeatable_shapes
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import Preparable, Rewrite, preparable_sql
from tests.advice.builders import facts, table

A = table("a", ["id|bigint|-1", "x|bigint|10", "name|character varying(40)|-1", "number|integer|5"])
B = table("b", ["id|bigint|-1", "a_id|bigint|10", "y|bigint|10"])
C = table("c", ["id|bigint|-1", "y|bigint|10"], schema="other")
SCHEMA = facts(A, B, C)


def asks(sql, schema=SCHEMA):
    return [
        (t.alias, p.column, p.operator, p.is_sargable)
        for b in query_blocks(sql, schema)
        for t in b.tables
        for p in t.predicates
    ]


RESOLVED = {
    # unqualified columns by the facts, inner blocks first
    "select 1 from a, b where x = $1 and y = $2": [("a", "x", "eq", True), ("b", "y", "eq", True)],
    "select 1 from a where exists (select 1 from b where a_id = x)": [("b", "a_id", "eq", True)],
    "select 1 from a join b on a_id = a.id where y > $1": [
        ("a", "id", "eq", True), ("b", "a_id", "eq", True), ("b", "y", "gt", True)
    ],
    # NATURAL and USING
    "select 1 from b natural join other.c": [
        ("b", "id", "eq", True), ("b", "y", "eq", True), ("c", "id", "eq", True), ("c", "y", "eq", True)
    ],
    "select 1 from b join other.c using (y) where y = $1": [
        ("b", "y", "eq", True), ("b", "y", "eq", True), ("c", "y", "eq", True)
    ],
    # an outer join's ON filters the inner side only
    "select 1 from a left join b on b.a_id = a.id and a.x = $1 and b.y = $2": [
        ("b", "a_id", "eq", True), ("b", "y", "eq", True)
    ],
    "select 1 from a right join b on b.a_id = a.id and a.x = $1 and b.y = $2": [
        ("a", "id", "eq", True), ("a", "x", "eq", True)
    ],
    "select 1 from a full join b on b.a_id = a.id and a.x = $1": [],
    # a cast between text types keeps the index usable, others do not
    "select 1 from a where name::text = $1": [("a", "name", "eq", True)],
    "select 1 from a where id::text = $1": [("a", "id", "eq", False)],
    "select 1 from a where id = $1::int": [("a", "id", "eq", True)],
    # conditions move into plain subqueries, not past a LIMIT or aggregates
    "select 1 from (select x as z from a) s where s.z = $1": [("a", "x", "eq", True)],
    "select 1 from (select x as z from a limit 5) s where s.z = $1": [],
    "select 1 from (select count(*), x from a group by x) s where s.x = $1": [],
    "with s as (select x from a) select 1 from s where x = $1": [("a", "x", "eq", True)],
    "with s as materialized (select x from a) select 1 from s where x = $1": [],
    "with s as (select x from a) select 1 from s, s as s2 where s.x = $1": [],
    "select 1 from (select * from a) s where s.x = $1": [("a", "x", "eq", True)],
    "select 1 from (select id, x from a) s (one, two) where two = $1": [("a", "x", "eq", True)],
    # what no B-tree on the column serves
    "select 1 from a where x + 1 = $1": [("a", "x", "eq", False)],
    "select 1 from a where x <> $1": [("a", "x", "ne", False)],
    "select 1 from a where x not in ($1)": [("a", "x", "not_in", False)],
    "select 1 from a where not x = $1": [("a", "x", "ne", False)],
    "select 1 from a where x is distinct from $1": [("a", "x", "other", False)],
    "select 1 from a where name like '%z'": [("a", "name", "like_leading", False)],
    "select 1 from a where name ~ $1": [("a", "name", "regex", False)],
    "select 1 from a where x = $1 or id = $2": [("a", "x", "eq", False), ("a", "id", "eq", False)],
    "select 1 from a where x = id": [],
    "select 1 from a where x = any (array[$1, $2])": [("a", "x", "any", True)],
    "select 1 from a where $1 < x": [("a", "x", "gt", True)],
    "select 1 from a where (x, id) = ($1, $2)": [("a", "x", "eq", True), ("a", "id", "eq", True)],
    "select 1 from a where (x, id) in (($1, $2), ($3, $4))": [("a", "x", "in", True), ("a", "id", "in", True)],
    "select 1 from a where x is null and not (x is null)": [
        ("a", "x", "is_null", True), ("a", "x", "is_not_null", False)
    ],
    "select 1 from only a where x = now()::date - 1": [("a", "x", "eq", True)],
    "select 1 from a where x in (select y from b)": [("a", "x", "in_subquery", True), ("b", "y", "semi", False)],
    "select 1 from a where x not in (select y from b)": [("a", "x", "not_in", False)],
    "declare c cursor for select 1 from a where x = $1": [("a", "x", "eq", True)],
    "copy a to stdout": [],
}  # fmt: skip


@pytest.mark.parametrize("sql", RESOLVED)
def test_predicates_with_facts(sql):
    assert asks(sql) == RESOLVED[sql]


def test_columns_that_cannot_be_resolved_are_left_out():
    (block,) = query_blocks("select x from a, b where x = $1 and b.y = $2")
    assert [(t.name, [p.column for p in t.predicates]) for t in block.tables] == [("a", []), ("b", ["y"])]
    assert block.has_unresolved


def test_block_details():
    (block,) = query_blocks(
        "select distinct on (a.x) a.x, a.id, lower(a.name) as n from a where a.x = $1 group by a.x, a.id"
        " order by a.x, n desc nulls last, 2 limit 7 offset 3 for update"
    )
    assert [(c.alias, c.column) for c in block.group_by] == [("a", "x"), ("a", "id")]
    assert [(t.column, t.is_descending, t.nulls_first) for t in block.order_by] == [
        ("x", False, False), (None, True, False), ("id", False, False)
    ]  # fmt: skip
    assert (block.limit, block.has_offset, block.is_locking, block.is_grouped, block.is_aggregate) == (
        7,
        True,
        True,
        True,
        False,
    )
    assert block.tables[0].selected == {"x", "id"}
    assert block.tables[0].used == {"x", "id", "name"}


def test_parameters_without_facts_and_with():
    sql = "select 1 from a, b where x = $1 and y between $2 and $3 and a.name ilike $4 limit $5"
    assert {n: (u.table, u.column) for n, u in parameter_columns(sql).items()} == {
        1: (None, None), 2: (None, None), 3: (None, None), 4: ("a", "name"), 5: (None, None)
    }  # fmt: skip
    assert {n: (u.schema, u.table, u.column, u.operator) for n, u in parameter_columns(sql, SCHEMA).items()} == {
        1: ("public", "a", "x", "eq"), 2: ("public", "b", "y", "between_low"), 3: ("public", "b", "y", "between_high"),
        4: ("public", "a", "name", "ilike"), 5: (None, None, None, "limit"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "select * from a where x = $1 for update",
        "select * from a limit 5",
        "select * from a where x > $1",
        "select * from a where x = $1 limit 50",
        "select * from a where x = $1 or id = $2",
        "select * from a, b where a.x = $1 and b.y = $2",
        "select * from a, b where a.x = $1",
        "update a set x = 1 where id = $1",
        "select * from (select * from a where id = $1) s, b",
        "select * from a where id = $1 offset 3",
        "select 1",
        "nonsense",
    ],
)
def test_no_lookup(sql):
    assert repeatable_shapes(sql) == ()


@pytest.mark.parametrize(
    ("sql", "keys", "others", "aggregate"),
    [
        ("select * from a where id = $1", ("id",), (), None),
        ("select * from a where id = $1 limit 21", ("id",), (), None),
        ("select * from a where x = $1 order by id desc limit 1", ("x",), (), None),
        ("select sum(id) from a where x = $1", ("x",), (), "sum"),
        ("select x, count(*) from a where id = $1 group by x", ("id",), (), "group"),
        (
            "select count(*) from (select distinct id from a where x = $1"
            " and not exists (select 1 from b where b.a_id = a.id)) s",
            ("x",),
            (),
            "count",
        ),
        ("select exists (select 1 from a where x = $1 and id in (select a_id from b))", ("x",), ("id",), "exists"),
        ("select * from a where x = $1 and number = 3 and name like $2", ("number", "x"), ("name",), None),
    ],
)
def test_lookups(sql, keys, others, aggregate):
    (shape,) = repeatable_shapes(sql, SCHEMA)
    assert (shape.schema, shape.table, shape.key_columns, shape.other_columns, shape.aggregate) == (
        "public", "a", keys, others, aggregate
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select sum(x) from a where number >= $1 and number < $2", ("number",)),
        ("select 1 from a where number = $1 and name between $2 and $3 limit $4", ("name", "number")),
        ("select 1 from a left join b on a.id = b.a_id where b.y = $1 or a.x = $2 limit 1", ("x",)),
        ("select count(*) from (select distinct id from a where name like $1) s", ("name",)),
        ("select * from a where number > $1 limit 50", None),
        ("select * from a where number > $1 offset $2", None),
        ("select x, count(*) from a where number > $1 group by x", None),
        ("select * from a where number > $1 for update", None),
        ("select * from a where number > 7", None),
        ("select * from a", None),
        ("delete from a where number > $1", None),
    ],
)
def test_what_is_asked_by_other_conditions_than_keys(sql, columns):
    shape = condition_shape(sql, SCHEMA)
    assert (shape and (shape.key_columns, shape.other_columns)) == (columns and ((), columns))


def test_lists_of_several_are_told_from_arrays():
    (several,) = repeatable_shapes("select * from a where x in ($1 /*, ... */)", SCHEMA)
    (array,) = repeatable_shapes("select * from a where x = any($1)", SCHEMA)
    assert (several.array_columns, several.list_columns) == (("x",), ("x",))
    assert (array.array_columns, array.list_columns) == (("x",), ())


def test_parents_tell_what_they_return():
    shape = parent_shape("select b.*, a.id, upper(a.name) from b join a on a.id = b.a_id limit 20", SCHEMA)
    assert shape == ParentShape(
        (ParentTable("b", "public", "b", None), ParentTable("a", "public", "a", frozenset({"id"}))), True
    )
    assert shape.tables[0].returns("a_id")
    assert not shape.tables[1].returns("name")
    assert parent_shape("select count(*) from a") is None
    assert parent_shape("delete from a") is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 from a where x = $1;", Preparable("select 1 from a where x = $1", None, (), (1,))),
        (
            "select 1 from a where x in ($1 /*, ... */) and id = $2",
            Preparable(
                "select 1 from a where x in ($1, $3, $4) and id = $2", None, (Rewrite("list", (1,)),), (1, 2, 1, 1)
            ),
        ),
        (
            "select $1 || x from a group by $1 || x",
            Preparable("select $1 || x from a group by $1 || x", None, (), (1,)),
        ),
        ("begin", Preparable(None, "It is a utility statement, which has no plan of its own.")),
        ("select 1; select 2", Preparable(None, "The text holds several statements.")),
        ("select 1 from", Preparable(None, "PostgreSQL's parser does not take this text: it may have been cut short.")),
        (None, Preparable(None, "The server gave no text for this statement.")),
    ],
)
def test_preparable(sql, expected):
    assert preparable_sql(sql, list_length=3) == expected


def test_limits_become_numbers_and_parameters_close_up():
    found = preparable_sql("select 1 from a where x = $3 limit $1 offset $2", limit=20)
    assert found == Preparable(
        "select 1 from a where x = $1 limit 20 offset 0", None, (Rewrite("limit", (1, 2)),), (3,)
    )  # fmt: skip
