"""What the supervisor runs: child processes, PostgreSQL clusters, a Redis."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure, last_lines, spawn
from analyzer.runtime.redis import RedisServer


class RunningPart(Protocol):
    """One thing that runs. ``name`` is for people."""

    @property
    def name(self) -> str: ...
    @property
    def log_file(self) -> Path: ...
    @property
    def is_running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self, patience_s: float) -> None: ...


class ChildProcess:
    """A process with its log in ``log_dir/<name>.log``.

    ``env`` is added to our environment. On stop it gets SIGTERM, then SIGKILL with all of its own children
    when it has not ended within ``patience_s``. ``death_signal`` reaches it when we die without stopping it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_dir: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = "/",
        pass_fds: Sequence[int] = (),
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log_file = log_dir / f"{name.replace(' ', '-')}.log"
        self._env = dict(env or {})
        self._cwd = cwd
        self._pass_fds = tuple(pass_fds)
        self._death_signal = death_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As subprocess says it: negative for a signal; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        self._end_group()  # a killed parent may have left workers behind
        self._asked_to_stop = False
        self._process = spawn(
            self.command,
            log_file=self.log_file,
            env={**os.environ, **self._env},
            cwd=self._cwd,
            pass_fds=self._pass_fds,
            death_signal=self._death_signal,
        )

    def ask_to_stop(self) -> None:
        """SIGTERM, once: a second one makes Celery drop what it works on."""
        if self.is_running and self._process is not None and not self._asked_to_stop:
            self._asked_to_stop = True
            self._process.terminate()

    def stop(self, patience_s: float) -> None:
        if self._process is None:
            return
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._end_group()
        self._process.wait(10)

    def _end_group(self) -> None:
        """SIGKILL to whatever is left of its session (its process group has its number)."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class ClusterPart:
    """A PostgreSQL cluster under supervision."""

    def __init__(self, name: str, cluster: PostgresCluster) -> None:
        self.name, self.cluster = name, cluster

    @property
    def log_file(self) -> Path:
        return self.cluster.log_file

    @property
    def is_running(self) -> bool:
        return self.cluster.is_running

    def start(self) -> None:
        if self.cluster.is_running and not self.cluster.is_ours:
            self.cluster.stop()  # left over from a run that was killed; nobody else may use our var/ now
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.cluster.start()
            except RuntimeFailure:
                # After kill -9 of the postmaster its children need a moment to leave the shared memory.
                if "shared memory" not in last_lines(self.log_file) or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def stop(self, patience_s: float) -> None:
        self.cluster.stop(timeout_s=max(patience_s, 5.0))


class RedisPart:
    """redis-server under supervision."""

    name = "Redis"

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    @property
    def log_file(self) -> Path:
        return self.server.log_file

    @property
    def is_running(self) -> bool:
        return self.server.is_running

    def start(self) -> None:
        self.server.start()

    def stop(self, patience_s: float) -> None:
        self.server.stop(timeout_s=patience_s)
