"""What breaks in the night: the monitored server, Redis, the store, a worker. Nothing stored is lost, the page
says what happens, work goes on by itself.

One `manage.py up` watches a server of its own that is always at work; every test breaks one thing and puts it back.
"""

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg
import pytest

from tests import servers
from tests.conftest import need
from tests.environment import IN_VAIN_S
from tests.running import Running, status
from tests.servers import ScratchDatabase
from tests.waiting import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.fault]
SNAPSHOTS = "select count(*), max(taken_at) from analyzer_snapshot where gap_reason = ''"


class Application:
    """Sends statements all the time; comes back when its server does."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.stopping = dsn, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.stopping.wait(0.1):
                    connection.execute("select count(*) from item where kind = %s", (7,))
            self.stopping.wait(0.5)


@pytest.fixture(scope="module")
def monitored() -> Iterator[ScratchDatabase]:
    server = need(lambda: servers.start_private(18))
    database = ScratchDatabase(server)
    database.execute(
        "create table item (id int primary key, kind int)",
        "insert into item select n, n % 5000 from generate_series(1, 60000) n",
        "analyze item",
    )
    application = Application(database.superuser_dsn)
    yield database
    application.stopping.set()
    application.thread.join(10)
    server.cluster.remove()


@pytest.fixture(scope="module")
def up(monitored: ScratchDatabase) -> Iterator[Running]:
    running = Running("up", monitored.dsn, ANALYZER_SAMPLE_INTERVAL_S="5")
    try:
        running.wait_for(lambda: count(running) >= 2, "two snapshots")
        yield running
    finally:
        running.remove()


def count(up: Running) -> int:
    rows = up.store(SNAPSHOTS)
    return rows[0][0] if rows else 0


def wait_for_another_snapshot(up: Running, before: int, timeout_s: float = IN_VAIN_S) -> None:
    up.wait_for(lambda: count(up) > before, "a further snapshot", timeout_s)


def error_of(up: Running, step: str) -> Any:
    rows = up.store("select last_error, failing_since from analyzer_stepstatus where step = %s", step)
    return rows[0] if rows and rows[0][0] else None


def test_the_watched_statement_gets_its_finding(up: Running) -> None:
    found = up.wait_for(
        lambda: up.store("select code, message from analyzer_findingrecord where code = 'PL004'"), "PL004"
    )
    assert "Seq Scan on item read 60,000 rows to keep 12." in found[0][1]


def test_a_killed_server_is_down_since_and_comes_back(up: Running, monitored: ScratchDatabase) -> None:
    before = count(up)
    monitored.server.cluster.kill()
    text, since = up.wait_for(lambda: error_of(up, "snapshot"), "the server's being down")
    assert text.startswith("Cannot connect to 127.0.0.1:") or "was lost while" in text
    assert since is not None
    assert count(up) >= before  # what was stored is there
    monitored.server.cluster.start()
    up.wait_for(lambda: not error_of(up, "snapshot"), "the server's being back")
    wait_for_another_snapshot(up, before)
    # Counters of pg_stat_statements die with a killed server: a gap, never a negative or a spike.
    assert up.store("select count(*) from statement_delta where calls < 0 or total_exec_time_us < 0") == [(0,)]
    gaps = up.store("select gap_reason from analyzer_snapshot where gap_reason <> '' order by taken_at")
    assert len(gaps) >= 2  # the first reading, and this one


def test_a_killed_server_during_explain_costs_the_step_only(up: Running, monitored: ScratchDatabase) -> None:
    """The statement is made slow enough for the kill to hit EXPLAIN ANALYZE while it runs."""
    with monitored.connect() as connection:
        connection.execute("create table wide as select n, repeat('x', 300) as t from generate_series(1, 300000) n")
        connection.execute("analyze wide")
        for _ in range(3):
            connection.execute("select count(*) from wide a where t like '%y%' and n > 5")
    executing = "select 1 from pg_stat_activity where query like 'EXPLAIN /* pgloupe */%ANALYZE%' and state = 'active'"
    with contextlib.suppress(psycopg.OperationalError), monitored.connect() as connection:
        wait_for(lambda: connection.execute(executing).fetchall(), every_s=0.01)
    before = count(up)
    monitored.server.cluster.kill()
    monitored.server.cluster.start()
    wait_for_another_snapshot(up, before)
    up.wait_for(lambda: error_of(up, "explain") is None, "EXPLAIN's going on")


def test_reset_statistics_leave_a_gap(up: Running, monitored: ScratchDatabase) -> None:
    before = count(up)
    with monitored.connect() as connection:
        connection.execute("select pg_stat_statements_reset()")
    wait_for_another_snapshot(up, before)
    reasons = [row[0] for row in up.store("select gap_reason from analyzer_snapshot where gap_reason <> ''")]
    assert any("reset" in reason for reason in reasons), reasons
    assert up.store("select count(*) from statement_delta where calls < 0") == [(0,)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("web", "gunicorn"),
        ("Redis", "redis-server"),
        ("PostgreSQL", "bin/postgres"),
        ("worker-tick", "--queues tick"),
        ("worker-sample", "--queues sample"),
        ("sessions", "watch_sessions"),
        ("beat", " beat "),
    ],
)
def test_a_killed_part_comes_back_and_nothing_stored_is_lost(up: Running, name: str, words: str) -> None:
    before = count(up)
    victim = child(up, words)
    said = len(up.stderr)
    victim.send_signal(signal.SIGKILL)
    up.wait_for(lambda: f"{name} runs again." in up.stderr[said:], f"{name}'s return")
    assert re.search(rf"^{name} (was ended by SIGKILL|ended); the end of ", up.stderr[said:], re.MULTILINE)
    assert child(up, words).pid != victim.pid
    up.wait_for(lambda: count(up) >= before, "the store with all its snapshots")
    wait_for_another_snapshot(up, before + 1)  # the next could have been on its way already
    up.wait_for(lambda: status(up.url + "/login/") == 200, "the pages")


def child(up: Running, words: str) -> psutil.Process:
    """A part of it, not the part's own processes."""
    return next(p for p in up.processes(words) if p.ppid() == up.process.pid)


def test_a_server_that_never_answers_delays_no_other(up: Running) -> None:
    """It takes connections and says nothing: every step on it lasts until its time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://somebody@127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable"
        assert up.run_again("up", dsn) == 0
        silent_error = (
            "select t.last_error from analyzer_stepstatus t join analyzer_server s on s.id = t.server_id"
            " where s.\"user\" = 'somebody' and t.step = 'snapshot' and t.last_error <> ''"
        )
        [(text,)] = up.wait_for(lambda: up.store(silent_error), "the silent server's error")
        assert text.startswith("Cannot connect to 127.0.0.1:")
        up.wait_for(lambda: is_sampled_meanwhile(up, silent), "a sample while a step waits for the silent server")


def is_sampled_meanwhile(up: Running, silent: socket.socket) -> bool:
    """Whether another server was sampled between a step's connecting to the silent one and its giving up."""
    silent.settimeout(IN_VAIN_S)
    waiting, _ = silent.accept()
    with waiting:
        before = count(up)
        while count(up) == before:
            if not is_open(waiting):
                return False
            time.sleep(0.1)
    return True


def is_open(connection: socket.socket) -> bool:
    try:
        while connection.recv(1024, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return True
    return False


def test_redis_killed_while_a_task_runs_ends_no_worker(up: Running) -> None:
    """The task's message can no longer be acknowledged when the task ends; kombu fails on that in a way of its own."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://late@127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable"
        assert up.run_again("up", dsn) == 0
        failed = "select last_error from analyzer_stepstatus t join analyzer_server s on s.id = t.server_id where"
        failed += " s.\"user\" = 'late' and t.step = 'snapshot' and t.last_error <> ''"
        silent.settimeout(IN_VAIN_S)
        waiting, _ = silent.accept()  # from here on a task waits for our answer, for seconds
        workers = worker_pids(up)
        assert len(workers) == 3
        child(up, "redis-server").send_signal(signal.SIGKILL)
        up.wait_for(lambda: up.store(failed), "that task's end")
        waiting.close()
        wait_for_another_snapshot(up, count(up) + 1)
        assert worker_pids(up) == workers


def worker_pids(up: Running) -> list[int]:
    """Of the workers themselves, not of the processes of their pools."""
    return sorted(p.pid for p in up.processes(" worker ") if p.ppid() == up.process.pid)


def test_everything_stops_on_ctrl_c(up: Running) -> None:
    assert up.stop() == 0
