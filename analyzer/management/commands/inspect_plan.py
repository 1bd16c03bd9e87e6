"""`manage.py inspect_plan FILE`: a plan's nodes with exclusive time and buffers, and what the checks find in it."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from analyzer.checks import Outcome, checks_of, in_words, run_checks
from analyzer.checks.node import ranked
from analyzer.errors import PgLoupeError
from analyzer.findings import Severity
from analyzer.management.terminal import TerminalCommand
from analyzer.plans import Plan, parse_plans
from analyzer.plans.show import plan_as_json, plan_as_text
from analyzer.reports.findings_as_text import finding_as_json, finding_as_text, not_run_as_json
from analyzer.words.visible import visible_line

NEVER = "never"
MOST_NAMED = 4  # checks in a sentence


class Command(TerminalCommand):
    help = (
        "Show a plan's nodes with the time and blocks each spent itself, and what is wrong with them."
        " Exit code 0: fine, 1: findings at or above --fail-on, 2: the plan cannot be read."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="EXPLAIN's output, JSON or text; - reads standard input")
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument(
            "--fail-on",
            choices=(*(severity.name.lower() for severity in Severity), NEVER),
            default="warning",
            help="exit with 1 from this severity on (default %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plans = parse_plans(self.read(options["file"]))
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem
        outcomes = [run_checks(plan) for plan in plans]
        if options["format"] == "json":
            self.stdout.write(json.dumps({"plans": [*map(as_json, plans, outcomes)]}, indent=2))
        else:
            parts = [map(visible_line, as_text(*pair)) for pair in zip(plans, outcomes, strict=True)]
            self.stdout.write("\n\n".join(map("\n".join, parts)))
        if failed(outcomes, options["fail_on"]):
            raise SystemExit(1)

    def read(self, name: str) -> bytes:
        if name == "-":
            return sys.stdin.buffer.read()
        try:
            return Path(name).read_bytes()
        except OSError as problem:
            raise CommandError(f"Cannot read {name}: {problem.strerror}.", returncode=2) from problem


def failed(outcomes: list[Outcome], fail_on: str) -> bool:
    if fail_on == NEVER:
        return False
    least = Severity[fail_on.upper()]
    return any(finding.severity >= least for outcome in outcomes for finding in outcome.findings)


def as_json(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    findings = [finding_as_json(f) for f in ranked(outcome.findings)]
    return {**plan_as_json(plan), "findings": findings, "not_run": not_run_as_json(outcome)}


def as_text(plan: Plan, outcome: Outcome) -> list[str]:
    lines = plan_as_text(plan)
    for finding in ranked(outcome.findings):
        lines += ["", *finding_as_text(finding)]
    for said in in_words(outcome):
        lines += ["", said]
    if not outcome.findings:
        lines += ["", nothing_found(plan, outcome)]
    return lines


def nothing_found(plan: Plan, outcome: Outcome) -> str:
    """How much that says: by which checks."""
    if not plan.is_analyzed:
        return "Little was checked: most that is wrong with a plan shows when it runs, in EXPLAIN (ANALYZE, BUFFERS)."
    ran = [f"{check.code}, {check.title}" for check in checks_of(Plan) if check.code not in outcome.unjudged]
    if not ran:
        return "No check could run."
    which = "; ".join(ran) if len(ran) <= MOST_NAMED else "docs/checks/plan.md lists them"
    return f"Nothing found by {len(ran)} check{'s' if len(ran) > 1 else ''} ({which})."
