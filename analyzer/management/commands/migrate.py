"""Django's migrate, which waits for no lock for long: pages and workers queue behind a waiting ALTER TABLE.

A migration that does not get its lock within ``--lock-timeout-ms`` is rolled back and tried again, until
``--patience-s`` is over. One runs at a time, so several machines may start at once. CREATE INDEX CONCURRENTLY waits
for transactions by design: such a migration is not atomic and sets ``lock_timeout`` to 0 itself.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import OperationalError, connections

from analyzer.store.locks import MIGRATION, STORE, tried

PAUSE_S = 1.0


class Command(DjangoCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--lock-timeout-ms", type=int, default=2_000, help="others wait no longer (%(default)s)")
        parser.add_argument("--patience-s", type=float, default=300.0, help="keep trying so long (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        deadline = time.monotonic() + options["patience_s"]
        while True:
            try:
                with _only_one(connection, deadline):
                    with connection.cursor() as cursor:
                        timeout = f"{options['lock_timeout_ms']}ms"
                        cursor.execute("select set_config('lock_timeout', %s, false)", [timeout])
                    super().handle(*args, **options)
                    with connection.cursor() as cursor:
                        cursor.execute("set lock_timeout = default")
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    raise
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"A lock could not be had for {options['patience_s']:.0f} s; nothing of this migration is done."
                        " Look for a long transaction in the store's pg_stat_activity, then run it again.",
                        returncode=2,
                    ) from error
            # Django leaves the transaction open when a statement it had deferred fails: a new connection has none.
            connection.close()
            connection.connect()
            self.stderr.write("A table is in use; trying again.", style_func=str)
            time.sleep(PAUSE_S)


@contextmanager
def _only_one(connection: Any, deadline: float) -> Iterator[None]:
    """Until another migrate is done. A session's lock: it goes with the connection."""
    while True:
        with tried(STORE, MIGRATION, connection) as is_ours:
            if is_ours:
                yield
                return
        if time.monotonic() > deadline:
            raise CommandError("Another migrate is at work on this store", returncode=2)
        time.sleep(PAUSE_S)
