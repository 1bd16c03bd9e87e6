"""Findings as lines for a terminal and as JSON for scripts, the same for every command that shows some. Pure."""

from dataclasses import asdict
from typing import Any

from analyzer.checks import Outcome
from analyzer.findings import Finding
from analyzer.statements.tokens import has_broken_name


def finding_as_text(finding: Finding) -> list[str]:
    lines = [
        f"{finding.severity.name.lower()} {finding.code}: {finding.title}",
        f"  {finding.message}",
        f"  {finding.hint}",
    ]
    for fix in finding.fixes:
        code = [fix.code] if has_broken_name(fix.code) else fix.code.split("\n")
        lines += [f"  {fix.title}:", *(f"    {line}" for line in code)]
    return lines


def finding_as_json(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "severity": finding.severity.name.lower(), "key": finding.key}


def not_run_as_json(outcome: Outcome) -> dict[str, str]:
    """A check's code to why it could not judge, or what it failed with."""
    not_run = {code: reason for code, reasons in outcome.not_run.items() for reason in reasons.values()}
    return not_run | {code: f"failed: {kind}" for code, kinds in outcome.failed.items() for kind in kinds.values()}
