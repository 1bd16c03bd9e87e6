"""`manage.py analyze DSN`: every check that needs no waiting, over a database as it is now."""

import json
import os
import sys
from argparse import ArgumentParser
from datetime import UTC
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.template.loader import render_to_string
from tqdm import tqdm

from analyzer.checks import all_checks
from analyzer.errors import BadInput, PgLoupeError
from analyzer.findings import Finding, Severity
from analyzer.management.terminal import TerminalCommand
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.login import WAKING_S
from analyzer.questions.analyze import NOT_LOOKED_AT, Analysis, analyze, without_known
from analyzer.reports.baseline import NONE, Baseline
from analyzer.reports.findings_as_text import finding_as_json, finding_as_text, not_run_as_json
from analyzer.reports.sarif import SarifPlace, findings_as_sarif
from analyzer.runtime.places import program
from analyzer.words.durations import rate_words
from analyzer.words.visible import visible_line

NEVER = "never"
STATEMENT_TIMEOUT_MS = 10_000
SHOWN = 400  # characters of a statement; all of it is in the JSON
FORMATS = ("text", "json", "html", "sarif")


class Command(TerminalCommand):
    help = (
        "Look at a database once, with every check that needs no waiting: schema, indexes, statements, settings,"
        " sessions. Reads only, keeps nothing. Exit code 0: fine, 1: findings at or above --fail-on, 2: it could not"
        " be done."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dsn", nargs="?", help="postgresql://user:password@host/dbname; also from PGLOUPE_DSN")
        parser.add_argument("--format", choices=FORMATS, default="text")
        parser.add_argument(
            "--fail-on", choices=(*(severity.name.lower() for severity in Severity), NEVER), default="warning",
            help="exit with 1 from this severity on (default %(default)s)",
        )  # fmt: skip
        parser.add_argument("--only", default="", metavar="CODES", help="checks by code, or how they begin: SC001,IX")
        parser.add_argument(
            "--baseline", type=Path, metavar="FILE",
            help="an earlier run's --format json: only what is new or more severe is shown, and counts for --fail-on",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            only = _codes(options["only"])
            known = _known(options["baseline"])
            analysis = self.analysis(options["dsn"] or os.environ.get("PGLOUPE_DSN", ""), only)
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem
        new = without_known(analysis, known)
        write = {"text": as_text, "json": as_json, "html": as_html, "sarif": as_sarif}[options["format"]]
        text = write(new, len(analysis.findings) - len(new.findings))
        if options["format"] == "text":
            self.stdout.write(text)
        else:
            self.stdout.write_for_machines(text + "\n")
        if options["fail_on"] != NEVER:
            least = Severity[options["fail_on"].upper()]
            if any(finding.severity >= least for finding in new.findings):
                sys.exit(1)

    def analysis(self, dsn: str, only: list[str]) -> Analysis:
        if not dsn:
            raise BadInput(f"Name the database: {program()} analyze postgresql://user:password@host/dbname")
        server = ConnectionSettings.from_dsn(dsn, allow_local=True, allow_files=True)
        with (
            tqdm(bar_format="{desc} {elapsed}", leave=False, disable=None) as bar,
            connect(server, statement_timeout_ms=STATEMENT_TIMEOUT_MS, connect_timeout_s=WAKING_S) as connection,
        ):
            return analyze(connection, only=only, progress=bar.set_description)


def _codes(given: str) -> list[str]:
    codes = [code.strip().upper() for code in given.split(",") if code.strip()]
    for code in codes:
        if not any(check.code.startswith(code) for check in all_checks()):
            kinds = ", ".join(sorted({check.code[:2] for check in all_checks()}))
            raise BadInput(f"--only names {code}, which begins no check's code; they begin with {kinds}.")
    return codes


def _known(baseline: Path | None) -> Baseline:
    if baseline is None:
        return NONE
    try:
        return Baseline.from_json(json.loads(baseline.read_bytes()))
    except OSError as problem:
        raise BadInput(f"Cannot read {baseline}: {problem.strerror}.") from problem
    except (AttributeError, ValueError, KeyError, TypeError) as problem:
        raise BadInput(f"{baseline} is not what `analyze --format json` writes.") from problem


def as_text(analysis: Analysis, known: int = 0) -> str:
    lines = [f"{analysis.database} on {analysis.address}, PostgreSQL {analysis.server_version}", _counted(analysis)]
    for finding in analysis.findings:
        lines += ["", *finding_as_text(finding)]
        lines += [f"  Statement: {text}"] if (text := _statement(finding, analysis)) else []
        lines += [f"  {costs}"] if (costs := _costs(finding)) else []
    lines += ["", _sum(analysis, known)]
    lines += [f"- {note}" for note in analysis.notes]
    return "\n".join([*lines, NOT_LOOKED_AT])


def as_json(analysis: Analysis, known: int = 0) -> str:
    return json.dumps(
        {
            "format": 1,
            "database": analysis.database,
            "server_version": analysis.server_version,
            "taken_at": analysis.taken_at.isoformat(),
            "looked_at": analysis.looked_at,
            "checks": analysis.checks,
            "findings": [
                {**finding_as_json(finding), "statement": analysis.statements.get(finding.about)}
                for finding in analysis.findings
            ],
            "known": known,
            "not_run": not_run_as_json(analysis.outcome),
            "notes": analysis.notes,
        },
        indent=2,
    )


def as_sarif(analysis: Analysis, known: int = 0) -> str:
    placed = []
    for finding in analysis.findings:
        name = finding.table or finding.about or finding.subject
        placed.append((finding, SarifPlace(name=finding.subject, full_name=f"{analysis.database}.{name}")))
    return json.dumps(findings_as_sarif(placed, [analysis.outcome]), indent=2)


def as_html(analysis: Analysis, known: int = 0) -> str:
    """One file, with its styles, that needs nothing else."""
    groups = []
    for severity in sorted(Severity, reverse=True):
        findings = [
            (finding, _costs(finding), _statement(finding, analysis))
            for finding in analysis.findings
            if finding.severity is severity
        ]
        if findings:
            groups.append((severity.name.lower(), findings))
    return render_to_string(
        "analysis.html",
        {
            "analysis": analysis,
            "counted": _counted(analysis),
            "sum": _sum(analysis, known),
            "groups": groups,
            "not_looked_at": NOT_LOOKED_AT,
        },
    )


def _statement(finding: Finding, analysis: Analysis) -> str:
    """How it begins, in one line; "" of what is no statement's."""
    text = visible_line(" ".join(analysis.statements.get(finding.about, "").split()))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


def _costs(finding: Finding) -> str:
    if not finding.impact_s_per_day:
        return ""
    return f"Costs {rate_words(finding.impact_s_per_day, finding.watched_s)}."


def _counted(analysis: Analysis) -> str:
    counts = ", ".join(f"{n:,} {what}" for what, n in analysis.looked_at.items())
    return (
        f"Looked at {counts}, by {analysis.checks} checks, at {analysis.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    )


def _sum(analysis: Analysis, known: int) -> str:
    beside = f"; {known} known from the baseline left out" if known else ""
    if not analysis.findings:
        return f"Nothing {'new ' if known else ''}found{beside}."
    n = {severity: sum(f.severity is severity for f in analysis.findings) for severity in Severity}
    said = ", ".join(f"{count} {severity.name.lower()}" for severity, count in sorted(n.items(), reverse=True) if count)
    return f"{len(analysis.findings)} finding{'s' if len(analysis.findings) != 1 else ''}: {said}{beside}."
