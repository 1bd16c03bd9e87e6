"""Every check of a schema on its cases, with names that would be more than names: no statement to copy holds one."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pglast
import pytest

from analyzer.checks import Finding, run_checks
from analyzer.management.commands.inspect_plan import finding_as_text
from analyzer.words.visible import visible_line
from tests.checks.builders import facts
from tests.checks.test_cases import CASES

EVIL = 't"; DROP TABLE evil; --\nDROP TABLE evil;\r\x1b[2J\u202e'
NAMES = {"name", "schema", "columns", "include", "primary_key", "references", "parent", "column"}
HARMLESS = {
    "AlterCollationStmt", "AlterFunctionStmt", "AlterSeqStmt", "AlterTableStmt", "DropStmt", "GrantStmt", "IndexStmt",
    "ReindexStmt",
    "SelectStmt", "VacuumStmt", "VariableSetStmt",
}  # fmt: skip
MAY_BE_DROPPED = pglast.enums.ObjectType.OBJECT_INDEX


def renamed(part: Any, key: str = "") -> Any:
    if isinstance(part, list):
        return [renamed(item, key) for item in part]
    if isinstance(part, dict):
        return {k: renamed(v, k) for k, v in part.items()}
    return EVIL + part if key in NAMES and isinstance(part, str) else part


def hostile_findings() -> Iterator[tuple[str, Finding]]:
    for path in sorted([*(CASES / "schema").glob("*.toml"), *(CASES / "index").glob("*.toml")]):
        for case in tomllib.loads(path.read_text())["case"]:
            if "facts" in case and case.get("finds"):
                for finding in run_checks(facts(renamed(case["facts"]))).findings:
                    yield f"{path.stem}: {case['name']}", finding


@pytest.fixture(scope="module")
def findings() -> list[tuple[str, Finding]]:
    return list(hostile_findings())


def test_no_name_becomes_a_statement(findings: list[tuple[str, Finding]]) -> None:
    fixes = [(f"{case} {f.code}", fix) for case, f in findings for fix in f.fixes if fix.language == "sql"]
    assert len({name.rpartition(" ")[2] for name, fix in fixes if "evil" in fix.code}) >= 20
    for name, fix in fixes:
        statements = [statement.stmt for statement in pglast.parse_sql(fix.code)]
        kinds = {type(statement).__name__ for statement in statements}
        assert kinds <= HARMLESS, (name, kinds, fix.code)
        dropped = {s.removeType for s in statements if isinstance(s, pglast.ast.DropStmt)}
        assert dropped <= {MAY_BE_DROPPED}, (name, fix.code)


def test_no_name_writes_a_line_of_its_own_in_the_terminal(findings: list[tuple[str, Finding]]) -> None:
    for case, finding in findings:
        for line in map(visible_line, finding_as_text(finding)):
            assert not line.strip().startswith("DROP TABLE"), (case, line)
            assert not set(line) & {"\x1b", "\u202e", "\r", "\n"}, (case, line)
