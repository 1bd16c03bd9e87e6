"""Values chosen from column statistics."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.index_predicates import KnownValues, value_conditions
from analyzer.statements.predicates import parameter_columns
from analyzer.values.choose import (
    ColumnValues,
    NoValues,
    ValueSet,
    array_literal,
    choose_values,
    fixed_values,
)
from analyzer.values.like_patterns import like_patterns
from analyzer.values.partial_indexes import HeldValue, partial_values

NOW = datetime(2026, 3, 5, 14, 25, 36, tzinfo=UTC)
STATUS = ColumnValues(("paid", "sent", "new"), (0.5, 0.3, 0.1), ("alpha", "beta", "new", "omega", "zeta"))
UNIQUE = ColumnValues((), (), tuple(str(n) for n in range(0, 1001, 10)))
STATISTICS = {
    ("", "t", "status"): STATUS,
    ("", "t", "id"): UNIQUE,
    ("", "t", "name"): ColumnValues(("50%_x", "b"), (0.2, 0.1), ()),
    ("", "t", "flag"): ColumnValues(("t", "f"), (0.9, 0.1), ()),
    ("", "t", "at"): ColumnValues(
        (), (), ("2026-01-01 00:00:00+00", "2026-02-01 00:00:00+00", "2026-03-05 14:00:00+00")
    ),
    ("", "t", "old"): ColumnValues((), (), ("2001-01-01", "2002-01-01", "2003-01-01")),
    ("", "t", "doc"): ColumnValues(('{"list": [1], "kind": "view", "n": 3}',), (0.1,), ()),
    ("", "t", "span"): ColumnValues(("[1,5)",), (0.1,), ()),
    ("", "t", "tags"): ColumnValues(('{a,b}',), (0.1,), ()),
}  # fmt: skip


def chosen(sql: str, *types: str, samples: Sequence[str] = ()) -> list[ValueSet] | NoValues:
    patterns = like_patterns(sql, samples)
    return choose_values(parameter_columns(sql), types, STATISTICS, NOW, fixed_values(sql), patterns)


def literals(sql: str, *types: str) -> list[tuple[str, ...]]:
    sets = chosen(sql, *types)
    assert not isinstance(sets, NoValues), sets.reason
    return [s.literals for s in sets]


@pytest.mark.parametrize(
    ("condition", "types", "expected"),
    [
        # the median-weighted most common value; a histogram bound that is none of them
        ("status = $1", ["text"], [("paid",), ("omega",)]),
        ("id = $1", ["integer"], [("500",)]),
        ("flag = $1", ["boolean"], [("t",), ("f",)]),
        ("status in ($1, $2)", ["text", "text"], [("paid", "sent"), ("omega", "zeta")]),
        ("id > $1", ["integer"], [("500",), ("950",)]),
        ("id < $1", ["integer"], [("500",), ("50",)]),
        ("id between $1 and $2", ["integer", "integer"], [("480", "520"), ("940", "990")]),
        # nothing tells where the wildcard stands: at the end, and on both sides
        ("status like $1", ["text"], [("pai%",), ("%omega%",)]),
        ("name like $1", ["text"], [("50\\%%",), ("%b%",)]),
        ("upper(status::text) like upper($1)", ["text"], [("pai%",), ("%omega%",)]),
        ("status not ilike $1 escape '!'", ["text"], [("pai%",), ("%omega%",)]),
        # wildcards written beside the parameter, or redacted into parameters of their own
        ("status like '%' || $1", ["text"], [("aid",), ("omega",)]),
        ("status like $1 || '%'", ["text"], [("pai",), ("omega",)]),
        ("status like concat('%', $1::text, '%')", ["text"], [("pai",), ("omega",)]),
        ("status like $1 || $2", ["text", "text"], [("pai", "%"), ("%", "omega")]),
        ("status like $2 || $1 || $3", ["text", "text", "text"], [("pai", "%", "%"), ("omega", "%", "%")]),
        ("id = any($1::int[])", ["integer[]"], [('{"500","510","520","530","540"}',)]),
        ("at > $1", ["timestamp with time zone"], [("2026-03-04T14:00:00+00:00",), ("2026-03-05T13:00:00+00:00",)]),
        ("old > $1", ["date"], [("2002-01-01",), ("2003-01-01",)]),
        ("doc @> $1", ["jsonb"], [('{"kind": "view"}',)]),
        ("doc ? $1", ["text"], [("kind",)]),
        ("tags @> $1", ["text[]"], [("{a,b}",)]),
        ("span @> $1", ["int4range"], [("[1,5)",)]),
        ("status = $1 limit $2 offset $3", ["text", "bigint", "bigint"], [("paid", "10", "20"), ("omega", "10", "20")]),
        ("date_trunc($1, at) = $2", ["text", "timestamp with time zone"], [("day", "2026-03-04T14:00:00+00:00")]),
    ],
)
def test_value_of_a_condition(condition: str, types: list[str], expected: list[tuple[str, ...]]) -> None:
    assert literals(f"select * from t where {condition}", *types) == expected


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        ("'%aid%'", [("%pai%",), ("%omega%",)]),
        ("'%aid'", [("%aid",), ("%omega",)]),
        ("'pa_%'", [("pai%",), ("omega%",)]),
        ("'paid'", [("paid",), ("omega",)]),
        ("upper('paid')", [("paid",), ("omega",)]),
        ("$1", [("pai%",), ("%omega%",)]),
    ],
)
def test_a_real_run_tells_where_the_wildcard_stands(ran: str, expected: list[tuple[str, ...]]) -> None:
    samples = ["select * from t where id = 3", f"select * from t where id = 5 and status like {ran}"]
    sets = chosen("select * from t where id = 7 and status like $1", "text", samples=samples)
    assert not isinstance(sets, NoValues)
    assert [s.literals for s in sets] == expected
    assert any(s.assumptions for s in sets) == (ran == "$1")


def test_a_pattern_on_texts_too_wide_to_keep_is_no_equality() -> None:
    wide = {("", "t", "body"): ColumnValues((), (), ()), ("", "t", "gone"): ColumnValues((), (), (), null_frac=1.0)}
    for sql, like in (("body like $1", ("abc%",)), ("gone ilike '%' || $1", ("abc",)), ("a || b like $1", ("abc%",))):
        statement = f"select * from t where {sql}"
        sets = choose_values(parameter_columns(statement), ["text"], wide, NOW, {}, like_patterns(statement))
        assert not isinstance(sets, NoValues)
        assert sets[0].literals == like


def test_assumed_patterns_and_list_lengths_are_told() -> None:
    sql = "select * from t where status like $1 and id = any($2::int[])"
    sets = chosen(sql, "text", "integer[]")
    assert not isinstance(sets, NoValues)
    assert [s.assumptions for s in sets] == [
        ("a LIKE pattern of unknown shape was taken as 'abc%'", "a list of unknown length was given 5 elements"),
        ("a LIKE pattern of unknown shape was taken as '%abc%'", "a list of unknown length was given 5 elements"),
    ]


def test_long_list_takes_as_many_different_values_as_there_are() -> None:
    sets = choose_values(
        parameter_columns("select * from t where id = any($1)"), ["integer[]"], STATISTICS, NOW, list_elements=100
    )
    assert not isinstance(sets, NoValues)
    assert len(set(sets[0].literals[0].strip("{}").split(","))) == 100
    assert sets[0].assumptions == ("a list of unknown length was given 100 elements",)
    numbers = ", ".join(f"${n}" for n in range(1, 13))
    sets = choose_values(
        parameter_columns(f"select * from t where status in ({numbers})"), ["text"] * 12, STATISTICS, NOW,
        list_elements=100,
    )  # fmt: skip
    assert not isinstance(sets, NoValues)
    assert sets[0].literals[:8] == ("paid", "sent", "new", "omega", "zeta", "beta", "alpha", "paid")


def test_parameter_that_meets_no_column_is_assumed_and_told() -> None:
    sets = chosen("select $1, * from t where at > now() - cast($2 as interval)", "text", "interval")
    assert not isinstance(sets, NoValues)
    assert [(s.source, s.literals, s.assumed) for s in sets] == [
        ("typical", ("a", "1 day"), (1, 2)),
        ("rare", ("a", "30 days"), (1, 2)),
    ]


def test_condition_on_a_column_without_statistics_gives_no_values() -> None:
    found = chosen("select * from t where unknown = $1", "text")
    assert found == NoValues(
        "The statistics give no value for $1, compared with t.unknown;"
        " they may not be readable, or the column was never analysed."
    )


def test_type_without_a_plain_value_gives_no_values() -> None:
    assert chosen("select $1::mood", "mood") == NoValues("No value is known for $1 of type mood.")


def test_median_weighted_value_is_not_the_first_of_many_equal_ones() -> None:
    even = ColumnValues(tuple("abcdefghij"), (0.05,) * 10, ())
    assert even.typical[0] == "e"
    assert even.rare[0] == "j"


def test_histogram_percentiles_fall_back_to_common_values_in_their_order() -> None:
    assert ColumnValues(("10", "9", "100"), (0.3, 0.2, 0.1), ()).percentile(100) == "100"
    assert ColumnValues().percentile(50) is None


def test_array_literal_quotes_its_elements() -> None:
    assert array_literal(["a", 'b"c', "d\\e", "f,g", "{}"]) == '{"a","b\\"c","d\\\\e","f,g","{}"}'


def test_values_stay_out_of_every_repr() -> None:
    sets = chosen("select * from t where status = $1", "text")
    assert "paid" not in repr(sets)
    assert "paid" not in repr(STATUS)


def test_growing_column_is_asked_for_its_newest_rows_only_near_now() -> None:
    later = NOW + timedelta(days=30)
    sql = "select * from t where at > $1"
    sets = choose_values(parameter_columns(sql), ["timestamp with time zone"], STATISTICS, later)
    assert not isinstance(sets, NoValues)
    assert [s.literals for s in sets] == [("2026-02-01 00:00:00+00",), ("2026-03-05 14:00:00+00",)]


QUEUE = IndexFacts(2, "public", "t_queue", "btree", ("at",), predicate="((status)::text = 'new'::text)", scans=9)


@pytest.mark.parametrize(
    ("condition", "indexes", "told"),
    [
        ("status = $1 and at <= $2", (QUEUE,), {1: "new"}),
        ("status = $1 order by at limit $2", (QUEUE,), {1: "new"}),
        ("status = $1", (QUEUE,), {}),  # asks for nothing else the index has
        ("status <> $1 and at <= $2", (QUEUE,), {}),
        ("status = $1 and at <= $2", (replace(QUEUE, scans=0),), {}),  # nobody uses it
        ("status = $1 and at <= $2", (replace(QUEUE, is_valid=False),), {}),
        # a table split by value: each of them is asked for
        ("status = $1 and at <= $2", (QUEUE, replace(QUEUE, predicate="status = 'sent'")), {1: "new"}),
        ("status = $1 and at <= $2", (replace(QUEUE, predicate="status IN ('sent', 'new')"),), {1: "sent"}),
        (
            "status = $1 and at <= $2",
            (replace(QUEUE, predicate="((status)::text = ANY ((ARRAY['a'::character varying])::text[]))"),),
            {1: "a"},
        ),
        ("status = $1 and at <= $2", (replace(QUEUE, predicate="status = 'x' OR status = 'y'"),), {1: "x"}),
        ("status in ($1, $2) and at <= $3", (replace(QUEUE, predicate="status IN ('a', 'b')"),), {1: "a", 2: "b"}),
        ("lower(status) = $1 and at <= $2", (replace(QUEUE, predicate="lower(status) = 'new'"),), {1: "new"}),
        ("status = $1 and at <= $2", (replace(QUEUE, predicate="lower(status) = 'new'"),), {}),
        (
            "status = $1 and lower(id) = $2",
            (replace(QUEUE, columns=(None,), expressions=("lower(id)",)),),
            {1: "new"},
        ),
        ("flag = $1 and at <= $2", (replace(QUEUE, predicate="NOT flag"),), {1: "f"}),
        ("flag = $1 and at <= $2", (replace(QUEUE, predicate="flag AND old IS NULL"),), {1: "t"}),
        ("id = $1 and at <= $2", (replace(QUEUE, predicate="id = -3"),), {1: "-3"}),
        ("id = $1 and at <= $2", (replace(QUEUE, predicate="id > 3"),), {1: None}),
        ("id = $1 and at <= $2", (replace(QUEUE, predicate="id >= 3"),), {1: "3"}),
        ("id > $1 and at <= $2", (replace(QUEUE, predicate="id >= 3 AND old IS NULL"),), {1: "3"}),
        ("id < $1 and at <= $2", (replace(QUEUE, predicate="id >= 3"),), {}),
        ("id > $1 and id < $3 and at <= $2", (replace(QUEUE, predicate="id >= 3"),), {1: "3"}),
        ("id between $1 and $3 and at <= $2", (replace(QUEUE, predicate="id >= 3 AND id < 9"),), {1: "3", 3: "9"}),
        ("id >= $1 and at <= $2", (replace(QUEUE, predicate="id >= '2026-01-01'::date"),), {1: "2026-01-01"}),
        ("old > $1 and at <= $2", (replace(QUEUE, predicate="at > '2026-01-01'::date"),), {}),
        ("id = $1 and at <= $2", (replace(QUEUE, predicate="id = ANY ('{1,2}'::integer[])"),), {1: "1"}),
        ("status = $1 and at <= $2", (replace(QUEUE, predicate="NOT (status <> ALL ('{new}'::text[]))"),), {1: "new"}),
    ],
)
def test_a_partial_index_in_use_tells_its_value(
    condition: str, indexes: tuple[IndexFacts, ...], told: dict[int, str]
) -> None:
    columns = tuple(ColumnFacts(c, n, "text", 25, False, 1e3) for n, c in enumerate(("status", "flag", "id", "at"), 1))
    facts = SchemaFacts("d", 150000, (TableFacts(1, "public", "t", "r", 1e3, 10**6, columns, indexes),))
    sql = f"select * from t where {condition}"
    uses = parameter_columns(sql, facts)
    found = partial_values(sql, uses, facts)
    assert {number: one.pick([]) for number, one in found.items()} == told
    if told == {1: "new"} and "status = $1 and at" in condition and indexes[0].predicate == QUEUE.predicate:
        statistics = {("public", "t", "status"): STATUS, ("public", "t", "at"): STATISTICS["", "t", "at"]}
        sets = choose_values(uses, ["text", "text"], statistics, NOW, partial=found)
        assert not isinstance(sets, NoValues)
        if len(indexes) > 1:  # typical and rare ones, each of an index
            assert {s.literals[0] for s in sets} == {"new", "sent"}
            return
        assert {s.literals[0] for s in sets} == {"new"}
        assert sets[0].assumptions == ("status was given the value of the partial index t_queue",)


@pytest.mark.parametrize(
    ("begin", "values"),
    # percentiles where the index holds them, else where it begins
    [("2001-06-01", {"2002-01-01", "2003-01-01"}), ("2002-06-01", {"2002-06-01", "2003-01-01"})],
)
def test_a_range_is_asked_for_where_a_partial_index_holds_it(begin: str, values: set[str]) -> None:
    columns = tuple(ColumnFacts(c, n, "date", 1082, False, 1e3) for n, c in enumerate(("old", "at"), 1))
    queue = replace(QUEUE, predicate=f"(old >= '{begin}'::date)")
    facts = SchemaFacts("d", 150000, (TableFacts(1, "public", "t", "r", 1e3, 10**6, columns, (queue,)),))
    sql = "select * from t where at = $1 and old >= $2"
    uses = parameter_columns(sql, facts)
    statistics = {("public", "t", name): STATISTICS["", "t", "old"] for name in ("old", "at")}
    sets = choose_values(uses, ["date", "date"], statistics, NOW, partial=partial_values(sql, uses, facts))
    assert not isinstance(sets, NoValues)
    assert {each.literals[1] for each in sets} == values


@pytest.mark.parametrize(
    ("predicate", "values", "excluded", "bounds"),
    [
        # as ~Q(status="done") of Django writes it, of a column that may be NULL and of one that may not
        ("(NOT ((status = 'done'::text) AND (status IS NOT NULL)))", (), ("done",), ()),
        ("(NOT (status = 'done'::text))", (), ("done",), ()),
        ("(NOT (status = ANY (ARRAY['a'::text, 'b'::text])))", (), ("a", "b"), ()),
        ("NOT (status = 'a' OR status = 'b')", (), ("a", "b"), ()),
        ("status <> 'a' AND status <> 'b'", (), ("a", "b"), ()),
        ("status IS DISTINCT FROM 'a'", (), ("a",), ()),
        ("NOT (status IS DISTINCT FROM 'a')", ("a",), (), ()),
        ("NOT (NOT (status = 'a'))", ("a",), (), ()),
        ("((status = 'new') OR (status IS NULL))", ("new",), (), ()),
        ("status IN ('a', 'b') AND status <> 'b'", ("a",), ("b",), ()),
        ("""status = ANY ('{"a b",c,"d\\"e"}'::text[])""", ("a b", "c", 'd"e'), (), ()),
        ("status >= '5' AND status < '9'", (), (), ((">=", "5"), ("<", "9"))),
        ("NOT (status >= '5')", (), (), (("<", "5"),)),
        ("status IS NOT TRUE", None, None, None),
        ("((status = 'new') OR (id IS NULL))", None, None, None),
        ("NOT (status = 'a' AND id = 'b')", None, None, None),
        ("status = ANY ('{a,NULL}'::text[])", None, None, None),
        ("status < ANY ('{1,2}'::text[])", None, None, None),
        ("status LIKE 'a'", None, None, None),
    ],
)
def test_what_a_predicate_tells_of_a_column(
    predicate: str, values: tuple[str, ...] | None, excluded: tuple[str, ...], bounds: tuple[tuple[str, str], ...]
) -> None:
    wanted = () if values is None else (KnownValues("status", False, values, excluded, bounds),)
    assert value_conditions(predicate) == wanted


def test_of_what_a_partial_index_leaves_out_the_most_frequent_value_is_taken() -> None:
    [told] = value_conditions("(status <> ALL (ARRAY['done'::text, 'gone'::text]))")
    held = HeldValue((told,), "")
    assert held.pick(["done", "new", "sent"]) == "new"
    assert held.pick(["done"]) is None
    [told] = value_conditions("status <> 'done' AND status <> 'gone'")
    assert HeldValue((told,), "").pick(["done", "gone", "new"]) == "new"
    [told] = value_conditions("priority >= 5")
    assert HeldValue((told,), "").pick(["3", "10", "5"]) == "10"
    assert HeldValue((told,), "", end="gt").pick(["3", "10"]) == "5"
    assert HeldValue((told,), "", end="gt").pick(["10", "3"]) is None  # as it is, it asks for rows that are in it
    for text in ("code > '5'::text", "code > '5'", "code > '5'::kind AND code < '7'::kind", "NOT (code <= '5'::text)"):
        [told] = value_conditions(text)
        assert [told.holds(value) for value in ("10", "6")] == [False, False], (
            text
        )  # a collation orders them, or a type
    for number in ("id > 5", "id > '5'::bigint", "id > '5'::numeric AND id < 11", "NOT (id <= 5)"):
        [told] = value_conditions(number)
        assert [told.holds(value) for value in ("10", "4")] == [True, False], number
    [told] = value_conditions("at > '2026-01-01'::date")
    assert [told.holds(value) for value in ("2026-01-02", "2025-12-31")] == [True, False]
    [told] = value_conditions("(status <> ALL (ARRAY['done'::text, 'gone'::text]))")
    # another index holds those
    assert HeldValue((told, *value_conditions("status = 'done'")), "").pick(["done", "new"]) == "done"
