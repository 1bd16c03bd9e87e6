"""`manage.py up [DSN ...]`: everything in one terminal, until Ctrl-C."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analyzer.errors import PgLoupeError
from analyzer.runtime import supervisor


class Command(BaseCommand):
    help = (
        "Run pgLoupe: embedded PostgreSQL and Redis (unless DATABASE_URL and REDIS_URL are set), migrations,"
        " workers and the web pages. Monitors the DSNs given. Ctrl-C stops everything."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "dsn", nargs="*", help="postgresql://user:password@host/dbname of a server to monitor"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
        parser.add_argument(
            "--port", type=int, default=8000, help="port wanted; a free one if taken (%(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            exit_code = supervisor.run(
                self.wanted(options), say=self.stderr_line, announce=lambda line: self.stdout.write(line)
            )
        except PgLoupeError as failure:
            raise CommandError(str(failure), returncode=2) from failure
        if exit_code:
            raise SystemExit(exit_code)

    def wanted(self, options: dict[str, Any]) -> supervisor.Options:
        return supervisor.Options(dsns=options["dsn"], host=options["host"], port=options["port"])

    def stderr_line(self, line: str) -> None:
        self.stderr.style_func = None
        self.stderr.write(line)
        self.stderr.flush()
