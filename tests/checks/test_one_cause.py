"""One cause is one finding: of those that would claim the same time, the one that says what to do about it stays."""

import json
from typing import Any

import pytest

from analyzer.checks import Context, all_checks, run_checks
from analyzer.plans import parse_plan
from tests.checks.builders import build, context, facts
from tests.checks.test_cases import cases_of


def node(node_type: str, ms: float, rows: float, below: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "Node Type": node_type, "Parent Relationship": "Outer", "Plan Rows": rows, "Plan Width": 40,
        "Actual Startup Time": ms / 2, "Actual Total Time": ms, "Actual Rows": rows, "Actual Loops": 1, **more,
        **({} if below is None else {"Plans": [below]}),
    }  # fmt: skip


def found(root: dict[str, Any], known: Context | None = None) -> dict[str, str]:
    """Code -> hint."""
    plan = parse_plan(json.dumps({"Plan": root, "Execution Time": root["Actual Total Time"] + 1}))
    outcome = run_checks(plan, known)
    assert outcome.failed == {}
    return {finding.code: finding.hint for finding in outcome.findings}


def searched(condition: str) -> dict[str, Any]:
    return node(
        "Seq Scan", 900.0, 10, Filter=condition, **{"Relation Name": "doc", "Alias": "doc"},
        **{"Rows Removed by Filter": 50_000},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("(to_tsvector('english'::regconfig, body) @@ '''a'''::tsquery)", "PL004"),
        ("st_dwithin(geom, '01'::geometry, '5'::double precision)", "PL004"),
        ("(own_rank(body) = 5)", "PL014"),
    ],
)
def test_a_dear_function_in_a_condition_is_told_by_what_makes_it_run_for_fewer_rows(condition: str, code: str) -> None:
    assert found(searched(condition)).keys() == {code}


def test_of_an_own_function_the_scan_that_calls_it_says_what_an_index_on_it_needs() -> None:
    hints = found(searched("(own_check(body) AND (tenant = 5))"))
    assert hints.keys() == {"PL004"}
    assert "If own_check() always gives the same for the same arguments, mark it IMMUTABLE" in hints["PL004"]
    assert "IMMUTABLE" not in found(searched("st_dwithin(geom, '01'::geometry, '5'::double precision)"))["PL004"]


@pytest.mark.parametrize(
    ("condition", "immutable", "stable"),
    [
        ("(tenant = (current_setting('app.tenant_id'::text))::integer)", "", ""),
        ("((a > make_date(2024, 1, 1)) AND starts_with(b, 'x'::text))", "", ""),
        ("((a < to_timestamp('1'::double precision)) AND (b = nextval('s'::regclass)))", "", ""),
        ("(user_id = auth.uid())", "", "uid()"),
        ("(auth.uid() = user_id)", "", "uid()"),
        ("(created_at > (my_cutoff(5) - '1 day'::interval))", "", "my_cutoff()"),
        ("((own_check(body) OR (c = 5)) AND (user_id = auth.uid()))", "own_check()", "uid()"),
    ],
)
def test_an_own_function_is_to_be_immutable_around_a_column_and_stable_beside_one(
    condition: str, immutable: str, stable: str
) -> None:
    hint = found(searched(condition))["PL004"]
    assert (f"If {immutable} always gives the same" in hint) == ("IMMUTABLE" in hint) == bool(immutable)
    assert (f"Where {stable} is VOLATILE" in hint) == ("STABLE" in hint) == bool(stable)


def test_of_what_a_subquerys_runs_scan_one_finding_stays() -> None:
    def hint(condition: str) -> str:
        scan = {**searched(condition), "Alias": "d", "Actual Loops": 40, "Actual Total Time": 22.0}
        runs = {**node("Aggregate", 22.5, 1, scan), "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1",
                "Actual Loops": 40}  # fmt: skip
        told = found(node("Seq Scan", 910.0, 40, runs, **{"Relation Name": "c", "Alias": "c"}))
        assert told.keys() == {"PL041"}, condition
        return told["PL041"]

    assert "an index can serve ((d.c_id" in hint("((d.c_id = c.id) AND ((d.at)::date = '2026-01-01'::date))")
    assert "an index can serve ((d.c_id" in hint("((d.c_id = c.id) AND (d.name ~~ '%a%'::text))")
    assert "An index on doc ((lower(name))) serves it" in hint("(lower(d.name) = c.name)")
    assert "An index on doc ((own_score(body))) serves it" in hint("(own_score(d.body) > c.least)")
    assert "Say it as a range of the bare column: at >= day" in hint("((d.at)::date = c.day)")
    assert "A GIN index on name with gin_trgm_ops" in hint("((d.name ~~ '%abc%'::text) AND (d.kind <> c.kind))")
    assert "A GIN index serves @> and &&" in hint("(d.tags @> c.tags)")
    assert "Give each arm of the OR an index: doc (a), doc (b)." in hint(
        "(((d.a = 5) OR (d.b = 6)) AND (d.kind <> c.kind))"
    )


def test_only_functions_of_ones_own_are_to_be_marked_immutable() -> None:
    def hint(function: str, known: Context | None = None) -> str:
        output = {"Output": [f"{function}(doc.body)"], "Relation Name": "doc", "Alias": "doc"}
        return found(node("Seq Scan", 900.0, 5_000, **output), known)["PL018"]

    own = {"name": "own_rank", "schema": "public", "arguments": "text", "language": "sql", "is_security_definer": False,
           "volatility": "v", "parallel": "u", "owner": "o", "owner_is_superuser": False,
           "is_public": True}  # fmt: skip
    schema = facts({"tables": [{"name": "doc", "columns": ["body"]}], "functions": [own]})
    assert "mark it IMMUTABLE" not in hint("to_tsvector")
    assert "If own_rank() always gives the same" in hint("own_rank")
    assert "If own_rank() always gives the same" in hint("own_rank", Context(facts=schema))
    assert "IMMUTABLE" not in hint("of_an_extension", Context(facts=schema))
    marked = facts({"tables": [{"name": "doc", "columns": ["body"]}], "functions": [{**own, "volatility": "i"}]})
    assert "IMMUTABLE" not in hint("own_rank", Context(facts=marked))


def test_a_sort_on_disk_for_an_offset_or_a_needless_distinct_is_not_told_by_itself() -> None:
    def sorted_rows(key: str) -> dict[str, Any]:
        scan = node("Seq Scan", 100.0, 200_000, **{"Relation Name": "t", "Alias": "t"})
        disk = {"Sort Method": "external merge", "Sort Space Used": 20_000, "Sort Space Type": "Disk"}
        return node("Sort", 600.0, 200_000, scan, **{"Sort Key": [key]}, **disk)

    assert found(sorted_rows("t.a")).keys() == {"PL050", "PL061"}
    distinct = node("Unique", 700.0, 200_000, sorted_rows("t.a"))
    assert found(distinct).keys() == {"PL057", "PL061"}
    skipping = node("Limit", 701.0, 20, node("Result", 700.0, 150_020, sorted_rows("t.a")))
    assert found(skipping).keys() == {"PL059"}
    elsewhere = node("Limit", 701.0, 20, node("Aggregate", 700.0, 150_020, sorted_rows("t.a"), Strategy="Sorted"))
    assert found(elsewhere).keys() == {"PL050", "PL059"}


def test_what_a_correlated_subquery_reads_in_vain_is_told_with_it() -> None:
    def subquery(scan: dict[str, Any]) -> dict[str, Any]:
        scan = {**scan, "Relation Name": "o", "Alias": "o", "Actual Loops": 50, "Rows Removed by Filter": 9_990}
        inner = {**node("Aggregate", 18.0, 1, scan), "Parent Relationship": "SubPlan", "Actual Loops": 50}
        inner |= {"Subplan Name": "SubPlan 1", "Strategy": "Plain"}
        return node("Seq Scan", 910.0, 50, inner, **{"Relation Name": "c", "Alias": "c"})

    whole = found(subquery(node("Seq Scan", 17.9, 10, Filter="(o.c_id = c.id)")))
    assert whole.keys() == {"PL041"}
    assert "500,000 rows of o to keep 500: an index on it (c_id) finds these alone" in whole["PL041"]
    index = {"Index Name": "i", "Index Cond": "(o.c_id = c.id)"}
    found_more = found(subquery(node("Index Scan", 17.9, 10, **index, Filter="(o.state = 5)")))
    assert found_more.keys() == {"PL041"}
    assert "an index on it (c_id, state) finds these alone" in found_more["PL041"]
    unclear = found(subquery(node("Index Scan", 17.9, 10, **index, Filter="(lower(o.name) = 'a'::text)")))
    assert unclear.keys() == {"PL041"}
    assert "lower(name) can be in an index as an expression" in unclear["PL041"]


def test_of_two_indexes_for_one_scan_the_one_with_more_columns_is_told() -> None:
    scan = node("Index Scan", 4.0, 9, **{
        "Relation Name": "o", "Alias": "o", "Index Name": "o_pkey", "Index Cond": "(o.c_id = c.id)",
        "Actual Loops": 1_000, "Index Searches": 400_000, "Filter": "(o.size < c.size)", "Rows Removed by Filter": 170,
    })  # fmt: skip
    assert found(node("Nested Loop", 4_100.0, 9, {**scan, "Rows Removed by Filter": 1})).keys() == {"PL010"}
    told = found(node("Nested Loop", 4_100.0, 9, scan))
    assert told.keys() == {"PL003"}
    assert "o (c_id, size)" in told["PL003"]


def test_scans_of_a_table_that_one_index_serves_are_one_finding() -> None:
    def scan(alias: str, condition: str, table: str = "t") -> dict[str, Any]:
        return node(
            "Seq Scan", 90.0, 10, Filter=condition, **{"Relation Name": table, "Schema": "public", "Alias": alias},
            **{"Rows Removed by Filter": 50_000},
        )  # fmt: skip

    scans = [
        scan("t", "(t.a = 5)"),
        scan("t_1", "(t_1.a = 7)"),
        scan("t_2", "(t_2.b = 7)"),
        scan("u", "(u.a = 5)", "u"),
    ]
    plan = parse_plan(json.dumps({"Plan": {**node("Append", 365.0, 40), "Plans": scans}, "Execution Time": 366.0}))
    several, *others = run_checks(plan).findings
    assert [finding.table for finding in others] == ["public.t", "public.u"]
    assert several.message == (
        "Seq Scan on t read 50,010 rows to keep 10. The same holds of 1 more like it, 180 ms in all."
    )
    assert several.evidence == {
        "rows_read": 100_020, "rows_kept": 20, "exclusive_time_ms": 180.0, "exclusive_time_ratio": 0.492,
    }  # fmt: skip
    assert (several.place, several.also_at, several.time_ms) == ("0", ("1",), 180.0)


def test_an_index_in_the_order_that_is_asked_for_serves_the_condition_too() -> None:
    def first_rows(condition: str) -> dict[str, Any]:
        scan = searched(condition) | {"Plan Rows": 20_000, "Actual Rows": 20_000, "Rows Removed by Filter": 800_000}
        return node("Limit", 950.0, 10, node("Sort", 949.0, 10, scan, **{"Sort Key": ["at DESC"]}))

    assert found(first_rows("(country = 5)")).keys() == {"PL051"}
    assert found(first_rows("((country = 5) AND (age > 7))")).keys() == {"PL004", "PL051"}


def test_a_table_read_again_for_each_row_is_told_with_the_join_that_compares_it() -> None:
    outer = node("Seq Scan", 1.0, 50, **{"Relation Name": "a", "Alias": "a"})
    inner = {**node("Seq Scan", 20.0, 200_000, **{"Relation Name": "b", "Alias": "b"}), "Actual Loops": 50}
    join = node(
        "Nested Loop", 2_000.0, 40, **{"Join Type": "Inner", "Join Filter": "(b.at > a.at)"},
        Plans=[outer, {**inner, "Parent Relationship": "Inner"}], **{"Rows Removed by Join Filter": 9_999_960},
    )  # fmt: skip
    assert found(join).keys() == {"PL032"}
    equal = {**join, "Join Filter": "(b.id = a.id)"}
    assert found(equal).keys() == {"PL004"}


def test_bitmaps_of_two_columns_are_told_with_the_filter_on_a_third() -> None:
    def bitmap(index: str) -> dict[str, Any]:
        condition = {"Index Name": index, "Index Cond": f"({index} = 5)", "Parent Relationship": "Member"}
        return {**node("Bitmap Index Scan", 60.0, 60_000), **condition}

    both = {**node("BitmapAnd", 130.0, 0), "Plans": [bitmap("a"), bitmap("b")]}
    heap = node("Bitmap Heap Scan", 200.0, 10, both, **{"Relation Name": "t", "Alias": "t"})
    heap |= {"Recheck Cond": "((a = 5) AND (b = 5))"}
    assert found(heap).keys() == {"PL011"}
    assert found({**heap, "Filter": "(c = 5)", "Rows Removed by Filter": 9_000}).keys() == {"PL003"}


def test_a_dear_function_in_an_index_scans_filter_is_told_alone() -> None:
    scan = node("Index Scan", 900.0, 10, **{"Relation Name": "t", "Alias": "t", "Index Name": "i"})
    scan |= {"Index Cond": "(a = 5)", "Rows Removed by Filter": 9_000}
    assert found({**scan, "Filter": "own_check(body)"}).keys() == {"PL018"}
    assert found({**scan, "Filter": "(b = 5)"}).keys() == {"PL003"}


@pytest.mark.parametrize(
    ("name", "case", "codes"),
    [
        ("seq_scan_discards_rows", "a correlated subquery, whole plan of 18", {"PL041"}),
        ("window_then_filter", "18, where the plan names the window", {"PL056", "PL061"}),
        ("hash_aggregate_on_disk", "far more groups than planned, by two columns (changed)", {"PL053", "PL061"}),
        ("nested_loop_underestimated", "with a subquery that takes less than the look-ups themselves (changed)",
         {"PL030"}),
        ("stale_statistics", "a nested loop above suffers: partsupp after a load (TPC-H 9, 15)", {"PL050", "PL072"}),
        ("stale_statistics", "without the schema, a nested loop suffers from a hundredfold error (15)", {"PL071"}),
    ],
)  # fmt: skip
def test_what_follows_from_what_is_told_is_not_told_again(name: str, case: str, codes: set[str]) -> None:
    (check,) = (check for check in all_checks() if check.name == name)
    (chosen,) = (each for each in cases_of(check) if each["name"] == case)
    assert {finding.code for finding in run_checks(build(chosen), context(chosen)).findings} == codes


def test_the_join_that_drops_the_rows_is_named_in_place_of_the_whole_statement() -> None:
    big = node("Seq Scan", 60.0, 300_000, **{"Relation Name": "detail", "Alias": "d"})
    small = node("Seq Scan", 1.0, 100, **{"Relation Name": "sale", "Alias": "s", "Parent Relationship": "Inner"})
    hashed = node("Hash", 1.0, 100, small, **{"Parent Relationship": "Inner"})
    join = node("Hash Join", 90.0, 100, **{"Join Type": "Inner", "Hash Cond": "(d.sale_id = s.id)"})
    assert found({**join, "Plans": [big, hashed]}).keys() == {"PL109"}
    assert found({**join, "Plans": [{**big, "Actual Total Time": 3.0}, hashed], "Actual Total Time": 4.0}).keys() == {
        "PL043"
    }
