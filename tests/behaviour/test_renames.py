"""What got another name between two moments, as the planner's past has it."""

from analyzer.behaviour.planner_differences import differences
from analyzer.behaviour.planner_past import PlannerPast, RelationFigures, Structure, TablePast, from_pieces, to_pieces


def past(*tables: TablePast) -> PlannerPast:
    return from_pieces(to_pieces(PlannerPast({}, {table.name: table for table in tables})))


def table(name: str, oid: int | None, *indexes: str, column: str = "a") -> TablePast:
    definitions = {index: f"CREATE INDEX {index} ON {name} USING btree ({column})" for index in indexes}
    figures = RelationFigures(10, 10, 100.0, 0, dict.fromkeys(indexes, 5))
    return TablePast(name, figures, Structure({column: "integer"}, definitions), {}, oid)


def words(then: PlannerPast, now: PlannerPast) -> list[str]:
    return [difference.description for difference in differences(then, now)]


def test_a_table_under_another_name_is_one_difference() -> None:
    then = past(table("public.item", 1, "ix"), table("public.other", 2))
    assert words(then, past(table("public.product", 1, "ix"))) == ["public.item was renamed to public.product"]
    assert words(then, past(table("public.item", 1, "ix"))) == []


def test_two_tables_that_changed_their_names() -> None:
    then = past(table("public.a", 1, "ix_a"), table("public.b", 2))
    now = past(table("public.a", 2), table("public.b", 1, "ix_a"))
    other = "is another table now (renamed, or dropped and made again), which has"
    assert words(then, now) == [
        "public.b was renamed to public.a",
        "public.a was renamed to public.b",
        f"public.a {other} no index ix_a",
        f"public.b {other} index ix_a, which the one before had not",
    ]


def test_what_was_kept_before_oids_were_claims_no_other_table() -> None:
    then, now = past(table("public.a", None, "ix")), past(table("public.a", 2))
    assert words(then, now) == ["index ix of public.a was dropped"]


def test_of_several_indexes_alike_none_is_said_to_be_renamed() -> None:
    then, now = past(table("public.a", 1, "ix_1", "ix_2")), past(table("public.a", 1, "ix_3"))
    assert words(then, now) == [
        "index ix_1 of public.a was dropped",
        "index ix_2 of public.a was dropped",
        "index ix_3 of public.a was created",
    ]
    assert words(then, past(table("public.a", 1, "ix_2", "ix_3"))) == ["index ix_1 of public.a is called ix_3 now"]


def test_an_index_by_the_name_of_one_that_is_gone_is_no_renamed_one() -> None:
    def of(**columns: str) -> PlannerPast:
        definitions = {name: f"CREATE INDEX {name} ON public.a USING btree ({c})" for name, c in columns.items()}
        structure = Structure(dict.fromkeys("xyz", "integer"), definitions)
        figures = RelationFigures(10, 10, 100.0, 0, dict.fromkeys(columns, 5))
        return past(TablePast("public.a", figures, structure, {}, 1))

    assert words(of(i="x", j="y"), of(j="x")) == [
        "index i of public.a was dropped",
        "index j of public.a is defined otherwise",
    ]
    assert words(of(i="x", j="y", k="z"), of(j="x", k="y")) == [
        "index i of public.a was dropped",
        "index j of public.a is defined otherwise",
        "index k of public.a is defined otherwise",
    ]
    assert words(of(i="x", j="y"), of(i="y", j="x")) == [
        "index i of public.a is called j now",
        "index j of public.a is called i now",
    ]


def test_a_renamed_column_changes_no_index() -> None:
    then, now = past(table("public.a", 1, "ix")), past(table("public.a", 1, "ix", column="b"))
    assert words(then, now) == []
