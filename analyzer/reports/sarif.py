"""Findings as SARIF 2.1.0, which code review tools show beside the lines they concern. Pure.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.findings import Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result belongs: a line of a file, or the name of something in a database."""

    file: str | None = None
    line: int = 1
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SarifResult:
    """``key``: the same on every run, so that a tool knows a result again."""

    rule: str
    severity: Severity
    message: str
    place: Place
    key: str


def sarif(results: Iterable[SarifResult], rules: Mapping[str, str], *, version: str) -> dict[str, Any]:
    """``rules``: a code to what the rule is called; those that found something are listed."""
    results = list(results)
    used = {result.rule for result in results}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pgLoupe",
                        "version": version,
                        "rules": [
                            {"id": code, "shortDescription": {"text": rules.get(code, code)}} for code in sorted(used)
                        ],
                    }
                },
                "results": [_result(result) for result in results],
            }
        ],
    }


def _result(result: SarifResult) -> dict[str, Any]:
    return {
        "ruleId": result.rule,
        "level": LEVELS[result.severity],
        "message": {"text": result.message},
        "locations": [_location(result.place)],
        "partialFingerprints": {"pgloupe/v1": result.key},
    }


def _location(place: Place) -> dict[str, Any]:
    if place.file is not None:
        return {
            "physicalLocation": {
                "artifactLocation": {"uri": place.file.replace("\\", "/")},
                "region": {"startLine": max(1, place.line)},
            }
        }
    return {"logicalLocations": [{"fullyQualifiedName": place.name or "", "kind": "resource"}]}
