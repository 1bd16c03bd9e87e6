"""Findings as SARIF 2.1.0, which code hosts and editors show beside a change: the same for every command. Pure.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from analyzer.checks import Outcome, all_checks
from analyzer.findings import Finding, Severity
from analyzer.words.visible import visible_line

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.CRITICAL: "error"}
NEW, UNCHANGED = "new", "unchanged"


@dataclass(frozen=True, slots=True)
class SarifPlace:
    """Where a finding belongs: a line of a file, a name of something in a plan or a database, or both."""

    file: str | None = None
    line: int = 1
    name: str | None = None
    full_name: str | None = None

    def as_json(self) -> dict[str, Any]:
        place: dict[str, Any] = {}
        if self.file is not None:
            place["physicalLocation"] = {
                "artifactLocation": {"uri": self.file if self.file.startswith("file://") else quote(self.file)},
                "region": {"startLine": self.line},
            }
        if self.name is not None:
            logical = {"name": visible_line(self.name), "kind": "element"}
            full = {"fullyQualifiedName": visible_line(self.full_name)} if self.full_name else {}
            place["logicalLocations"] = [logical | full]
        return place


def findings_as_sarif(
    placed: Iterable[tuple[Finding, SarifPlace]],
    outcomes: Sequence[Outcome] = (),
    *,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    known: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One run. ``outcomes``: what could not be judged there is a notification.

    ``rules``: reportingDescriptors by code, where the findings are no checks'. ``known``: by a finding's key NEW or
    UNCHANGED, where it is compared with an earlier run; what it lacks is NEW.
    """
    placed = list(placed)
    rules = rules if rules is not None else _checks()
    used = [{"id": code, **rules.get(code, {})} for code in sorted({finding.code for finding, _ in placed})]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "pgLoupe", "rules": used}},
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_not_run(outcomes))}],
                "results": [_result(finding, place, known) for finding, place in placed],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _checks() -> dict[str, dict[str, Any]]:
    rules = {}
    for check in all_checks():
        first, _, rest = check.doc.partition("\n\n")
        rules[check.code] = {
            "name": check.name,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": " ".join(first.split())},
            "help": {"text": " ".join(rest.split()) or check.title},
            "defaultConfiguration": {"level": LEVELS[check.severity]},
        }
    return rules


def _result(finding: Finding, place: SarifPlace, known: Mapping[str, str] | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": LEVELS[finding.severity],
        "message": {"text": " ".join(visible_line(part) for part in (finding.message, finding.hint) if part)},
        "locations": [place.as_json()],
        # the same on every run, so that a tool can follow it; hashed, because names may be secret there
        "partialFingerprints": {"pgloupeKey/v1": hashlib.sha256(finding.key.encode()).hexdigest()[:32]},
        "properties": {"title": visible_line(finding.title), "evidence": dict(finding.evidence)},
    }
    if known is not None:
        result["baselineState"] = known.get(finding.key, NEW)
    return result


def _not_run(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for outcome in outcomes:
        for code, reasons in sorted(outcome.not_run.items()):
            for reason in dict.fromkeys(reasons.values()):
                said = f"{code} not run: {visible_line(reason)}"
                yield {"level": "note", "message": {"text": said}, "associatedRule": {"id": code}}
        for code, kinds in sorted(outcome.failed.items()):
            for kind in dict.fromkeys(kinds.values()):
                yield {"level": "error", "message": {"text": f"{code} failed: {kind}"}, "associatedRule": {"id": code}}
