"""Checks: one file each, found by being there. A check looks at one thing and yields findings.

    check = Check(__name__, code="PL004", title="...", severity=Severity.WARNING, rows_read=Threshold(...))

    @check.on(PlanNode, "Seq Scan")         # kinds.py lists what a check can look at
    def name(node: PlanNode, context: Context) -> Iterator[Finding]: ...

The function may leave ``context`` out. A check that lacks a fact it needs raises ``NotRun(reason)`` and is
listed as not run on that thing; it never guesses.
"""

from analyzer.checks.engine import (
    ANYTHING,
    AS_THEY_COME,
    Check,
    Context,
    EveryOther,
    NotRun,
    Outcome,
    Rules,
    all_checks,
    checks_of,
    find,
    run_checks,
    version,
)
from analyzer.checks.notes import FailedCheck, failed_checks, in_words, note
from analyzer.checks.threshold import Threshold
from analyzer.findings import EvidenceLevel, Finding, Fix, Severity

__all__ = [
    "ANYTHING", "AS_THEY_COME", "Check", "Context", "EveryOther", "EvidenceLevel", "FailedCheck", "Finding", "Fix",
    "NotRun", "Outcome", "Rules", "Severity", "Threshold", "all_checks", "checks_of", "failed_checks", "find",
    "in_words", "note", "run_checks", "version",
]  # fmt: skip
