"""``manage.py demo_workload DSN``: the demo's load alone, against a shop that exists."""

import logging
from typing import Any

from django.core.management.base import CommandError, CommandParser

from analyzer.demo import workload
from analyzer.management.terminal import TerminalCommand


class Command(TerminalCommand):
    help = "Run the demo shop's badly written workload against its database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        workload.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("shop").setLevel(logging.INFO)
        totals = workload.run_from_options(options["dsn"], options["seconds"], options["rate"], options["seed"])
        if totals.only_failed:
            raise CommandError("no page was served; is the shop's database there?")
