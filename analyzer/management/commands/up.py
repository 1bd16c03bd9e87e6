"""`manage.py up [DSN ...]`: everything in one terminal, until Ctrl-C."""

import contextlib
import os
import re
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from analyzer.errors import PgLoupeError
from analyzer.management.terminal import TerminalCommand
from analyzer.runtime import supervisor
from analyzer.steps.adding import add_from_dsn


def add_servers(dsns: Sequence[str], say: Callable[[str], None]) -> None:
    for dsn in dsns:
        if said := add_from_dsn(dsn):
            say(said)


def dsns_in(text: str) -> list[str]:
    """URIs with spaces between them, or one string of key=value pairs."""
    return [part for part in re.split(r"\s+(?=postgres(?:ql)?://)", text.strip()) if part]


class Command(TerminalCommand):
    help = (
        "Run pgLoupe: embedded PostgreSQL and Redis (unless DATABASE_URL and REDIS_URL are set), migrations,"
        " workers and the web pages. Monitors the DSNs given. Ctrl-C stops everything."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "dsn", nargs="*", help="postgresql://user:password@host/dbname to monitor; also from PGLOUPE_DSN"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port wanted; a free one if taken (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            exit_code = supervisor.run(self.wanted(options), say=self.say, announce=self.announce)
        except PgLoupeError as failure:
            raise CommandError(str(failure), returncode=2) from failure
        if exit_code:
            raise SystemExit(exit_code)

    def wanted(self, options: dict[str, Any]) -> supervisor.RunOptions:
        # Not left in the environment, where every child would inherit the passwords.
        dsns = [*options["dsn"], *dsns_in(os.environ.pop("PGLOUPE_DSN", ""))]
        add = partial(add_servers, dsns, self.say)
        return supervisor.RunOptions(host=options["host"], port=options["port"], add_servers=add)

    def say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be closed; stopping in order goes on
            self.stderr.write(line, style_func=str)  # progress, not an error: not red
            self.stderr.flush()

    def announce(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
