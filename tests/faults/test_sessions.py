"""Looking at the sessions of many servers: one that hangs, refuses or stands still delays no other, and what is killed
comes back. One server is busy, so it is looked at closely; the others are in a bad way.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from tests import servers
from tests.conftest import need
from tests.running import Running
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.fault]
INTERVAL_S = 5
BAD = 24
LOOKS_MEANWHILE = 12
# of the busy server: when looks began, a look being what lies closer together than a second and a half
LOOKS = """
    select extract(epoch from taken_at)::float from (
        select taken_at, taken_at - lag(taken_at) over (order by taken_at) as apart from (
            select distinct taken_at from activity_sample a join analyzer_server s on s.id = a.server_id
            where s.name = %s) t
    ) t where apart is null or apart > interval '1.5 s' order by 1
"""


class Application:
    """Four sessions that always do something: hundreds of statements a second."""

    def __init__(self, dsn: str) -> None:
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(dsn,), daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def _run(self, dsn: str) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
                while not self.stopping.wait(0.02):
                    connection.execute("select id from item where id = %s", (7,))


@pytest.fixture(scope="module")
def busy() -> Iterator[ScratchDatabase]:
    server = need(lambda: servers.start_private(18))
    database = ScratchDatabase(server)
    database.execute("create table item (id int primary key)", "insert into item values (7)")
    application = Application(database.superuser_dsn)
    yield database
    application.stopping.set()
    for thread in application.threads:
        thread.join(10)
    server.cluster.remove()


@pytest.fixture(scope="module")
def up(busy: ScratchDatabase) -> Iterator[Running]:
    running = Running("up", busy.dsn, ANALYZER_SAMPLE_INTERVAL_S=str(INTERVAL_S))
    try:
        running.wait_for(lambda: len(looks(running, busy)) >= 3, "three looks")
        yield running
    finally:
        running.remove()


def looks(up: Running, busy: ScratchDatabase) -> list[float]:
    return [at for (at,) in up.store(LOOKS, f"{busy.name} on 127.0.0.1")]


def samples_of_a_look(up: Running) -> int:
    """Of the closest look there was."""
    [(most,)] = up.store(
        "select max(n) from (select count(distinct taken_at) as n from activity_sample"
        " group by server_id, floor(extract(epoch from taken_at) / 5)) t"
    )
    return int(most or 0)


def watcher(up: Running) -> psutil.Process:
    return next(p for p in up.processes("watch_sessions") if p.ppid() == up.process.pid)


def test_a_busy_server_is_looked_at_closely(up: Running, busy: ScratchDatabase) -> None:
    up.wait_for(lambda: samples_of_a_look(up) >= 12, "a close look")


def test_servers_that_hang_refuse_or_stand_still_delay_no_other(up: Running, busy: ScratchDatabase) -> None:
    stopped = need(lambda: servers.start_private(15))
    still = ScratchDatabase(stopped)
    with contextlib.ExitStack() as stack:
        dsns = [still.dsn, "postgresql://silent@127.0.0.1:1/app?sslmode=disable"]  # stands still; refuses
        for _ in range(BAD):  # take connections and say nothing
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            dsns.append(f"postgresql://silent@127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable")
        assert up.run_again("up", *dsns) == 0
        of_still = "select 1 from analyzer_stepstatus t join analyzer_server s on s.id = t.server_id"
        of_still += " where s.name = %s and t.step = 'activity' and t.last_success_at is not null"
        up.wait_for(lambda: up.store(of_still, f"{still.name} on 127.0.0.1"), "a look at the one that will stand")
        backends = [p for p in psutil.process_iter() if stopped.cluster.data_dir.name in " ".join(_cmdline(p))]
        family = [c for p in backends for c in [p, *p.children(recursive=True)]]
        for process in family:
            process.send_signal(signal.SIGSTOP)
        try:
            begun, rss = time.time(), watcher(up).memory_info().rss
            failing = "select count(distinct server_id) from analyzer_stepstatus where step = 'activity'"
            failing += " and failing_since is not null"
            up.wait_for(lambda: up.store(failing) == [(BAD + 2,)], "each of them failing")
            # one after the other, the bad ones would take minutes between any two of them
            up.wait_for(lambda: len([at for at in looks(up, busy) if at > begun]) >= LOOKS_MEANWHILE, "looks meanwhile")
            assert watcher(up).memory_info().rss - rss < 60_000_000
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
            stopped.cluster.remove()


def _cmdline(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline() if process.pid != os.getpid() else []
    return []


def test_the_store_away_for_a_while_stops_no_looking(up: Running, busy: ScratchDatabase) -> None:
    before, pid = len(looks(up, busy)), watcher(up).pid
    store = next(p for p in up.processes("bin/postgres") if p.ppid() == up.process.pid)
    store.send_signal(signal.SIGKILL)
    up.wait_for(lambda: len(looks(up, busy)) > before + 1, "further looks")
    assert watcher(up).pid == pid


def test_everything_stops_on_ctrl_c_while_servers_hang(up: Running) -> None:
    assert up.stop() == 0
