"""The supervisor's loop on real processes: crashes, restarts, signals, what it leaves behind."""

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from analyzer.runtime import watch as watch_module
from analyzer.runtime.instance import AlreadyRunning, InstanceLock, Running
from analyzer.runtime.parts import ChildProcess
from analyzer.runtime.processes import is_alive, wait_until_gone
from analyzer.runtime.watch import PartsWatch
from tests.environment import IN_VAIN_S
from tests.waiting import wait_for

pytestmark = pytest.mark.fault
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def watch(said, monkeypatch):
    monkeypatch.setattr(watch_module, "RESTART_DELAYS_S", (0.1, 0.1))
    made = PartsWatch(said.append, patience_s=2)
    yield made
    made.stop_all()


def python(name, code, tmp_path):
    return ChildProcess(name, [sys.executable, "-c", code], log_dir=tmp_path)


def signal_us_after(delay_s, number=signal.SIGINT):
    threading.Timer(delay_s, os.kill, (os.getpid(), number)).start()


class Store:
    """A part that notes which children still run when it is stopped."""

    name, is_running = "store", True

    def __init__(self, log_file, children):
        self.log_file, self.children, self.running_at_stop = log_file, children, None

    def start(self):
        pass

    def stop(self, patience_s):
        self.running_at_stop = [child.name for child in self.children if child.is_running]


def test_a_stop_signal_ends_children_before_the_store_they_use(watch, tmp_path):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit(0)))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    children = [python(name, code, tmp_path) for name in ("first", "second")]
    store = Store(tmp_path / "store.log", children)
    with watch.signals():
        for part in (store, *children):
            watch.start(part)
        for child in children:
            wait_for(lambda c=child: "ready" in c.log_file.read_text())
        signal_us_after(0.1)
        assert watch.run() == 0
    assert store.running_at_stop == []
    assert [child.exit_code for child in children] == [0, 0]  # each was asked once and could finish


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_while_starting_stops_what_has_started(watch, tmp_path, number):
    child = python("early", SLEEP, tmp_path)
    with watch.signals():
        watch.start(child)
        signal_us_after(0.1, number)
        time.sleep(IN_VAIN_S)
        pytest.fail("the signal did not interrupt the start")
    assert not is_alive(child.pid)


def test_a_crashed_child_is_started_again(watch, said, tmp_path):
    marker = tmp_path / "second-run"
    code = f"""
import os, sys, time
if not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    sys.exit("out of luck")
time.sleep(60)"""
    child = python("fragile", code, tmp_path)
    with watch.signals():
        watch.start(child)
        wait_for(marker.exists)
        signal_us_after(2.0)
        assert watch.run() == 0
    assert said == [
        f"fragile ended with exit code 1; the end of {tmp_path / 'fragile.log'}:\n    out of luck\n"
        " Starting it again in 0 s.",
        "fragile runs again.",
    ]


def test_one_that_keeps_crashing_ends_everything(watch, said, tmp_path):
    healthy = python("healthy", SLEEP, tmp_path)
    with watch.signals():
        watch.start(healthy)
        watch.start(python("broken", "import sys; sys.exit(3)", tmp_path))
        assert watch.run() == 1
    assert not is_alive(healthy.pid)
    assert "broken ended with exit code 3" in said[-1]
    assert "It ended 3 times within 10 minutes; stopping." in said[-1]


def test_one_that_ignores_sigterm_is_killed_with_its_own_children(watch, tmp_path):
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(p.pid, flush=True); time.sleep(60)"
    )
    stubborn = python("stubborn", code, tmp_path)
    with watch.signals():
        watch.start(stubborn)
        wait_for(lambda: stubborn.log_file.read_text().endswith("\n"))
        signal_us_after(0.1)
        watch.run()
    grandchild = int(stubborn.log_file.read_text())
    assert wait_until_gone([stubborn.pid, grandchild], IN_VAIN_S)


def test_workers_that_a_killed_child_left_behind_end_before_it_starts_again(watch, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(p.pid, flush=True); time.sleep(60)"
    )
    child = python("pool", code, tmp_path)
    watch.start(child)
    wait_for(lambda: child.log_file.read_text().endswith("\n"))
    orphan = int(child.log_file.read_text())
    psutil.Process(child.pid).kill()
    wait_for(lambda: not child.is_running)
    assert is_alive(orphan)
    child.start()
    assert wait_until_gone([orphan], IN_VAIN_S)


def test_a_log_over_its_limit_is_cut_and_goes_on(watch, tmp_path, monkeypatch):
    monkeypatch.setattr(watch_module, "LOG_LIMIT_BYTES", 1000)
    child = python("chatty", "import sys, time\nwhile 1: print('x' * 99, flush=True); time.sleep(.01)", tmp_path)
    watch.start(child)
    wait_for(lambda: child.log_file.stat().st_size > 1000)
    watch._cut_logs()
    assert (tmp_path / "chatty.log.1").stat().st_size > 1000
    wait_for(lambda: 0 < child.log_file.stat().st_size < 1000 or child.log_file.read_bytes()[:1] == b"x")
    assert b"\0" not in child.log_file.read_bytes()


def test_only_one_holds_the_lock_and_the_next_learns_its_address(tmp_path):
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    running = Running(os.getpid(), "http://127.0.0.1:8000", "postgresql://x", "redis://y")
    first.acquire()
    with pytest.raises(AlreadyRunning) as while_starting:
        second.acquire()
    first.publish(running)
    with pytest.raises(AlreadyRunning) as when_ready:
        second.acquire()
    assert (while_starting.value.running, when_ready.value.running) == (None, running)
    assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0
    first.release()
    second.acquire()
    second.release()
