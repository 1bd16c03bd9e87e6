"""Ends, from outside, a statement on the twin that outlives its time limit.

``statement_timeout`` asks a session to stop, which is heard where PostgreSQL looks for interrupts. A product of two
numbers of 130,000 digits looks for none, and a plpgsql function may catch what it hears. So a thread looks on: it
ends the session (SIGTERM, which no function can catch), and kills the process where that is not heard either.
PostgreSQL then ends as a whole, as it must when a process of its own dies without a word; the twin is made anew.
"""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg

from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.twin import limits

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2


class TwinEnded(Exception):
    """A session is lost, and mostly the twin's PostgreSQL with it. ``reason``: a sentence for what was asked of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds for all that is asked of a twin, and until when (monotonic) that is."""

    limit_s: float
    until_s: float

    def need(self) -> None:
        if time.monotonic() > self.until_s:
            raise RuntimeFailure(f"It took longer than {self.limit_s:.0f} s and was stopped; ask for less at a time")


class TwinWatch:
    """Over the sessions of one twin, of which one is busy at a time (a twin is for one thread)."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self.sent: signal.Signals | None = None  # to the session that was busy last
        self.budget: Budget | None = None
        self._cluster = cluster
        self._lock = threading.Lock()
        self._busy: tuple[int, float] | None = None  # process id, time (monotonic) at which it should be done
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="twin watch", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def over(self, pid: int) -> Iterator[None]:
        """Meanwhile the session with that process id is ended when it outlives the timeout."""
        if self.budget is not None:
            self.budget.need()
        with self._lock:
            self.sent = None
            self._busy = (pid, time.monotonic() + limits.TIMEOUT_MS / 1000)
        try:
            yield
        finally:
            with self._lock:
                self._busy = None

    def why_lost(self) -> str:
        """One sentence, after a session was lost."""
        if self.sent is not None:
            return f"Planning it took longer than {limits.TIMEOUT_MS // 1000} s on the twin and was ended."
        return "The twin's planner gave up on it: it needed too much memory, or it crashed."

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            with self._lock:  # so that nothing is sent to a process whose statement has just ended
                if self._busy is None:
                    continue
                late_s = time.monotonic() - self._busy[1]
                if late_s > limits.KILL_AFTER_S and self.sent is not signal.SIGKILL:
                    self._send(self._busy[0], signal.SIGKILL)
                elif late_s > limits.TERMINATE_AFTER_S and self.sent is None:
                    self._send(self._busy[0], signal.SIGTERM)

    def _send(self, pid: int, number: signal.Signals) -> None:
        self.sent = number
        try:
            if psutil.Process(pid).ppid() != self._cluster.pid:
                return  # it has ended, and the number may belong to somebody else
            os.kill(pid, number)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return
        except PermissionError:  # in some containers root may not do it for others
            user = self._cluster.user
            subprocess.run(
                ["/bin/sh", "-c", f"kill -{int(number)} {pid}"], check=False, capture_output=True, cwd="/", timeout=10,
                user=user.uid if user else None, group=user.gid if user else None, extra_groups=[] if user else None,
            )  # fmt: skip
        logger.info("A session of the twin outlived its time limit and was sent %s", number.name)


class WatchedConnection(psycopg.Connection[Any]):
    """As psycopg's; every wait for an answer is watched, and TwinEnded says that the session was lost."""

    watch: TwinWatch | None = None

    def wait(self, *args: Any, **options: Any) -> Any:
        if self.watch is None:
            return super().wait(*args, **options)
        try:
            with self.watch.over(self.info.backend_pid):
                answer = super().wait(*args, **options)
        except psycopg.Error as error:
            if self._is_doomed(self.watch):
                raise TwinEnded(self.watch.why_lost()) from error
            raise
        if self._is_doomed(self.watch):
            raise TwinEnded(self.watch.why_lost())
        return answer

    def _is_doomed(self, watch: TwinWatch) -> bool:
        """Lost, or about to be: it may answer in the moment in which the signal is on its way."""
        if watch.sent is not None:
            self.close()
        return self.closed or self.broken
