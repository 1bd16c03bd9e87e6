"""`manage.py predict DSN FILE`: plans of new or changed SQL on production statistics, without touching production."""

import json
import math
import os
from argparse import ArgumentParser
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from analyzer.advice.predicted import NotPredicted
from analyzer.advice.show_prediction import PredictionInFile, predictions_as_json, predictions_as_text
from analyzer.errors import BadInput, PgLoupeError
from analyzer.management.terminal import TerminalCommand
from analyzer.management.text_file import name_of, read_text
from analyzer.monitored.catalog.schema import need_statistics, read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.login import WAKING_S
from analyzer.questions.predict import predict, with_second_opinion
from analyzer.runtime.places import program
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.split import StatementPiece, split_statements
from analyzer.twin import lease
from analyzer.words.sizes import MB

MOST_STATEMENTS = 1_000
MOST_BYTES = 10 * MB


class Command(TerminalCommand):
    help = (
        "Plan new or changed SQL on a database's statistics and say which indexes it would like: on a private copy"
        " without rows; what that cannot plan is planned by HypoPG on the server, where it has it. Exit code 0: fine,"
        " 1: a plan's cost is above --fail-on-cost, 2: it could not be done."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dsn", nargs="?", help="postgresql://user:password@host/dbname; also from PGLOUPE_DSN")
        parser.add_argument("file", help="one or more statements; - reads standard input")
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument(
            "--fail-on-cost", type=float, metavar="N",
            help="exit with 1 where a plan costs more than N of the planner's units, or cannot be made",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            limit = _limit(options["fail_on_cost"])
            predictions, problems = self.predictions(
                options["dsn"] or os.environ.get("PGLOUPE_DSN", ""), options["file"]
            )
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem
        if options["format"] == "json":
            self.stdout.write(json.dumps(predictions_as_json(predictions, problems), indent=2))
        else:
            self.stdout.write(predictions_as_text(predictions, problems), ending="")
        not_planned = [each for each in predictions if isinstance(each.prediction, NotPredicted)]
        if len(not_planned) == len(predictions):
            raise CommandError(_nothing_planned(not_planned), returncode=2)
        if limit is not None and (failing := _failing(predictions, limit)):
            raise CommandError(failing, returncode=1)

    def predictions(self, dsn: str, file: str) -> tuple[list[PredictionInFile], list[str]]:
        if not dsn:
            raise BadInput(f"Name the database: {program()} predict postgresql://user:password@host/dbname FILE")
        pieces = _pieces(file)
        server = ConnectionSettings.from_dsn(dsn, allow_local=True, allow_files=True)
        with self.progress(len(pieces)) as bar:
            bar.set_description("Reading the schema")
            with connect(server, connect_timeout_s=WAKING_S) as connection:
                facts = read_schema(connection)
            need_statistics(facts)
            bar.set_description("Making the twin")
            with lease(server, settings.VAR_DIR) as twin:
                bar.set_description("Planning")
                predictions = []
                for piece in pieces:
                    as_in_file = "\n" * (piece.line - 1) + piece.sql  # so that PostgreSQL's words name the file's line
                    predictions.append(
                        PredictionInFile(piece.line, predict(twin, facts, as_in_file, now=datetime.now(UTC)))
                    )
                    bar.update()
                lacking = twin.limitations()
            return _with_second_opinion(predictions, server, facts), lacking

    def progress(self, total: int) -> "tqdm[Any]":
        """On a terminal only; on the way of errors, so that output can be piped."""
        return tqdm(total=total, bar_format="{desc:<20}|{bar:30}| {n}/{total} {elapsed}", leave=False, disable=None)


def _with_second_opinion(
    predictions: list[PredictionInFile], server: ConnectionSettings, facts: SchemaFacts
) -> list[PredictionInFile]:
    refused = [each.prediction for each in predictions if isinstance(each.prediction, NotPredicted)]
    second = iter(with_second_opinion(refused, server, facts))
    return [
        replace(each, prediction=next(second)) if isinstance(each.prediction, NotPredicted) else each
        for each in predictions
    ]


def _limit(cost: float | None) -> float | None:
    if cost is not None and not (cost > 0 and math.isfinite(cost)):
        raise BadInput(f"--fail-on-cost is {cost:g}; give a cost above 0, or leave it out.")
    return cost


def _pieces(file: str) -> list[StatementPiece]:
    name, text = name_of(file), read_text(file, most_bytes=MOST_BYTES)
    if "\0" in text:
        raise BadInput(f"{name} holds a NUL character, so it is no SQL.")
    pieces = split_statements(text)
    if not pieces:
        raise BadInput(f"{name} holds no statement.")
    if len(pieces) > MOST_STATEMENTS:
        raise BadInput(f"{name} holds {len(pieces):,} statements; at most {MOST_STATEMENTS:,} are planned at a time.")
    return pieces


def _failing(predictions: list[PredictionInFile], limit: float) -> str | None:
    """The first of those above the limit, and how many more there are."""
    said = []
    for each in predictions:
        if isinstance(each.prediction, NotPredicted):
            said.append(f"The statement in line {each.line} could not be planned: {each.prediction.reason}")
        elif each.prediction.total_cost > limit:
            cost = each.prediction.total_cost
            said.append(f"The statement in line {each.line} costs {cost:,.0f}, which is more than {limit:,.0f}.")
    if not said:
        return None
    return said[0] if len(said) == 1 else f"{said[0]} {len(said) - 1} more {'fails' if len(said) == 2 else 'fail'}."


def _nothing_planned(predictions: list[PredictionInFile]) -> str:
    first = predictions[0]
    reason = first.prediction.reason if isinstance(first.prediction, NotPredicted) else ""
    return f"No statement could be planned; the first, in line {first.line}: {reason}"
