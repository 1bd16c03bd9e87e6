"""`manage.py review_migration DSN FILE`: a migration's locks, rewrites and dangers on this database, before it runs."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from analyzer.errors import BadInput, PgLoupeError
from analyzer.findings import Severity
from analyzer.management.terminal import TerminalCommand
from analyzer.management.text_file import name_of, read_text
from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import OLDEST_SERVER, connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.login import WAKING_S
from analyzer.review.files.migration import Migration, functions_called, tables_changed
from analyzer.review.files.read import read_migration
from analyzer.review.live_facts import LiveFacts
from analyzer.review.objects_dropped import names_dropped
from analyzer.review.review import Review, review, worst
from analyzer.review.show import review_as_json, review_as_sarif, review_as_text
from analyzer.runtime.places import program
from analyzer.schema.facts import SchemaFacts
from analyzer.words.sizes import MB

NEVER = "never"
MOST_BYTES = 1 * MB
MOST_STATEMENTS = 2_000
NEWEST = 18


class Command(TerminalCommand):
    help = (
        "Review a migration (SQL, sqlmigrate's output, a Django migration, an Alembic revision or its --sql output)"
        " against a database: locks, rewrites, who waits, what fails, and the safe sequence. Nothing of it is run."
        " Exit code 0: fine, 1: findings at or above --fail-on, 2: it could not be done."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dsn", nargs="?", help="postgresql://user:password@host/dbname; also from PGLOUPE_DSN")
        parser.add_argument("file", help="a migration; - reads standard input")
        parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
        parser.add_argument(
            "--fail-on",
            choices=(*(severity.name.lower() for severity in Severity), NEVER),
            default="warning",
            help="exit with 1 from this severity on (default %(default)s)",
        )
        parser.add_argument("--without-server", action="store_true", help="judge by rules alone")
        parser.add_argument("--server-version", type=int, metavar="N", help=f"13 to {NEWEST}, without a server")
        parser.add_argument(
            "--single-transaction",
            action="store_true",
            help="all of it runs in one transaction, as with psql -1",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            review, live = self.reviewed(options)
        except PgLoupeError as problem:
            raise CommandError(str(problem), returncode=2) from problem
        if options["format"] == "json":
            self.stdout.write(json.dumps(review_as_json(review), indent=2))
        elif options["format"] == "sarif":
            self.stdout.write(json.dumps(review_as_sarif(review, _uri(options["file"])), indent=2))
        else:
            self.stdout.write(review_as_text(review, live), ending="")
        if _fails(review, options["fail_on"]):
            raise SystemExit(1)

    def reviewed(self, options: dict[str, Any]) -> tuple[Review, LiveFacts | None]:
        text = _text(options["file"])
        migration = _migration(text, options)
        if options["without_server"]:
            version = options["server_version"] or NEWEST
            if not OLDEST_SERVER // 10_000 <= version <= NEWEST:
                raise BadInput(f"--server-version is {version}; give one from 13 to {NEWEST}.")
            return review(migration, version * 10_000, None), None
        if options["server_version"] is not None:
            raise BadInput("--server-version goes with --without-server; a server tells its own.")
        dsn = options["dsn"] or os.environ.get("PGLOUPE_DSN", "")
        if not dsn:
            raise BadInput(
                f"Name the database: {program()} review_migration postgresql://user:password@host/dbname FILE, or judge"
                " by rules alone: --without-server."
            )
        server = ConnectionSettings.from_dsn(dsn, allow_local=True, allow_files=True)
        with connect(server, connect_timeout_s=WAKING_S) as connection:
            functions, changed = set(functions_called(migration.steps)), set(tables_changed(migration.steps))
            live = read_live_facts(connection, functions, changed, set(names_dropped(migration.steps)))
        migration = _migration(text, options, live.schema)
        return review(migration, live.schema.server_version_num, live), live


def _text(file: str) -> str:
    text = read_text(file, most_bytes=MOST_BYTES)
    if "\0" in text:
        raise BadInput(f"{name_of(file)} holds a NUL character.")
    return text


def _migration(text: str, options: dict[str, Any], schema: SchemaFacts | None = None) -> Migration:
    name = name_of(options["file"])
    migration = read_migration(text, options["file"], single_transaction=options["single_transaction"], schema=schema)
    if migration.framework == "sql" and not migration.steps and not migration.remarks:
        raise BadInput(f"{name} holds no statement.")
    if len(migration.steps) > MOST_STATEMENTS:
        raise BadInput(f"{name} holds {len(migration.steps):,} statements; at most {MOST_STATEMENTS:,} are reviewed.")
    return migration


def _uri(file: str) -> str:
    """Below the folder that the command runs in, as code hosts want it; else whole."""
    path = Path(file)
    if file == "-":
        return "stdin"
    if path.is_absolute() and not path.is_relative_to(Path.cwd()):
        return path.as_uri()
    return (path.relative_to(Path.cwd()) if path.is_absolute() else path).as_posix()


def _fails(review: Review, fail_on: str) -> bool:
    severity = worst(review)
    return fail_on != NEVER and severity is not None and severity >= Severity[fail_on.upper()]
