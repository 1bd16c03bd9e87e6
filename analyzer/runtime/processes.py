"""Starting child processes that outlive neither us nor their order.

Every child gets its own session, so that Ctrl-C in the terminal reaches only us and we stop the children
one after another. Should we die without doing so (kill -9), Linux sends each child a signal.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from analyzer.errors import PgLoupeError

PR_SET_PDEATHSIG = 1


class RuntimeFailure(PgLoupeError):
    """A part of the embedded runtime cannot start or stop; the text says which and what to do."""


@dataclass(frozen=True)
class SystemUser:
    """Whom a child runs as. ``None`` fields keep our own."""

    uid: int
    gid: int
    name: str


def _load_prctl() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None


_prctl = _load_prctl()


def spawn(
    command: Sequence[str],
    *,
    log_file: Path,
    user: SystemUser | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    death_signal: signal.Signals | None = signal.SIGTERM,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, its output appended to ``log_file``.

    ``death_signal`` reaches it when we die without stopping it. Linux ties that signal to the *thread* that
    started the child, so it is left out when called from any thread but the main one.
    """
    our_pid = os.getpid()
    prepare: Callable[[], None] | None = None
    prctl = _prctl
    in_main_thread = threading.current_thread() is threading.main_thread()
    if death_signal is not None and prctl is not None and in_main_thread:
        signal_number = int(death_signal)

        def prepare() -> None:
            prctl(PR_SET_PDEATHSIG, signal_number)
            if os.getppid() != our_pid:  # we died between fork and here
                os._exit(1)

    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            pass_fds=pass_fds,
        )


def wait_until_gone(pids: Sequence[int], timeout_s: float) -> bool:
    """True once none of the processes runs (a zombie of ours counts as gone)."""
    deadline = time.monotonic() + timeout_s
    while True:
        if not any(is_alive(pid) for pid in pids):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Called in a child: the kernel sends it ``number`` when its parent is gone (Linux only)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(number))


def kill_tree(pid: int) -> None:
    """SIGKILL a process and all its descendants, and wait until they are gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=10)


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def last_lines(log_file: Path, count: int = 12) -> str:
    """The end of a log, for the message that says why a child died."""
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-count:])
    except OSError:
        return ""
