"""Every rule against its cases: cases/*.toml, each a migration, what a server would have told, and what is found.

[[case]]
name = "what is special about it"
sql = '''...'''                      # the migration; or file = "django/0002_x.py" beside the cases
without_server = true              # else what follows, see builders.py
schema = '''create table ...'''
sizes = { orders = 900 }           # MB
finds = ["2 warning MG001 public.orders", ...]   # line, severity, code and subject of all but MG031
says = ["...", ...]                # pieces of the report, in order
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.review.files.read import read_migration
from analyzer.review.review import review
from analyzer.review.rules.rule import ALL_RULES
from analyzer.review.show import review_as_text
from tests.review.builders import live_facts

CASES = Path(__file__).parent / "cases"
SAID_OFTEN = "MG031"  # no lock_timeout: its own cases ask for it


def every_case() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            yield pytest.param(case, id=f"{path.stem}: {case['name']}")


@pytest.mark.parametrize("case", list(every_case()))
def test_a_migration_is_judged_as_the_case_says(case: dict[str, Any]) -> None:
    version = case.get("version", 16) * 10_000
    live = None if case.get("without_server") else live_facts(case, version)
    migration = read_migration(
        case["sql"], case.get("file", "-"), single_transaction=case.get("single_transaction", False)
    )
    found = review(migration, version, live)
    wanted = case.get("codes")
    told = [
        f"{step.line} {f.severity.name.lower()} {f.code} {f.subject}"
        for step, f in found.findings
        if (f.code != SAID_OFTEN or case.get("with_timeouts")) and (wanted is None or f.code in wanted)
    ]
    assert told == case["finds"]
    text = review_as_text(found, live)
    at = 0
    for piece in case.get("says", ()):
        assert piece in text[at:], f"{piece!r} is not in:\n{text}"
        at = text.index(piece, at)
    for piece in case.get("says_not", ()):
        assert piece not in text, text


def test_every_rule_has_a_case_that_finds_and_one_that_does_not() -> None:
    cases = [param.values[0] for param in every_case()]
    found = {line.split()[2] for case in cases for line in case["finds"]}
    silent = {code for code in ALL_RULES if any(code not in " ".join(case["finds"]) for case in cases)}
    assert (found, silent) == (set(ALL_RULES), set(ALL_RULES))
