"""Findings of one cause are one finding: tenants' schemas, small matters all over a database."""

from dataclasses import replace
from typing import Any

import pytest

from analyzer.checks import Check, all_checks, run_checks
from analyzer.checks.grouping import grouped
from analyzer.checks.index.invalid_index import check as invalid_index
from analyzer.checks.schema.dead_rows import check as dead_rows
from analyzer.checks.schema.foreign_key_without_index import check as unindexed_key
from analyzer.checks.schema.table_without_primary_key import check as no_key
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts
from analyzer.words.lists import some_of
from tests.checks.builders import build, context, facts
from tests.checks.test_cases import each_case


def tenants(count: int) -> dict[str, object]:
    return {
        "tables": [
            {"name": "log", "oid": 16384 + n, "schema": f"t{n}", "columns": ["at"], "rows": 10 + n}
            for n in range(count)
        ]
    }


def test_the_same_table_of_three_tenants_is_one_finding() -> None:
    findings = run_checks(facts(tenants(3)), checks=[no_key]).findings
    assert [(f.about, f.subject, f.evidence["objects"], f.evidence["names"]) for f in findings] == [
        ("*.log", "log", 3, "t0, t1, t2")
    ]
    assert findings[0].message.endswith("The same in t1 and t2.")


def test_two_of_them_are_two() -> None:
    assert [f.about for f in run_checks(facts(tenants(2)), checks=[no_key]).findings] == ["t0.log", "t1.log"]


def test_statements_of_all_are_one_to_copy_and_code_is_not_repeated() -> None:
    tables = []
    for n in range(3):
        columns = [{"name": "number", "not_null": True}]
        unique = {"name": "u", "columns": ["number"], "is_unique": True, "is_default_opclass": [True], "options": [0]}
        tables.append(
            {"name": "log", "oid": 16384 + n, "schema": f"t{n}", "columns": columns, "rows": 1, "indexes": [unique]}
        )
    (finding,) = run_checks(facts({"tables": tables}), checks=[no_key]).findings
    code = finding.fixes[0].code
    assert code.count("SET lock_timeout") == 1
    assert [line.split()[2] for line in code.splitlines()[1:]] == ["t0.log", "t1.log", "t2.log"]


def test_indexes_of_all_are_built_again_without_a_limit() -> None:
    broken = {"name": "i", "columns": ["at"], "is_valid": False, "is_being_built": False}
    tables = [
        {"name": "log", "oid": 16384 + n, "schema": f"t{n}", "columns": ["at"], "indexes": [broken]} for n in range(3)
    ]
    (finding,) = run_checks(facts({"tables": tables}), checks=[invalid_index]).findings
    assert finding.fixes[0].code.splitlines() == [
        "SET lock_timeout = 0;", *(f"REINDEX INDEX CONCURRENTLY t{n}.i;" for n in range(3)),
    ]  # fmt: skip


def test_different_tables_of_a_schema_stay_apart() -> None:
    keys = [{"name": "fk", "columns": ["p_id"], "references": "p"}]
    children = [{"name": f"c{n}", "columns": ["p_id"], "rows": 5000, "foreign_keys": keys} for n in range(4)]
    found = run_checks(
        facts({"tables": [{"name": "p", "columns": ["id"]}, *children]}), checks=[unindexed_key]
    ).findings
    assert len(found) == 4


def test_together_has_one_key_of_one_table_and_of_two() -> None:
    def of(*tables: str) -> list[Finding]:
        some = [Finding("IX005", "Unused", Severity.INFO, t, "m", "", {}, about=f"public.{t}") for t in tables]
        return grouped(some, facts({"tables": []}), {"IX005": Severity.INFO})

    (one,), (two,) = of("a"), of("a", "b")
    assert (one.key, one.about, one.message) == (two.key, "public.a", "m")
    assert (one.members, two.members) == (("public.a:a",), ("public.a:a", "public.b:b"))


@pytest.mark.parametrize(
    "check", [c for c in all_checks() if c.kind.subject_type in (SchemaFacts, ClusterFacts)], ids=repr
)
def test_a_finding_that_lists_names_says_for_what_it_stands(check: Check) -> None:
    """Else one more would never be news: its key is the same."""

    def lists_all(_: Check, case: dict[str, Any]) -> None:
        for finding in run_checks(build(case), context(case), checks=[check]).findings:
            listed = [str(v).split(", ") for v in finding.evidence.values() if ", " in str(v)]
            assert not listed or max(map(len, listed)) <= len(finding.members)

    each_case(check, lists_all)


def test_names_in_a_sentence() -> None:
    assert [some_of(["a"]), some_of(["a", "b"]), some_of(list("abcd"))] == ["a", "a and b", "a, b, c and 1 more"]


def test_partitions_of_a_table_are_one() -> None:
    of_part = {"columns": ["a"], "parent": "p", "activity": {"dead_rows": 20_000}}
    parts = [{"name": f"p{n}", **of_part} for n in range(3)]
    tables = [{"name": "p", "kind": "p", "columns": ["a"]}, *parts]
    (finding,) = run_checks(facts({"tables": tables}), checks=[dead_rows]).findings
    assert (finding.about, finding.subject, finding.evidence["names"]) == (
        "public.p", "p", "public.p0, public.p1, public.p2",
    )  # fmt: skip
    assert (
        finding.fixes[0].code == "VACUUM (VERBOSE) public.p0;\nVACUUM (VERBOSE) public.p1;\nVACUUM (VERBOSE) public.p2;"
    )


def test_one_that_was_not_planned_stands_for_several_indexes_that_go() -> None:
    of = [
        Finding("IX005", "Unused indexes", Severity.INFO, f"t{n}", f"said of t{n}.", "",
                {"statements_planned": n or None}, about=f"public.t{n}", table=f"public.t{n}")
        for n in (2, 0, 1)
    ]  # fmt: skip
    (finding,) = grouped(of, facts({"tables": []}), {"IX005": Severity.INFO})
    assert finding.message == "said of t0. The same of public.t2 and public.t1."


def test_other_tables_are_told_with_their_own_columns() -> None:
    columns = ["a", "a", "b, c", ", ".join(f"c{n}" for n in range(50))]
    of = [
        Finding("SC024", "Never NULL", Severity.INFO, f"t{n}", f"said of {cols} of t{n}.", "", {"columns": cols},
                about=f"public.t{n}", table=f"public.t{n}")
        for n, cols in enumerate(columns)
    ]  # fmt: skip
    (finding,) = grouped(of, facts({"tables": []}), {"SC024": Severity.INFO})
    assert finding.message == (
        "said of a of t0. The same of public.t1, public.t2 (b and c) and public.t3 (c0, c1, c2, ...)."
    )
    (finding,) = grouped([*of, replace(of[2], about="public.t2.x")], facts({"tables": []}), {"SC024": Severity.INFO})
    assert finding.message == "said of a of t0. The same of public.t1, public.t2 and public.t3."


def test_statements_to_copy_that_are_the_first_of_more_say_so() -> None:
    broken = {"name": "i", "columns": ["at"], "is_valid": False, "is_being_built": False}
    tables = [
        {"name": "log", "oid": 16384 + n, "schema": f"t{n}", "columns": ["at"], "indexes": [broken]} for n in range(90)
    ]
    (finding,) = run_checks(facts({"tables": tables}), checks=[invalid_index]).findings
    lines = finding.fixes[0].code.splitlines()
    assert (len(lines), lines[-1]) == (52, "-- the first 50 of 90: look again once they are done")
