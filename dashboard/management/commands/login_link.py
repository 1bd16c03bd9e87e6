"""`manage.py login_link`: print a one-time login link, for whoever has a shell on this machine."""

from argparse import ArgumentParser

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from analyzer.management.terminal import TerminalCommand
from dashboard.people.accounts import one_time_login_link


class Command(TerminalCommand):
    help = "Print a link that logs in once, within 30 minutes"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="whom it logs in (default: the first administrator)")
        parser.add_argument(
            "--url",
            default=settings.PGLOUPE_BASE_URL,
            help="where the dashboard is reached (PGLOUPE_BASE_URL, else where it runs: %(default)s)",
        )

    def handle(self, *args: object, user: str | None, url: str, **options: object) -> None:
        if user and not get_user_model().objects.filter(username=user, is_active=True).exists():
            raise CommandError(f"There is no active user {user!r}")
        self.stdout.write(one_time_login_link(url, user))
