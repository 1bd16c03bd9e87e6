"""`manage.py read_log FILE`: the dearest statements of a server's log, and what the checks find in their plans."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError
from django.utils import timezone

from analyzer.logs.entries import blocks_of
from analyzer.logs.line_prefix import MOST_PREFIX, TOO_LONG
from analyzer.logs.read_log import LogReading, read_log
from analyzer.management.progress import progress
from analyzer.management.terminal import TerminalCommand
from analyzer.models import Server
from analyzer.reports.log_report import log_report, report_as_json, report_as_text
from analyzer.store.logs import keep_log
from analyzer.words.lists import and_list

SHOWN = 10


class Command(TerminalCommand):
    help = (
        "Show which statements took most time, by PostgreSQL's log, and what is wrong with their plans (auto_explain)."
        " With --server, keep the plans and values of statements that pgLoupe knows there."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="a log: stderr, csvlog, jsonlog or syslog, packed by gzip or not; - reads standard input"
        )
        parser.add_argument("--server", metavar="NAME", help="keep plans and values of this server's statements")
        parser.add_argument("--prefix", metavar="TEXT", help="log_line_prefix, where the log does not show it")
        parser.add_argument("--top", type=int, default=SHOWN, metavar="N", help="so many (default %(default)s)")
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if len(options["prefix"] or "") > MOST_PREFIX:
            raise CommandError(TOO_LONG, returncode=2)
        server = _server(options["server"]) if options["server"] else None
        reading = self.read(options["file"], options["prefix"])
        report = log_report(reading.totals, max(0, options["top"]), cut=reading.cut, has_unread=reading.has_unread)
        kept = keep_log(server, reading.totals, now=timezone.now()) if server is not None else None
        if options["format"] == "json":
            value = report_as_json(report) | ({"kept": kept.as_json()} if kept else {})
            self.stdout.write(json.dumps(value, indent=2))
            return
        lines = report_as_text(report, reading.read_bytes)
        self.stdout.write("\n".join([*lines, *(("", kept.in_words()) if kept else ())]))

    def read(self, name: str, prefix: str | None) -> LogReading:
        try:
            with _opened(name) as (file, size), progress(file, size, sys.stderr) as watched:
                return read_log(blocks_of(watched), prefix)
        except OSError as problem:
            raise CommandError(f"Cannot read {name}: {problem.strerror}.", returncode=2) from problem


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its size, None where nobody knows."""
    if name == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(name)
    with path.open("rb") as file:
        yield file, path.stat().st_size


def _server(name: str) -> Server:
    server = Server.objects.filter(slug=name).first() or Server.objects.filter(name=name).first()
    if server is None:
        names = and_list(sorted(Server.objects.values_list("slug", flat=True))) or "none"
        raise CommandError(f"There is no server {name}. Servers: {names}.", returncode=2)
    return server
