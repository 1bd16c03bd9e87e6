"""Every check against its cases: cases/<sub-package>/<check>.toml. Walking the checks lets none go without.

[[case]]
name = "what is special about it"
plan = '''{...}'''                 # or plan_file, facts, ...: see builders.py
context = { calls_per_day = 100.0 }  # optional: what the check may know besides
finds = [{ subject = "...", rows_read = 1 }]   # the subject and the whole evidence of each finding
within = 0.2                       # optional: how far floats may be off, relative
also = [{ severity = "WARNING", table = "public.t", message = "..." }]  # optional: more of each finding;
                                   # also codes and fix_titles, of what there is to copy
not_run = "reason"                 # beside finds or instead of them: the check says that it cannot judge
"""

import tomllib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from analyzer.checks import Check, Rules, all_checks, run_checks
from analyzer.findings import Finding
from tests.checks.builders import build, context

SOURCES = ("manual", "measured", "simulated", "judgement")
CASES = Path(__file__).parent / "cases"
OF_FIXES: dict[str, Callable[[Finding], list[str]]] = {
    "fix_titles": lambda finding: [fix.title for fix in finding.fixes],
    "codes": lambda finding: [fix.code for fix in finding.fixes],
}


def cases_of(check: Check) -> list[dict[str, Any]]:
    path = CASES / check.module.split(".")[-2] / f"{check.name}.toml"
    return tomllib.loads(path.read_text())["case"] if path.exists() else []


def each_case(check: Check, judge: Callable[[Check, dict[str, Any]], None]) -> None:
    """Judges all cases, then fails with those that failed: a test a case costs more than most cases."""
    failures = []
    for case in cases_of(check):
        try:
            judge(check, case)
        except Exception as failure:
            failure.add_note(f"the case: {case['name']}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{check.name}.toml", failures)


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_check_finds_what_its_cases_say(check: Check) -> None:
    each_case(check, finds_what_it_says)


def finds_what_it_says(check: Check, case: dict[str, Any]) -> None:
    outcome = run_checks(build(case), context(case), checks=[check])
    if "not_run" in case:
        assert [*outcome.not_run.get(check.code, {}).values()] == [case["not_run"]]
        finds = case.get("finds", [])
    else:
        assert (outcome.not_run, outcome.failed) == ({}, {})
        finds = case["finds"]
    expected = [{k: within(v, case.get("within")) for k, v in find.items()} for find in finds]
    assert [known({"subject": f.subject, **f.evidence}) for f in outcome.findings] == expected
    if "also" in case:
        assert [shown(f, a) for f, a in zip(outcome.findings, case["also"], strict=True)] == case["also"]


def known(evidence: dict[str, Any]) -> dict[str, Any]:
    """Without what is None: TOML knows none."""
    return {name: value for name, value in evidence.items() if value is not None}


def within(value: Any, relative: float | None) -> Any:
    return pytest.approx(value, rel=relative) if relative and isinstance(value, float) else value


def shown(finding: Finding, asked: dict[str, Any]) -> dict[str, Any]:
    """The asked attributes; enums by their name; ``None`` is left out, as TOML knows none."""
    values = {name: OF_FIXES[name](finding) if name in OF_FIXES else getattr(finding, name) for name in asked}
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {
        name: value.name if isinstance(value, Enum) else value for name, value in values.items() if value is not None
    }


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_no_value_of_a_threshold_makes_a_check_fail(check: Check) -> None:
    """An operator may set any (store/check_rules.py): a check that then failed would find nothing ever more."""
    each_case(check, stands_any_threshold)


def stands_any_threshold(check: Check, case: dict[str, Any]) -> None:
    looked_at = build(case)
    for name in check.thresholds:
        for value in (0.0, 1e9):
            rules = Rules(thresholds={(check.code, name): value})
            assert run_checks(looked_at, context(case), checks=[check], rules=rules).failed == {}, (name, value)


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_every_check_has_cases_that_find_and_cases_that_do_not(check: Check) -> None:
    cases = cases_of(check)
    assert any(case.get("finds") for case in cases), f"{check.name}.toml holds no case that finds anything"
    assert any(case.get("finds") == [] for case in cases), f"{check.name}.toml holds no case that finds nothing"


def test_every_case_file_belongs_to_a_check() -> None:
    expected = {f"{check.module.split('.')[-2]}/{check.name}.toml" for check in all_checks()}
    assert {str(path.relative_to(CASES)) for path in CASES.rglob("*.toml")} == expected


def test_codes_and_names_are_unique_and_every_threshold_names_its_source() -> None:
    checks = all_checks()
    assert len({check.code for check in checks}) == len(checks)
    for check in checks:
        for name, threshold in check.thresholds.items():
            assert threshold.source.startswith(SOURCES), f"{check} {name}: {threshold.source}"
