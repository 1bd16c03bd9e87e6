"""`manage.py restore FILE`: a backup back into the store, whole or not at all."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from analyzer.errors import PgLoupeError
from analyzer.management.terminal import TerminalCommand
from analyzer.runtime.client_programs import client_program, run
from analyzer.words.lists import counted


class Command(TerminalCommand):
    help = (
        "Put a backup into the store in one transaction, migrate it to this version and say whether the keys here"
        " open its passwords. Stop web, workers and beat first."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="throw away what the store holds now")

    def handle(self, *args: Any, file: Path, replace: bool, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}", returncode=2)
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                " and application_name = 'pgloupe store'"
            )
            (sessions,) = cursor.fetchone()
            cursor.execute("select to_regclass('analyzer_server') is not null")
            (has_tables,) = cursor.fetchone()
            cursor.execute("select current_setting('server_version_num')::int")
            (version,) = cursor.fetchone()
        if sessions:
            raise CommandError(
                f"In use by {counted(sessions, 'session')} of pgLoupe: stop what has the store open first", returncode=2
            )
        if has_tables and not replace:
            raise CommandError("The store is not empty; --replace throws away what it holds", returncode=2)
        try:
            program = client_program("pg_restore", version)
            with _set_aside():
                database = connection.settings_dict
                arguments = ["--no-owner", "--exit-on-error", "--single-transaction"]
                run(program, [*arguments, f"--dbname={database['NAME']}", str(file)], database)
        except PgLoupeError as failure:
            raise CommandError(f"{failure}\nThe store is as it was.", returncode=2) from failure
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write(f"{file} is in the store.")
        call_command("rotate_keys", check=True, stdout=self.stdout)


@contextmanager
def _set_aside() -> Iterator[None]:
    """What the store holds moves to another schema; it goes when the block ends well, and comes back when not."""
    _run("alter schema public rename to pgloupe_before_restore", "create schema public")
    try:
        yield
    except BaseException:
        _run("drop schema public cascade", "alter schema pgloupe_before_restore rename to public")
        raise
    _run("drop schema pgloupe_before_restore cascade")


def _run(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()  # no lock of ours is in pg_restore's way
