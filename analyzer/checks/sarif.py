"""Findings of plans as SARIF 2.1.0, which code hosts and editors show beside a change.

A plan has no lines of source: a finding stands at the first line of the plan's file, and names its node as a logical
location. Its key is the same on every run, so that a tool can follow it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from analyzer.checks.engine import Outcome, all_checks
from analyzer.checks.node import ranked
from analyzer.findings import Finding, Severity
from analyzer.words.visible import visible_line

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


def as_sarif(file: str, outcomes: Sequence[Outcome], states: Mapping[str, str] | None = None) -> dict[str, Any]:
    """``states``: by a finding's key "unchanged", where it is compared with an earlier plan; others are "new"."""
    findings = [finding for outcome in outcomes for finding in ranked(outcome.findings)]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "pgLoupe", "rules": list(_rules(findings))}},
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_not_run(outcomes))}],
                "results": [_result(finding, file, states) for finding in findings],
            }
        ],
    }


def _rules(findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    codes = {finding.code for finding in findings}
    for check in all_checks():
        if check.code in codes:
            first, _, rest = check.doc.partition("\n\n")
            yield {
                "id": check.code,
                "name": check.name,
                "shortDescription": {"text": check.title},
                "fullDescription": {"text": " ".join(first.split())},
                "help": {"text": " ".join(rest.split()) or check.title},
                "defaultConfiguration": {"level": LEVELS[check.severity]},
            }


def _result(finding: Finding, file: str, states: Mapping[str, str] | None) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": quote(file)}, "region": {"startLine": 1}},
        "logicalLocations": [{"name": visible_line(finding.subject), "kind": "element"}],
    }
    if finding.place is not None:
        place["logicalLocations"][0]["fullyQualifiedName"] = f"plan/{finding.place}"
    text = " ".join(visible_line(part) for part in (finding.message, finding.hint) if part)
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [place],
        "partialFingerprints": {"pgloupeKey/v1": hashlib.sha256(finding.key.encode()).hexdigest()[:32]},
        "properties": {"title": visible_line(finding.title), "evidence": dict(finding.evidence)},
    }
    if states is not None:
        result["baselineState"] = states.get(finding.key, "new")
    return result


def _not_run(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for outcome in outcomes:
        for code, reasons in sorted(outcome.not_run.items()):
            for reason in dict.fromkeys(reasons.values()):
                yield {
                    "level": "note",
                    "message": {"text": f"{code} not run: {visible_line(reason)}"},
                    "associatedRule": {"id": code},
                }
        for code, kinds in sorted(outcome.failed.items()):
            for kind in dict.fromkeys(kinds.values()):
                yield {"level": "error", "message": {"text": f"{code} failed: {kind}"}, "associatedRule": {"id": code}}
