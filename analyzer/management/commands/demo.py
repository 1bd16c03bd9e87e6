"""`manage.py demo`: `up` with a bundled shop under a live, badly written workload."""

from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from analyzer.demo import service
from analyzer.demo.workload import NOMINAL_STATEMENTS_PER_S
from analyzer.management.commands.up import Command as UpCommand
from analyzer.runtime import supervisor


class Command(UpCommand):
    help = (
        "Run pgLoupe as `up` does, beside a demo: a shop of a million rows in a PostgreSQL of its own, with a"
        " badly written application at work on it. What is wrong with it the pages say. Ctrl-C stops everything."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--rate",
            type=float,
            default=NOMINAL_STATEMENTS_PER_S,
            help="statements per second of the shop's application (default %(default).0f)",
        )

    def wanted(self, options: dict[str, Any]) -> supervisor.RunOptions:
        shop_cluster = service.cluster()
        return replace(
            super().wanted(options),
            clusters={"the demo shop": shop_cluster},
            prepare=lambda: service.prepare(shop_cluster, say=self.say, rate=options["rate"]),
        )
