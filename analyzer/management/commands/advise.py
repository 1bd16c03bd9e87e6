"""`manage.py advise DSN`: the best set of indexes for a workload, proved by the planner of a private twin."""

import json
import os
from argparse import ArgumentParser
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from analyzer.advice.advise import advise
from analyzer.advice.costliest_statements import MOST_STATEMENTS
from analyzer.advice.gain import MeasuredTimes
from analyzer.advice.resolved_workload import counted_together
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_json, advice_as_sql, advice_as_text
from analyzer.advice.workload_folder import read_workload_folder
from analyzer.errors import BadInput, MissingExtension, MissingRight, PgLoupeError
from analyzer.management.terminal import TerminalCommand
from analyzer.monitored.access.no_workload import why_no_statement
from analyzer.monitored.catalog.cluster import read_standbys
from analyzer.monitored.catalog.schema import left_out_notes, need_statistics, read_schema
from analyzer.monitored.connection import MonitoredConnection, connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.explain.second_opinion import with_second_opinion
from analyzer.monitored.login import WAKING_S
from analyzer.monitored.sample.workload import RecordedStatement, read_recorded_workload
from analyzer.runtime.places import program
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.replica_scans import of_nobody_watched
from analyzer.twin import lease
from analyzer.words.sizes import MB

INSIDE = "(inside functions) "


class Command(TerminalCommand):
    help = (
        "Advise on indexes for a database: reads its schema, statistics and workload, plans on a private copy without"
        " rows, creates nothing. Exit code 0: fine, 2: it could not be done."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dsn", nargs="?", help="postgresql://user:password@host/dbname; also from PGLOUPE_DSN")
        parser.add_argument(
            "--workload", type=Path, metavar="DIR",
            help="a folder with one statement per .sql file, and weights.json; default: pg_stat_statements",
        )  # fmt: skip
        parser.add_argument(
            "--budget-mb", type=float, metavar="N",
            help="megabytes for new indexes, as PostgreSQL counts them: of 1,048,576 bytes",
        )  # fmt: skip
        parser.add_argument("--format", choices=("text", "json", "sql"), default="text")
        parser.add_argument(
            "--statements", type=int, default=MOST_STATEMENTS, metavar="N",
            help="how many recorded statements, the dearest first (default %(default)s)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            write = self.stdout.write_for_machines if options["format"] == "sql" else self.stdout.write
            write(self.advice(options).removesuffix("\n") + "\n")
        except (PgLoupeError, RuntimeFailure) as problem:
            raise CommandError(str(problem), returncode=2) from problem

    def advice(self, options: dict[str, Any]) -> str:
        dsn = options["dsn"] or os.environ.get("PGLOUPE_DSN", "")
        if not dsn:
            raise BadInput(f"Name the database: {program()} advise postgresql://user:password@host/dbname")
        wanted = SelectionOptions(budget_bytes=_budget_bytes(options["budget_mb"]))
        if options["statements"] < 1:
            raise BadInput(f"--statements is {options['statements']}; give a number above 0.")
        folder = read_workload_folder(options["workload"]) if options["workload"] else None
        server = ConnectionSettings.from_dsn(dsn, allow_local=True, allow_files=True)
        with self.progress() as bar:
            bar.set_description("Reading the schema")
            with connect(server, connect_timeout_s=WAKING_S) as connection:
                facts = read_schema(connection)
                wanted = replace(wanted, replica_scans=of_nobody_watched(read_standbys(connection)))
                recorded = [] if folder else _recorded(connection, options["statements"])
                if not recorded and not folder:
                    raise BadInput(why_no_statement(connection))
            workload = _workload(recorded)
            if folder:
                workload = [WorkloadStatement(s.label, s.sql, s.weight, 0.0, 0.0) for s in folder.statements]
            need_statistics(facts)
            bar.set_description("Making the twin")
            with lease(server, settings.VAR_DIR) as twin:
                bar.set_description("Planning")

                def show(step: str, share: float) -> None:
                    bar.set_description(step)
                    bar.n = round(share * 100)
                    bar.refresh()

                curve = advise(twin, workload, facts, wanted, now=datetime.now(UTC), progress=show)
                missing = twin.limitations()
            curve = with_second_opinion(curve, server, workload, facts)
        times = _times(recorded)
        counted = [] if folder else counted_together(workload, facts)
        problems = [*(folder.problems if folder else ()), *missing, *curve.faults, *left_out_notes(facts), *counted]
        if options["format"] == "json":
            return json.dumps(advice_as_json(curve, problems, times), indent=2) + "\n"
        if options["format"] == "sql":
            for problem in problems:
                self.stderr.write(problem, style_func=str)
            return advice_as_sql(curve, times)
        # a file's name says what it is
        texts = {} if folder else {s.fingerprint: f"{INSIDE if s.is_nested else ''}{s.sql}" for s in workload}
        return advice_as_text(curve, problems, texts, times)

    def progress(self) -> "tqdm[Any]":
        """On a terminal only; on the way of errors, so that output can be piped."""
        return tqdm(total=100, bar_format="{desc:<28}|{bar:30}| {elapsed}", leave=False, disable=None)


def _budget_bytes(megabytes: float | None) -> int | None:
    if megabytes is None:
        return None
    if not megabytes > 0 or megabytes == float("inf"):
        raise BadInput(f"--budget-mb is {megabytes:g}; give a number of megabytes above 0, or leave it out.")
    return int(megabytes * MB)


def _recorded(connection: MonitoredConnection, most: int) -> list[RecordedStatement]:
    try:
        return read_recorded_workload(connection, most=most)
    except (MissingExtension, MissingRight) as problem:
        raise BadInput(why_no_statement(connection)) from problem


def _times(recorded: list[RecordedStatement]) -> MeasuredTimes | None:
    """None where nothing was recorded: a folder's statements have no times."""
    if not recorded:
        return None
    times = {s.fingerprint: s.time_s_per_day for s in recorded}
    total = sum(s.time_s_per_day for s in recorded if not s.is_nested)  # their time is part of the calling statement's
    return MeasuredTimes(times, total, recorded[0].watched_s)


def _workload(recorded: list[RecordedStatement]) -> list[WorkloadStatement]:
    return [
        WorkloadStatement(
            fingerprint=s.fingerprint,
            sql=s.normalized_sql,
            calls_per_day=s.calls_per_day,
            total_time_s_per_day=s.calls_per_day * s.total_exec_time_ms / s.calls / 1000,
            mean_time_ms=s.total_exec_time_ms / s.calls,
            rows_per_call=s.rows / s.calls,
            calls=s.calls,
            roles=s.roles,
            is_nested=s.is_nested,
        )
        for s in recorded
    ]
