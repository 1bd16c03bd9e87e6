"""`manage.py up` or `demo` as a process of its own, with its own ``var`` directory, for tests that use it whole."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from analyzer.runtime.processes import SystemUser, free_port, wait_until_gone
from tests.environment import IN_VAIN_S, SESSION_DIR
from tests.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[1]
KINDS = ("out", "err")


class Running:
    """``var_dir``: one that is used again after another; ``user``: somebody else than who runs the tests.

    ``program``: another command line than manage.py's, run in ``cwd``.
    """

    def __init__(
        self,
        command: str,
        *arguments: str,
        var_dir: Path | None = None,
        port: int | None = None,
        user: SystemUser | None = None,
        python: str = sys.executable,
        program: Sequence[str] = (),
        cwd: Path = REPOSITORY,
        **env: str,
    ) -> None:
        self.var_dir = var_dir or new_var_dir(command)
        self.var_dir.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self._files = [self.var_dir.with_name(f"{self.var_dir.name}.{os.urandom(3).hex()}.{kind}") for kind in KINDS]
        inherited = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL", "CI"}}
        self._env = {**inherited, "PGLOUPE_VAR_DIR": str(self.var_dir), "PYTHONDONTWRITEBYTECODE": "1", **env}
        with self._files[0].open("w") as stdout, self._files[1].open("w") as stderr:
            self.process = subprocess.Popen(
                [*(program or (python, "manage.py")), command, "--port", str(self.port), *arguments],
                cwd=cwd,
                env=self._env,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
            )

    def run_again(self, command: str, *arguments: str) -> int:
        """The command once more beside the running one; its exit code."""
        again = [sys.executable, "manage.py", command, *arguments]
        return subprocess.run(again, cwd=REPOSITORY, env=self._env, stdout=subprocess.DEVNULL, check=False).returncode

    @property
    def stdout(self) -> str:
        return self._files[0].read_text()

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    @property
    def output(self) -> str:
        """What it announced, then all it said."""
        return self.stdout + self.stderr

    @property
    def url(self) -> str:
        """Of the pages; waits for it."""
        return self.login_link.partition("/login/")[0]

    @property
    def login_link(self) -> str:
        self.wait_for(lambda: "Log in once with" in self.output, "the login link")
        found = re.search(r"Log in once with (\S+)", self.output)
        assert found
        return found.group(1)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = IN_VAIN_S) -> Any:
        """The first true result of ``condition``; fails with the output and the failing steps."""

        def look() -> Any:
            found = condition()
            assert found or self.process.poll() is None, f"it ended while waiting for {what}: {self.output}"
            return found

        return wait_for(look, lambda: f"for {what}: {self.output}\n{self.failing()}", timeout_s=timeout_s, every_s=0.2)

    def store(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the store; none while it is away or not migrated yet."""
        try:
            url = json.loads((self.var_dir / "up.json").read_text())["database_url"]
            with psycopg.connect(url) as connection:
                return connection.execute(statement.encode(), values or None).fetchall()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, FileNotFoundError):
            return []

    def failing(self) -> list[tuple[Any, ...]]:
        return self.store("select step, last_error from analyzer_stepstatus where last_error <> '' order by step")

    def processes(self, words: str) -> list[psutil.Process]:
        """Its descendants whose command line holds ``words``."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def family(self) -> list[int]:
        """Process ids of all its descendants."""
        return [p.pid for p in psutil.Process(self.process.pid).children(recursive=True)]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Its exit code; nothing of it is left."""
        family = self.family()
        self.process.send_signal(number)
        code = self.process.wait(IN_VAIN_S)
        assert wait_until_gone(family, IN_VAIN_S)
        return code

    def remove(self) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.var_dir, ignore_errors=True)
        for file in self._files:
            file.unlink(missing_ok=True)


def status(url: str) -> int | None:
    """Of the answer; None while there is none."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as response:
        return int(response.status)
    return None


def new_var_dir(command: str) -> Path:
    """Where nothing is yet."""
    return SESSION_DIR / f"{command}-{os.urandom(3).hex()}"
