"""`manage.py watch_sessions`: looks at the sessions of all servers until it is told to stop."""

import os
import signal
import sys
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from analyzer.steps.session_process import SessionWatch


class Command(BaseCommand):
    help = (
        "Look at the sessions (pg_stat_activity) of all servers when they are due, closely where statements are"
        " frequent. One is enough for a hundred servers at once; a second one shares the work. `up` runs it."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        watch = SessionWatch()

        def stop(number: int, frame: FrameType | None) -> None:
            watch.is_stopping = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        watch.run()
        sys.stderr.flush()
        os._exit(0)  # a thread may still wait for a server, which is nothing to wait for
