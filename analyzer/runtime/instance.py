"""One pgLoupe per ``var/``: a lock the kernel drops when its holder dies, and what the holder tells."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, repr=False)
class Running:
    """What the running one told: its process, its address, and how children reach its store and queue."""

    pid: int
    url: str
    database_url: str
    redis_url: str


class AlreadyRunning(Exception):
    """Another process holds the lock. ``running`` is None while it is still starting."""

    def __init__(self, running: Running | None) -> None:
        super().__init__(running)
        self.running = running


class InstanceLock:
    """Held from ``acquire`` to ``release``; the file stays, only the lock counts."""

    def __init__(self, var_dir: Path) -> None:
        self._lock_path = var_dir / "up.lock"
        self._state_path = var_dir / "up.json"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise AlreadyRunning."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        file = self._lock_path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyRunning(self._read()) from None
        self._file = file
        self._state_path.unlink(missing_ok=True)

    def publish(self, running: Running) -> None:
        draft = self._state_path.with_name(f"{self._state_path.name}.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(running), file)
        draft.replace(self._state_path)

    def release(self) -> None:
        if self._file is not None:
            self._state_path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def holder(self) -> Running | None:
        """What the process that holds the lock told; None where there is none, or it is starting."""
        try:
            with self._lock_path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except OSError:
            return self._read()
        return None

    def _read(self) -> Running | None:
        try:
            return Running(**json.loads(self._state_path.read_text()))
        except (OSError, ValueError, TypeError):
            return None
