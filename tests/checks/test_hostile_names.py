"""Every check of plans on its own cases, with names that would be more than names: no statement to copy holds one."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pglast
import pytest

from analyzer.checks import Context, Finding, run_checks
from analyzer.management.commands.inspect_plan import finding_as_text
from analyzer.plans import parse_plans
from analyzer.plans.read_plan import read_plan
from analyzer.words.visible import visible_line
from tests.checks.builders import cluster
from tests.checks.test_cases import CASES

EVIL = 't"; DROP TABLE evil; --\nDROP TABLE evil;\r\x1b[2J\u202e'
NAMES = ("Relation Name", "Schema", "Index Name", "Function Name", "CTE Name", "Trigger Name", "Constraint Name",
         "Relation")  # fmt: skip
HARMLESS = {
    "AlterFunctionStmt", "AlterTableStmt", "CreateExtensionStmt", "CreateStatsStmt", "IndexStmt", "SelectStmt",
    "VacuumStmt", "VariableSetStmt",
}  # fmt: skip

SERVER_STATEMENTS = {
    "AlterDatabaseRefreshCollStmt", "AlterDatabaseSetStmt", "AlterExtensionStmt", "AlterRoleSetStmt", "AlterSystemStmt",
    "ReindexStmt", "SelectStmt", "VacuumStmt", "VariableSetStmt",
}  # fmt: skip


def renamed(part: Any) -> Any:
    if isinstance(part, list):
        return [renamed(item) for item in part]
    if isinstance(part, dict):
        return {k: EVIL if k in NAMES and isinstance(v, str) else renamed(v) for k, v in part.items()}
    return part


def hostile_findings() -> Iterator[tuple[str, Finding]]:
    for path in sorted((CASES / "plan").glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            if not str(case.get("plan", "")).lstrip().startswith(("[", "{")) or not case.get("finds"):
                continue
            for plan in parse_plans(json.dumps(renamed(read_plan(case["plan"])))):
                for finding in run_checks(plan, Context(calls_per_day=1e6)).findings:
                    yield f"{path.stem}: {case['name']}", finding


@pytest.fixture(scope="module")
def findings() -> list[tuple[str, Finding]]:
    return list(hostile_findings())


def test_no_name_becomes_a_statement(findings: list[tuple[str, Finding]]) -> None:
    named = [(case, fix.code) for case, finding in findings for fix in finding.fixes if "evil" in fix.code]
    assert len(named) > 20
    for case, code in named:
        whole = code.replace(" ... ", " 1 ")  # what the reader fills in
        kinds = {type(statement.stmt).__name__ for statement in pglast.parse_sql(whole)}
        assert kinds <= HARMLESS, (case, kinds, code)


def test_no_name_writes_a_line_of_its_own_in_the_terminal(findings: list[tuple[str, Finding]]) -> None:
    assert len(findings) > 100
    for case, finding in findings:
        for line in map(visible_line, finding_as_text(finding)):
            assert not line.strip().startswith("DROP TABLE"), (case, line)
            assert not set(line) & {"\x1b", "\u202e", "\r", "\n"}, (case, line)


def test_no_name_of_a_server_becomes_a_statement() -> None:
    """Databases, roles, extensions and settings: what is to be copied is what it says, whatever their names."""
    codes = []
    for path in sorted((CASES / "server").glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            if "cluster" not in case or not case.get("finds"):
                continue
            facts = case["cluster"]
            for reading in (facts, facts.get("earlier", {})):
                for named in (*reading.get("databases", ()), *reading.get("extensions", ())):
                    named["name"] = EVIL
            for role in facts.get("roles", ()):
                role["name"] = EVIL if role.get("can_log_in") else role["name"]
            if "enable_seqscan" in facts.get("settings", {}):
                facts["settings"][f"enable_{EVIL}"] = facts["settings"].pop("enable_seqscan")
            for finding in run_checks(cluster(facts)).findings:
                codes += [fix.code for fix in finding.fixes if fix.language == "sql"]
    assert sum("evil" in code for code in codes) > 5
    for code in codes:
        whole = code.replace(" ...;", " t;")
        kinds = {type(statement.stmt).__name__ for statement in pglast.parse_sql(whole)}
        assert kinds <= SERVER_STATEMENTS, (kinds, code)
