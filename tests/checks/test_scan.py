"""What checks of scans share: partitions as one thing, kinds of indexes, fixes to copy, who explains better."""

import json
import sys
from typing import Any

import pytest

from analyzer.checks import Context, run_checks
from analyzer.checks.plan.leading_wildcard import is_too_short
from analyzer.checks.scan import index_that_begins_with, is_brin, table_sql, with_partitions
from analyzer.plans import parse_plan
from analyzer.plans.conditions import read_condition
from analyzer.plans.indexable import expressions, indexable, of_table, wrapped_side
from tests.checks.builders import facts


def scan(relation: str, alias: str, **more: Any) -> dict[str, Any]:
    return {
        "Node Type": "Seq Scan", "Parent Relationship": "Member", "Relation Name": relation, "Alias": alias,
        "Actual Rows": 0, "Actual Loops": 1, "Actual Total Time": 20.0, "Filter": "(v = 5)",
        "Rows Removed by Filter": 50_000, **more,
    }  # fmt: skip


def append(*scans: dict[str, Any]) -> str:
    times = 20.0 * len(scans)
    top = {"Node Type": "Append", "Actual Rows": 0, "Actual Loops": 1, "Actual Total Time": times, "Plans": scans}
    return json.dumps({"Plan": top, "Execution Time": times})


def test_partitions_are_one_thing_and_the_first_stands_for_all() -> None:
    _, first, second, other = parse_plan(append(scan("m_1", "m_1"), scan("m_2", "m_2"), scan("n", "n")))
    group = with_partitions(first, None)
    assert group is not None
    assert (group.subject, group.nodes, group.are_partitions) == ("Seq Scan on partitions of m", [first, second], True)
    assert with_partitions(second, None) is None
    alone = with_partitions(other, None)
    assert alone is not None
    assert (alone.nodes, alone.are_partitions) == ([other], False)


def test_a_thousand_partitions_are_looked_at_once() -> None:
    names = [f"{table}_{i}" for table in "mn" for i in range(1, 1001)]
    known = facts(
        {"tables": [*({"name": t, "kind": "p"} for t in "mn"), *({"name": n, "parent": n[0]} for n in names)]}
    )
    for schema in (None, known):
        plan = parse_plan(append(*(scan(name, name) for name in names)))
        calls = 0

        def count(frame: object, event: str, arg: object) -> None:
            nonlocal calls
            calls += event == "call"

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            found = [group for node in plan if node.loops and (group := with_partitions(node, schema)) is not None]
        finally:
            sys.setprofile(before)
        assert [len(group.nodes) for group in found if group.are_partitions] == [1000, 1000]
        assert calls < 100 * len(names)  # each with each would be 2,000,000


def test_pruned_partitions_do_not_stand_for_all() -> None:
    pruned = scan("m_1", "m_1", **{"Actual Loops": 0, "Rows Removed by Filter": 0})
    plan = parse_plan(append(pruned, scan("m_2", "m_2"), scan("m_3", "m_3")))
    assert [f.subject for f in run_checks(plan).findings] == ["Seq Scan on partitions of m"]


def test_tables_joined_by_union_all_are_no_partitions() -> None:
    plan = parse_plan(append(scan("m_2023", "m"), scan("m_2024", "m_1")))
    assert [f.subject for f in run_checks(plan).findings] == ["Seq Scan on m_2023 m", "Seq Scan on m_2024"]


def test_same_table_twice_in_union_all_is_no_partition() -> None:
    plan = parse_plan(append(scan("m", "m_1"), scan("m", "m_2")))
    assert all(len(group.nodes) == 1 for node in plan if (group := with_partitions(node, None)))


@pytest.mark.parametrize(
    ("node_filter", "code"),
    [
        ("(v = 5)", "PL004"),
        ("(lower(v) = 'x'::text)", "PL014"),
        ("((v)::numeric = 5.0)", "PL015"),
        ("(v ~~ '%abcd'::text)", "PL016"),
        ("((lower(v) = 'x'::text) AND ((w)::numeric = 5.0))", "PL014"),
        ("((lower(v) ~~ '%abcd'::text) AND ((w)::numeric = 5.0))", "PL016"),
        ("((v = 5) AND (lower(w) = 'x'::text))", "PL004"),
    ],
)
def test_one_finding_with_the_best_explanation(node_filter: str, code: str) -> None:
    plan = parse_plan(json.dumps({"Plan": scan("t", "t", Filter=node_filter), "Execution Time": 20.1}))
    assert [finding.code for finding in run_checks(plan).findings] == [code]


def fixes(plan: dict[str, Any], context: Context | None = None) -> list[str]:
    outcome = run_checks(parse_plan(json.dumps(plan)), context)
    return [fix.code for finding in outcome.findings for fix in finding.fixes]


def test_trigram_index_is_ready_to_copy() -> None:
    plan = {"Plan": scan("My Table", "t", Schema="app", Filter="((t.\"Name\")::text ~~* '%abcd%'::text)")}
    index = 'CREATE INDEX CONCURRENTLY ON app."My Table" USING gin ("Name" gin_trgm_ops);'
    assert fixes(plan) == [f"CREATE EXTENSION IF NOT EXISTS pg_trgm;\n{index}"]
    installed = Context(facts=facts({"tables": [{"name": "x"}], "extensions": ["pg_trgm"]}))
    assert fixes(plan, installed) == [index]
    assert fixes({"Plan": scan("t", "t", Filter="(lower(v) ~~ '%abcd'::text)")}, installed) == [
        "CREATE INDEX CONCURRENTLY ON t USING gin (lower(v) gin_trgm_ops);\nANALYZE t;"
    ]


def test_no_index_is_offered_on_what_cannot_have_it() -> None:
    on_partitions = [scan(f"m_{i}", f"m_{i}", Filter="(v ~~ '%abcd'::text)") for i in (1, 2)]
    assert fixes(json.loads(append(*on_partitions))) == []
    assert fixes({"Plan": scan("t", "t", Filter="(md5(v) ~~ '%abcd'::text)")}) == []
    assert fixes({"Plan": scan("t", "t", Filter="(v ~~ '%ab%'::text)")}) == []


def test_heap_fetches_are_mended_by_vacuum_of_the_quoted_table() -> None:
    only = {"Node Type": "Index Only Scan", "Index Name": "ix", "Heap Fetches": 40_000, "Filter": None}
    plan = {"Plan": scan("Order", "o", **only, **{"Actual Rows": 40_000}), "Execution Time": 20.1}
    assert fixes(plan) == ['VACUUM "Order";']
    known = Context(facts=facts({"tables": [{"name": "Order", "schema": "public"}]}))
    assert fixes(plan, known) == ['VACUUM public."Order";']


def test_more_memory_for_a_lossy_bitmap_is_ready_to_copy() -> None:
    lossy = {"Node Type": "Bitmap Heap Scan", "Rows Removed by Index Recheck": 90_000, "Actual Rows": 50_000,
             "Exact Heap Blocks": 20_000, "Lossy Heap Blocks": 80_000, "Filter": None}  # fmt: skip
    assert fixes({"Plan": scan("t", "t", **lossy), "Execution Time": 20.1}) == ["SET LOCAL work_mem = '8MB';"]


def bitmap(index: str, rows: int, exact: int, lossy: int) -> str:
    inner = {"Node Type": "Bitmap Index Scan", "Parent Relationship": "Outer", "Index Name": index,
             "Index Cond": "(a = 1)", "Actual Rows": rows, "Actual Loops": 1}  # fmt: skip
    heap = {"Node Type": "Bitmap Heap Scan", "Relation Name": "t", "Alias": "t", "Actual Rows": 9, "Actual Loops": 1,
            "Exact Heap Blocks": exact, "Lossy Heap Blocks": lossy, "Plans": [inner]}  # fmt: skip
    return json.dumps(heap)


def test_brin_is_known_by_the_schema_by_its_name_and_by_how_it_counts() -> None:
    def brin(index: str, rows: int, exact: int, lossy: int, method: str | None = None) -> bool:
        _, scanned = parse_plan(bitmap(index, rows, exact, lossy))
        assert table_sql(scanned) == "t"
        index_facts = [{"name": index, "columns": ["a"], "method": method}]
        known = {"tables": [{"name": "t", "columns": ["a"], "indexes": index_facts}]}
        return is_brin(scanned, facts(known) if method else None)

    assert brin("ix", 51_550, 0, 5_155)
    assert brin("ix", 51_550, 0, 1_700)  # the leader's part of a parallel scan
    assert brin("t_a_brin", 7, 0, 0)
    assert brin("ix", 7, 3, 4, method="brin")
    assert not brin("ix", 51_550, 12, 5_143)
    assert not brin("ix", 51_551, 0, 5_155)
    assert not brin("ix", 50, 0, 5_155)  # rows, not pages
    assert not brin("t_a_brin", 51_550, 0, 5_155, method="btree")


@pytest.mark.parametrize(
    ("pattern", "is_short"),
    [
        ("%ab%", True),
        ("%f_a%", True),
        ("%_%", True),
        ("%abc%", False),
        ("%zz", False),
        ("ab%", False),
        ("%a b%", False),
        ("%?%", False),
        ("?%", False),
    ],
)
def test_patterns_without_three_letters_in_a_row_use_no_trigrams(pattern: str, is_short: bool) -> None:
    """The start and the end of the text count: ``%zz`` has the trigram "zz ". Without its value nobody knows."""
    assert is_too_short(pattern) is is_short


@pytest.mark.parametrize(
    ("condition", "columns", "ranges"),
    [
        ("(o.customer_id = c.id)", ("id",), ()),  # up to 15 the other table's column comes first
        ("(c.id = o.customer_id)", ("id",), ()),
        ("(lower(o.name) = c.name)", ("name",), ()),
        ("(o.price > c.low)", (), ("low",)),
        ("(o.a = o.b)", (), ()),
        ("(o.a = lower(c.name))", (), ()),
        ("((c.a + c.b) = o.a)", (), ()),
        ("((o.a + c.a) = 5)", (), ()),
        ("(id = 5)", ("id",), ()),
    ],
)
def test_comparison_of_two_tables_is_seen_from_the_scanned_one(
    condition: str, columns: tuple[str, ...], ranges: tuple[str, ...]
) -> None:
    read = read_condition(condition)
    assert read is not None
    seen = indexable(of_table(read, "c"))
    assert (seen.equal, seen.ranges) == (columns, ranges)


@pytest.mark.parametrize(
    ("condition", "side"),
    [
        ("(lower((c.email)::text) = 'x'::text)", "lower((email)::text)"),
        ("('x = y'::text = lower((c.email)::text))", "lower((email)::text)"),
        (
            "(CASE WHEN (status = 'new'::text) THEN 1 ELSE 0 END = 5)",
            "CASE WHEN (status = '?'::text) THEN ? ELSE ? END",
        ),
        ("('2024-01-01'::date < date(c.made))", "date(made)"),
        ("((c.data ->> 'a = b'::text) = 'x'::text)", "(data ->> '?'::text)"),
        ("(lower(c.name) = o.name)", "lower(name)"),
    ],
)
def test_side_that_an_index_would_have_to_be_on(condition: str, side: str) -> None:
    read = read_condition(condition)
    assert read is not None
    assert wrapped_side(of_table(read, "c").comparisons[0]) == side


@pytest.mark.parametrize(
    ("node_filter", "advice"),
    [
        ("(tags @> '{t3}'::text[])", "A GIN index serves @> and &&"),
        ("(body @@ 'a'::tsquery)", "A GIN index on the tsvector serves it"),
        ("('t3'::text = ANY (tags))", "column @> ARRAY[value]"),
    ],
)
def test_indexes_that_are_no_btree_are_named(node_filter: str, advice: str) -> None:
    plan = parse_plan(json.dumps({"Plan": scan("t", "t", Filter=node_filter), "Execution Time": 20.1}))
    (finding,) = run_checks(plan).findings
    assert finding.code == "PL004"
    assert advice in finding.hint


def test_range_is_turned_with_its_sides() -> None:
    read = read_condition("(o.price > c.low)")
    assert read is not None
    assert [c.operator for c in of_table(read, "c").comparisons] == ["<"]


def test_index_that_begins_with_the_columns_in_any_order_is_known() -> None:
    _, scanned = parse_plan(bitmap("ix", 7, 1, 0))
    indexes = [
        {"name": "part", "columns": ["a", "b"], "predicate": "(c = 1)"},
        {"name": "ab", "columns": ["b", "a", "c"]},
    ]
    known = facts({"tables": [{"name": "t", "columns": ["a", "b", "c"], "indexes": indexes}]})
    assert index_that_begins_with(scanned, ("a", "b"), known) == "ab"
    assert index_that_begins_with(scanned, ("a", "c"), known) is None
    assert index_that_begins_with(scanned, ("a", "b"), None) is None


def test_index_wants_equality_before_one_range() -> None:
    read = indexable(
        read_condition("((t.made >= '2024-01-01'::date) AND (t.price < 5) AND (t.state = 'x'::text) AND (NOT t.gone))"),
        read_condition("((t.\"Owner\" = $1) AND (lower(t.name) = 'y'::text) AND (t.a < t.b) AND (t.c <> 3))"),
    )
    assert read.columns == ("state", "gone", '"Owner"', "made")
    assert read.ranges == ("made", "price")
    assert [c.operator for c in read.other] == ["=", "<", "<>"]
    assert expressions(read.other) == ("lower(name)",)


def test_a_joined_function_is_explained_once() -> None:
    """The Nested Loop was planned for too few rows because nobody knew what the function gives: that is said alone."""
    plan = parse_plan("""{"Plan":
     {"Node Type": "Nested Loop", "Actual Startup Time": 1, "Actual Total Time": 200.0, "Actual Rows": 150000,
      "Actual Loops": 1, "Plan Rows": 1000, "Plans": [
      {"Node Type": "Function Scan", "Parent Relationship": "Outer", "Function Name": "many", "Alias": "f",
       "Plan Rows": 1000, "Actual Startup Time": 1, "Actual Total Time": 22.0, "Actual Rows": 150000,
       "Actual Loops": 1},
      {"Node Type": "Index Scan", "Parent Relationship": "Inner", "Relation Name": "t", "Alias": "t",
       "Index Name": "t_pkey", "Index Cond": "(id = f.f)", "Plan Rows": 1, "Actual Startup Time": 0.001,
       "Actual Total Time": 0.001, "Actual Rows": 1, "Actual Loops": 150000}]}, "Execution Time": 210.0}""")
    codes = {finding.code for finding in run_checks(plan).findings}
    assert codes & {"PL019", "PL030"} == {"PL019"}


def test_not_in_is_written_out_where_no_column_can_be_null() -> None:
    """A list that was not hashed, searched for each row."""
    plan = parse_plan("""{"Plan":
     {"Node Type": "Seq Scan", "Relation Name": "a", "Alias": "a", "Filter": "(NOT (SubPlan 1))",
      "Actual Startup Time": 1, "Actual Total Time": 900.0, "Actual Rows": 10, "Actual Loops": 1,
      "Rows Removed by Filter": 5000, "Plans": [
      {"Node Type": "Materialize", "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1",
       "Actual Startup Time": 0.001, "Actual Total Time": 0.17, "Actual Rows": 2000, "Actual Loops": 5010, "Plans": [
       {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "b", "Alias": "b",
        "Actual Startup Time": 0.01, "Actual Total Time": 1.0, "Actual Rows": 4000, "Actual Loops": 1}]}]},
     "Execution Time": 901.0}""")
    tables = [{"name": "a", "columns": [{"name": "id", "not_null": True}]}, {"name": "b", "columns": ["a_id"]}]
    sql = "select * from a where id not in (select a_id from b)"

    def written(known: list[Any]) -> list[str]:
        outcome = run_checks(plan, Context(facts=facts({"tables": known}), normalized_sql=sql))
        return [f.code for found in outcome.findings if found.code == "PL042" for f in found.fixes]

    assert written(tables)[0].startswith("SET ")
    tables[1]["columns"] = [{"name": "a_id", "not_null": True}]
    assert (
        " ".join(written(tables)[0].split())
        == "SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE a.id = b.a_id);"
    )
