"""`manage.py inspect_plan FILE [OTHER]`: a plan's nodes and what the checks find in it; of two, what changed."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from analyzer.checks import Context, Outcome, checks_of, in_words, run_checks
from analyzer.checks.node import ranked
from analyzer.errors import PgLoupeError
from analyzer.findings import EvidenceLevel, Finding, Severity
from analyzer.management.terminal import TerminalCommand
from analyzer.management.text_file import read_text
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.login import WAKING_S
from analyzer.plans import Plan, parse_plans
from analyzer.plans.compare import change_in_words
from analyzer.plans.node_changes import changes_as_json, changes_as_text
from analyzer.plans.show import plan_as_json, plan_as_text
from analyzer.reports.findings_as_text import finding_as_json, finding_as_text, not_run_as_json
from analyzer.reports.sarif import UNCHANGED, SarifPlace, findings_as_sarif
from analyzer.schema.facts import SchemaFacts
from analyzer.words.sizes import MB
from analyzer.words.visible import visible_line

MOST_BYTES = 10 * MB  # of a query
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
        parser.add_argument("other", nargs="?", help="a later plan of the same statement: what changed is shown")
        parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
        parser.add_argument("--query", metavar="FILE", help="the statement, where the plan does not hold it")
        parser.add_argument(
            "--dsn",
            help="a database with the plan's tables: more checks can judge, and statements are written otherwise",
        )
        parser.add_argument(
            "--fail-on",
            choices=(*(severity.name.lower() for severity in Severity), NEVER),
            default="warning",
            help="exit with 1 from this severity on (default %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        plans = self.plans(options["file"])
        before = None
        if options["other"] is not None:
            before, plans = self.only(options["file"], plans), self.plans(options["other"])
            self.only(options["other"], plans)
        known = self.known(options["dsn"], options["query"])
        outcomes = [judged(plan, known) for plan in plans]
        earlier = None if before is None else judged(before, known)
        self.stdout.write(shown(options, before, earlier, plans, outcomes))
        if failed(outcomes, options["fail_on"]):
            raise SystemExit(1)

    def plans(self, name: str) -> list[Plan]:
        try:
            return parse_plans(self.read(name))
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem

    def known(self, dsn: str | None, query: str | None) -> Context:
        try:
            sql = None if query is None else read_text(query, most_bytes=MOST_BYTES)
            return Context(facts=None if dsn is None else schema_of(dsn), normalized_sql=sql)
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem

    def only(self, name: str, plans: list[Plan]) -> Plan:
        if len(plans) != 1:
            raise CommandError(f"{name} holds {len(plans)} plans: only two single plans are compared.", returncode=2)
        return plans[0]

    def read(self, name: str) -> bytes:
        if name == "-":
            return sys.stdin.buffer.read()
        try:
            return Path(name).read_bytes()
        except OSError as problem:
            raise CommandError(f"Cannot read {name}: {problem.strerror}.", returncode=2) from problem


def schema_of(dsn: str) -> SchemaFacts:
    server = ConnectionSettings.from_dsn(dsn, allow_local=True, allow_files=True)
    with connect(server, connect_timeout_s=WAKING_S) as connection:
        return read_schema(connection)


def judged(plan: Plan, known: Context) -> Outcome:
    """With the query that auto_explain logged beside the plan, where no other is given."""
    return run_checks(plan, replace(known, normalized_sql=known.normalized_sql or plan.query_text))


def shown(
    options: dict[str, Any], before: Plan | None, earlier: Outcome | None, plans: list[Plan], outcomes: list[Outcome]
) -> str:
    is_alike = before is not None and before.is_analyzed >= plans[0].is_analyzed
    keys = {finding.key for finding in earlier.findings} if earlier is not None and is_alike else None
    if options["format"] == "sarif":
        file = options["other"] or options["file"]
        return json.dumps(as_sarif("stdin" if file == "-" else Path(file).as_posix(), outcomes, keys), indent=2)
    if options["format"] == "json":
        document: dict[str, Any] = {"plans": [*map(as_json, plans, outcomes)]}
        if before is not None and earlier is not None:
            document = {
                "changes": change_in_words(before, plans[0]),
                "nodes": changes_as_json(before, plans[0]),
                "plans": [as_json(before, earlier), *document["plans"]],
            }
        return json.dumps(document, indent=2)
    if before is not None and earlier is not None:
        return "\n".join(map(visible_line, comparison_as_text(before, plans[0], earlier, outcomes[0])))
    parts = [map(visible_line, as_text(*pair)) for pair in zip(plans, outcomes, strict=True)]
    return "\n\n".join(map("\n".join, parts))


def as_sarif(file: str, outcomes: list[Outcome], earlier: set[str] | None) -> dict[str, Any]:
    """A plan has no lines of source: a finding stands at the first of its file, and names its node."""
    placed = [
        (f, SarifPlace(file, name=f.subject, full_name=None if f.place is None else f"plan/{f.place}"))
        for outcome in outcomes
        for f in ranked(outcome.findings)
    ]
    known = None if earlier is None else dict.fromkeys(earlier, UNCHANGED)
    return findings_as_sarif(placed, outcomes, known=known)


def comparison_as_text(before: Plan, after: Plan, earlier: Outcome, outcome: Outcome) -> list[str]:
    """What changed in words, node by node, and which findings came, stayed and are gone."""
    lines = [f"{sentence}." for sentence in change_in_words(before, after)]
    lines += ["", *changes_as_text(before, after)]
    old = {finding.key: finding for finding in earlier.findings}
    for finding in ranked(outcome.findings):
        title, *rest = finding_as_text(finding)
        known = "still" if finding.key in old else "new" if was_judged(finding, before, earlier) else "seen now"
        lines += ["", f"{known}: {title}", *rest]
    stayed = {finding.key for finding in outcome.findings}
    gone = [finding for key, finding in old.items() if key not in stayed]
    lines += [""] if gone else []
    for finding in ranked(gone):
        known = "gone" if was_judged(finding, after, outcome) else "not judged in the later plan"
        lines.append(f"{known}: {finding.severity.name.lower()} {finding.code}: {finding.title}")
    for said in in_words(outcome):
        lines += ["", said]
    if not outcome.findings:
        lines += ["", nothing_found(after, outcome)]
    return lines


def was_judged(finding: Finding, plan: Plan, outcome: Outcome) -> bool:
    """Whether the other plan would show it: what only a run tells is in no plan that was not executed."""
    is_of_run = finding.level is EvidenceLevel.EXECUTED
    return finding.code not in outcome.unjudged and (plan.is_analyzed or not is_of_run)


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
    which = "; ".join(ran) if len(ran) <= MOST_NAMED else "the page /checks/ lists them"
    return f"Nothing found by {len(ran)} check{'s' if len(ran) > 1 else ''} ({which})."
