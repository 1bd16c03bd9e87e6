"""`manage.py mark_deploy [SERVER|--all] LABEL`: a mark on the charts of servers, from CI or a container's start."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from analyzer.management.terminal import TerminalCommand
from analyzer.models import Server
from analyzer.store.events import LONGEST_LABEL, mark_deploy

AHEAD = timedelta(minutes=5)  # judgement: of a build machine's clock


class Command(TerminalCommand):
    help = (
        "Mark a deploy on the charts of a server or of all. The same label again within an hour changes nothing."
        " Exit code 0: marked, or marked before; 2: it could not be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("server", nargs="?", help="its name, or as in its page's address; not needed of one alone")
        parser.add_argument("label", help="what was deployed: a version, a commit")
        parser.add_argument("--all", action="store_true", help="on every server")
        parser.add_argument("--at", metavar="TIME", help="when, as in 2026-11-12T14:02+01:00; without a zone UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        label = options["label"].strip()
        if not label or len(label) > LONGEST_LABEL:
            raise CommandError(f"A label has 1 to {LONGEST_LABEL} characters.", returncode=2)
        at = _time(options["at"])
        for server in _servers(options["server"], is_all=options["all"]):
            made = mark_deploy(server, label, at)
            said = "marked at" if made else "marked already, about"
            self.stdout.write(f"{server.name}: {said} {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


def _servers(name: str | None, *, is_all: bool) -> list[Server]:
    known = list(Server.objects.order_by("name"))
    if is_all and name:
        raise CommandError("Give a server or --all, not both.", returncode=2)
    found = [server for server in known if is_all or name is None or name in (server.name, server.slug)]
    if not known:
        raise CommandError("No server is watched yet.", returncode=2)
    if not found or (len(found) > 1 and not is_all):
        names = ", ".join(server.slug for server in known[:20]) + (", ..." if len(known) > 20 else "")
        raise CommandError(f"Name one of {names}; or --all.", returncode=2)
    return found


def _time(text: str | None) -> datetime:
    now = timezone.now()
    if not text:
        return now
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        raise CommandError(f"{text} is no time; write it as {now:%Y-%m-%dT%H:%M}+00:00.", returncode=2)
    at = at if timezone.is_aware(at) else at.replace(tzinfo=UTC)
    if at > now + AHEAD:
        raise CommandError(f"{text} is yet to come.", returncode=2)
    if at < now - timedelta(days=settings.ANALYZER_KEEP_HOURS_DAYS):
        raise CommandError(f"{text} is longer ago than marks are kept.", returncode=2)
    return at
