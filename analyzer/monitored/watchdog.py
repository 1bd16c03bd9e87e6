"""Ends what ignores its statement_timeout: a second session cancels, then terminates; at last we hang up ourselves.

plpgsql's ``EXCEPTION WHEN query_canceled`` swallows the timeout and a cancel (tried); only
pg_terminate_backend ends such a run, and a role may use it on its own sessions.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analyzer.errors import MonitoredServerError
from analyzer.monitored.connection import ConnectionSettings, MonitoredConnection, connect
from analyzer.monitored.explain.gate_limits import ExplainLimits

GONE_WITHIN_S = 1.0  # a backend that was terminated cleans up first
HANG_UP_AFTER_S = 3.0  # after terminating: the server itself hangs, so only this side can end it


@dataclass(frozen=True, slots=True)
class Backend:
    """A server process; its pid may be reused, its start time tells."""

    pid: int
    backend_start: datetime


class Watchdog:
    """Holds its own session from the start, so that a full server cannot keep it out when it is needed."""

    def __init__(self, connection: MonitoredConnection, limits: ExplainLimits) -> None:
        self._connection, self._limits = connection, limits
        self.terminated = False  # of the last run watched
        self._backend: Backend | None = None

    @contextlib.contextmanager
    def watching(self, guarded: MonitoredConnection, backend: Backend, timeout_ms: int) -> Iterator[None]:
        self.terminated = False
        self._backend = backend
        done = threading.Event()
        thread = threading.Thread(
            target=self._watch, args=(guarded.raw.fileno(), backend, timeout_ms, done), name="watchdog", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _watch(self, fileno: int, backend: Backend, timeout_ms: int, done: threading.Event) -> None:
        begun = time.monotonic()
        steps = (
            (self._limits.cancel_after_s, self._cancel),
            (self._limits.terminate_after_s, self._terminate),
            (self._limits.terminate_after_s + HANG_UP_AFTER_S, lambda _: _hang_up(fileno)),
        )
        for after_s, act in steps:
            if done.wait(max(0.0, timeout_ms / 1000 + after_s - (time.monotonic() - begun))):
                return
            act(backend)

    @property
    def pid_in_words(self) -> str:
        return f" {self._backend.pid}" if self._backend is not None else ""

    def has_ended_it(self) -> bool:
        """Whether the backend that was to be terminated is gone; False where that cannot be told."""
        with contextlib.suppress(MonitoredServerError):
            deadline = time.monotonic() + GONE_WITHIN_S
            while self._backend is not None and self._connection.is_usable:
                backend = {"pid": self._backend.pid, "backend_start": self._backend.backend_start}
                ((is_there,),) = self._connection.run("watchdog_look", backend, action="looking for a session of ours")
                if not is_there:
                    return True
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        return False

    def _cancel(self, backend: Backend) -> None:
        self._send("watchdog_cancel", backend, "cancelling a statement of ours")

    def _terminate(self, backend: Backend) -> None:
        self.terminated = True
        self._send("watchdog_terminate", backend, "ending a session of ours")

    def _send(self, name: str, backend: Backend, action: str) -> None:
        # a lost watchdog session is no reason to stop: the last step needs none
        with contextlib.suppress(MonitoredServerError):
            self._connection.run(name, {"pid": backend.pid, "backend_start": backend.backend_start}, action=action)


@contextlib.contextmanager
def watchdog(settings: ConnectionSettings, limits: ExplainLimits) -> Iterator[Watchdog]:
    with connect(settings, statement_timeout_ms=1_000) as connection:
        yield Watchdog(connection, limits)


def _hang_up(fileno: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fileno)) as twin:
        twin.shutdown(socket.SHUT_RDWR)
