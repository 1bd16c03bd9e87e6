"""Keys and members of documents, elements of arrays, values of partitions and for rows: without a server."""

from datetime import UTC, datetime

import pytest

from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.predicates import parameter_columns
from analyzer.values.choose import NoValues, ValueSet, choose_values, fixed_values
from analyzer.values.column_statistics import ColumnStatistics
from analyzer.values.column_values import (
    ColumnValues,
    largest_partitions,
    of_partitions,
)
from analyzer.values.rows_kept import limits_for_rows, values_for_rows

NOW = datetime(2026, 3, 5, 14, tzinfo=UTC)
DOCUMENTS = (
    '{"k": 3, "lang": "de", "seo": {"w": 5}, "ok": true}', '{"k": 40, "lang": "en", "seo": {"w": 6}}',
    '{"k": 7, "lang": "de", "seo": {"w": 5}}',
)  # fmt: skip
STATISTICS = {
    ("", "t", "doc"): ColumnValues((), (), DOCUMENTS),
    ("", "t", "attrs"): ColumnValues(('"k"=>"3", "b"=>NULL', '"k"=>"4"'), (0.5, 0.4), ()),
    ("", "t", "tags"): ColumnValues((), (), ("{a}", "{b,c}"), ("b", "a", "c")),
    ("", "t", "words"): ColumnValues((), (), (), ("it's", "cat")),
    ("", "t", "body"): ColumnValues((), (), ("an elephant walks", "an elephant runs")),
    ("", "t", "gone"): ColumnValues(null_frac=1.0),
    ("", "t", "span"): ColumnValues(null_frac=0.1),
    ("", "t", "old"): ColumnValues((), (), ("2022-01-01", "2023-01-01", "2024-01-01")),
    ("", "t", "new"): ColumnValues((), (), ("2022-01-01", "2023-01-01", "2026-03-05 13:00:00+00")),
    ("", "t", "n"): ColumnValues((), (), tuple(str(n) for n in range(0, 101, 10))),
    ("", "t", "kind"): ColumnValues(("x", "y"), (0.9, 0.1), ()),
}  # fmt: skip


def chosen(sql: str, *types: str) -> list[ValueSet] | NoValues:
    return choose_values(parameter_columns(sql), types, STATISTICS, NOW, fixed_values(sql))


@pytest.mark.parametrize(
    ("condition", "types", "typical"),
    [
        ("doc ->> $1 = $2", ["text", "text"], ("k", "3")),
        ("doc ->> 'lang' = $1", ["text"], ("de",)),
        ("doc -> 'lang' = $1", ["jsonb"], ('"de"',)),
        ("doc -> 'k' = $1", ["jsonb"], ("3",)),
        ("(doc ->> $1)::int > $2", ["text", "integer"], ("k", "7")),
        # the key whose members are numbers goes where numbers are wanted
        ("doc ->> $1 = $2 and (doc ->> $3)::int > $4", ["text", "text", "text", "integer"], ("lang", "de", "k", "7")),
        ("(doc ->> $1)::date > '2026-01-01'", ["text"], ("a",)),  # no such key, so no error either
        ("(doc ->> $1)::boolean", ["text"], ("ok",)),
        ("doc -> $1 ->> $2 = $3", ["text", "text", "text"], ("seo", "w", "5")),
        ("doc #>> $1 = $2", ["text[]", "text"], ('{"seo","w"}', "5")),
        ("doc ->> 'lang' in ($1, $2)", ["text", "text"], ("de", "en")),
        ("(doc -> 'seo' ->> $1)::int between $2 and $3", ["text", "integer", "integer"], ("w", "5", "5")),
        ("doc ? $1", ["text"], ("k",)),
        ("doc @> $1::jsonb", ["jsonb"], ('{"k": 40}',)),
        ("jsonb_path_exists(doc, $1)", ["jsonpath"], ('$."k"',)),
        ("doc @? $1", ["jsonpath"], ('$."k"',)),
        ("attrs -> $1 = $2", ["text", "text"], ("k", "3")),
        ("attrs ? $1", ["text"], ("k",)),
        ("tags && array[$1, $2]", ["text", "text"], ("b", "a")),
        ("tags @> $1", ["text[]"], ('{"b"}',)),
        ("$1 = any(tags)", ["text"], ("b",)),
        ("tags[1] = $1", ["text"], ("b",)),
        ("words @@ plainto_tsquery($1::regconfig, $2)", ["regconfig", "text"], ("english", "it's")),
        ("words @@ $1", ["tsquery"], ("'it''s'",)),
        ("to_tsvector('english', body) @@ to_tsquery('english', $1)", ["text"], ("elephant",)),
        # bounds on both sides are one range
        ("n >= $1 and n < $2", ["integer", "integer"], ("50", "50")),
        ("n < $1", ["integer"], ("50",)),
        ("old > now() - $1::interval", ["interval"], ("1160 days",)),
        ("old >= current_date - $1", ["integer"], ("1160",)),
        ("now() - $1::interval < old", ["interval"], ("1160 days",)),
        ("old < now() - $1::interval", ["interval"], ("1 day",)),
        ("new > now() - $1::interval", ["interval"], ("1 day",)),
        # what decides what is counted takes values of its column, too
        ("true group by n having count(*) filter (where kind = $1) > 2", ["text"], ("x",)),
        ("case when kind = $1 then true else false end", ["text"], ("x",)),
        ("n = (select n from t order by n limit $1)", ["bigint"], ("1",)),
        ("n = (select max(n) from (select n from t limit $1) s)", ["bigint"], ("10",)),
        ("n = (select s.n from (select n from t limit $1) s)", ["bigint"], ("1",)),
        ("n in (select n from t limit $1)", ["bigint"], ("10",)),
        ("array(select n from t limit $1) <> '{}'", ["bigint"], ("10",)),
        ("(select n from t offset $1 limit $2) = 3", ["bigint", "bigint"], ("0", "1")),
        ("$1::regclass = tableoid", ["regclass"], ('"t"',)),
        ("ctid = $1", ["tid"], ("(0,1)",)),
        ("id is null and $1::regclass is null", ["regclass"], ("pg_class",)),
    ],
)  # fmt: skip
def test_typical_value(condition: str, types: list[str], typical: tuple[str, ...]) -> None:
    sets = chosen(f"select * from t where {condition}", *types)
    assert not isinstance(sets, NoValues), sets.reason
    assert sets[0].literals == typical


@pytest.mark.parametrize(
    ("condition", "type_name", "said"),
    [
        ("gone = $1", "integer", "t.gone is NULL in every row: a plain value was taken for $1"),
        ("span @> $1", "timestamp with time zone", "ANALYZE keeps no values of t.span: a plain value was taken for $1"),
    ],
)
def test_column_without_values_takes_a_plain_one_and_says_so(condition: str, type_name: str, said: str) -> None:
    sets = chosen(f"select * from t where {condition}", type_name)
    assert not isinstance(sets, NoValues)
    assert [(s.assumptions, s.assumed) for s in sets] == [((said,), ())]


def test_a_comparison_inside_case_needs_no_statistics() -> None:
    assert not isinstance(chosen("select sum(case when unknown = $1 then 1 end) from t", "text"), NoValues)
    assert isinstance(chosen("select * from t where unknown = $1", "text"), NoValues)


def test_elements_are_ordered_by_their_frequency() -> None:
    row = ColumnStatistics(most_common_elems=("a", "b"), most_common_elem_freqs=(0.1, 0.7, 0.1, 0.7, 0.0))
    assert ColumnValues.of(row).most_common_elements == ("b", "a")
    assert ColumnValues.of(ColumnStatistics()).most_common_elements == ()


def part(oid: int, rows: float, parent: int = 1, kind: str = "r", partitions: tuple[int, ...] = ()) -> TableFacts:
    return TableFacts(oid, "public", f"p{oid}", kind, rows, 8192, parent_oid=parent, partitions=partitions)


def test_a_partitioned_table_has_its_partitions_statistics() -> None:
    whole = part(1, 40.0, kind="p", partitions=(2, 3, 4))
    facts = SchemaFacts(
        "d", 150000, (whole, part(2, 10.0), part(3, 20.0), part(4, 10.0, kind="p", partitions=(5,)), part(5, 10.0, 4))
    )
    assert [t.name for t in largest_partitions(facts, whole)] == ["p3", "p2", "p5"]
    assert largest_partitions(facts, part(2, 10.0)) == []
    merged = of_partitions([
        (ColumnValues(("a", "b"), (0.6, 0.2), ("1", "20"), ("x",), 0.1, 5.0), 30.0),
        (ColumnValues(("b",), (1.0,), ("3", "100"), ("y",), 0.5, -0.5), 10.0),
    ])  # fmt: skip
    assert merged == ColumnValues(
        ("a", "b"), (pytest.approx(0.45), pytest.approx(0.4)), ("1", "3", "20", "100"), ("x", "y"),
        pytest.approx(0.2), 5.0,
    )  # fmt: skip
    assert of_partitions([]) is None


COLUMNS = tuple(ColumnFacts(c, n, "text", 25, False, 1e3) for n, c in enumerate(("kind", "n"), 1))
FACTS = SchemaFacts("d", 150000, (TableFacts(1, "public", "t", "r", 1000.0, 10**6, COLUMNS),))


@pytest.mark.parametrize(
    ("sql", "rows_per_call", "value"),
    [
        ("select * from t where kind = $1", 850.0, "x"),
        ("select * from t where kind = $1", 120.0, "y"),
        ("select * from t where n > $1", 100.0, "90"),
        ("select * from t where n > $1", 3.0, "90"),  # one step of the histogram at least
        ("select * from t where n < $1", 300.0, "30"),
        ("select * from t where kind = $1", None, None),
        ("select * from t where kind = $1", 0.1, None),
        ("select * from t where kind = $1 limit 5", 5.0, None),
        ("select count(*) from t where kind = $1", 1.0, None),
        ("select kind from t where kind = $1 group by kind", 1.0, None),
        ("select * from t where kind = $1 and n = $2", 5.0, None),
        ("select * from t join t u on t.n = u.n where t.kind = $1", 5.0, None),
        ("select * from t where upper(kind) = upper($1)", 5.0, None),
        ("update t set n = 1 where kind = $1", 5.0, None),
    ],
)
def test_rows_per_call_choose_the_value(sql: str, rows_per_call: float | None, value: str | None) -> None:
    statistics = {("public", "t", c): STATISTICS["", "t", c] for c in ("kind", "n")}
    uses = parameter_columns(sql, FACTS)
    found = values_for_rows(sql, uses, statistics, FACTS, rows_per_call)
    assert {n: one.value for n, one in found.items()} == ({1: value} if value else {})


def test_limit_is_not_below_the_rows_of_a_call() -> None:
    sql = "select * from t limit $1"
    assert {n: one.value for n, one in limits_for_rows(sql, 93.2).items()} == {1: "94"}
    assert {n: one.value for n, one in limits_for_rows(sql, 1e6).items()} == {1: "1000"}
    assert {n: one.value for n, one in limits_for_rows(sql, 3.0).items()} == {1: "3"}  # in each call: no chance
    assert {n: one.value for n, one in limits_for_rows(sql, 0.4).items()} == {1: "1"}
    assert limits_for_rows(sql, 2.5) == limits_for_rows(sql, None) == limits_for_rows(sql, 0.0) == {}
    search = "select * from t where name like $1 order by n limit $2 offset $3"
    assert limits_for_rows(search, 3.0) == {}  # as many as match, perhaps
    assert {n: one.value for n, one in limits_for_rows(search, 0.4).items()} == {2: "1"}
    assert limits_for_rows("select * from (select 1 limit $1) s", 93.2) == {}


def test_the_text_search_configuration_is_the_one_an_index_has() -> None:
    index = IndexFacts(2, "public", "i", "gin", (None,), expressions=("to_tsvector('german'::regconfig, body)",))
    facts = SchemaFacts("d", 150000, (TableFacts(1, "public", "t", "r", 1e3, 1, (), (index,)),))
    assert fixed_values("select to_tsvector($1::regconfig, body) from t", facts) == {1: "german"}
