"""Sixty servers of 4,500 changing statements each, sampled every minute by pgLoupe as it runs: is it on time?

What is real: `manage.py up` with all its processes, its store and its Redis; reading, deltas, texts, sessions (each
server looked at closely, ten times a second for two seconds in ten), EXPLAIN, checks and advice. What is not: the sixty
servers are sixty registrations, by as many logins, of two PostgreSQL clusters that run 4,500 statements a minute and
forty sessions of look-ups. pgLoupe reads, stores and judges each as one of its own; only the work of the monitored side
is that of two servers, and it shares this machine.

`FLEET_SERVERS`, `FLEET_MINUTES`, `FLEET_INTERVAL_S` and `FLEET_FIRST_S` change its size.
"""

import contextlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg

from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import free_port
from bench.monitored import MonitoredServer
from bench.results import Context, Result, median

SERVERS = int(os.environ.get("FLEET_SERVERS", "60"))
MINUTES = float(os.environ.get("FLEET_MINUTES", "6"))
INTERVAL_S = int(os.environ.get("FLEET_INTERVAL_S", "60"))
CLUSTERS, STATEMENTS, SESSIONS = 2, 4_500, 20
LATE_S = 5.0  # a sample that comes so much later than its interval is late
FIRST_S = float(os.environ.get("FLEET_FIRST_S", "900"))  # at the most for the texts of all, before measuring
# of processes, by words of their command lines; the first that fits
ROLES = (
    ("worker-tick", "--queues tick"), ("worker-sample", "--queues sample"), ("worker-explain", "--queues explain"),
    ("sessions", "watch_sessions"), ("beat", " beat "), ("web", "gunicorn"), ("Redis", "redis-server"),
    ("Redis", "valkey-server"), ("supervisor", "manage.py up"),
)  # fmt: skip
GAPS = """
    select extract(epoch from taken_at - lag(taken_at) over (partition by server_id order by taken_at))::float
    from analyzer_snapshot where taken_at > %s
"""
LOOKS = """
    select count(distinct (server_id, taken_at)) from activity_sample where taken_at > now() - interval '2 minutes'
"""


class Busy:
    """Runs every statement once a minute, and look-ups in some sessions all the time."""

    def __init__(self, monitored: MonitoredServer) -> None:
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._all, args=(monitored,))]
        dsn = monitored.cluster.dsn("shop")
        self.threads += [threading.Thread(target=self._some, args=(dsn,)) for _ in range(SESSIONS)]
        for thread in self.threads:
            thread.start()

    def _all(self, monitored: MonitoredServer) -> None:
        while not self.stopping.is_set():
            begun = time.monotonic()
            for i in range(0, len(monitored.statements), 100):
                if self.stopping.is_set():
                    return
                with monitored.connection.pipeline():
                    for statement in monitored.statements[i : i + 100]:
                        monitored.connection.execute(statement)
                even = INTERVAL_S * (i + 100) / len(monitored.statements)
                self.stopping.wait(max(0.0, begun + even - time.monotonic()))

    def _some(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not self.stopping.wait(0.2 + 0.2 * random.random()):
                connection.execute("select c1, c2 from t00 where id = %s", (random.randrange(1, 8000),))

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)


def measure(context: Context) -> list[Result]:
    with contextlib.ExitStack() as stack:
        monitored = []
        for n in range(CLUSTERS):
            monitored.append(MonitoredServer(context.place / f"fleet-{n}", STATEMENTS, max_connections=300))
            stack.callback(monitored[-1].stop)
            _make_logins(monitored[-1])
            monitored[-1].run_all()
        for server in monitored:
            stack.callback(Busy(server).stop)
        up = _Up(context.place / "fleet-var")
        stack.callback(up.stop)
        up.register([monitored[n % CLUSTERS].cluster for n in range(SERVERS)])
        begun = time.monotonic()
        first_s = up.wait(lambda: up.one("select count(distinct server_id) from analyzer_snapshot") == SERVERS, begun)
        texts_s = up.wait(lambda: up.one(
            "select count(*) from analyzer_server s where not exists (select 1 from analyzer_statemententry e"
            " where e.server_id = s.id and e.statement_id is null and not e.is_own)") == SERVERS, begun)  # fmt: skip
        read = "texts of all of them" if texts_s < FIRST_S else "texts: as far as they came in"
        return [*_while_running(up), Result("first sample of all of them", first_s, "s"), Result(read, texts_s, "s")]


def _while_running(up: "_Up") -> list[Result]:
    since, cpu = up.one("select clock_timestamp()"), up.cpu_s()
    textless = up.one("select count(*) from analyzer_statemententry where statement_id is null and not is_own")
    begun, load = time.monotonic(), []
    while time.monotonic() - begun < MINUTES * 60:
        time.sleep(5)
        load.append(psutil.cpu_percent())
    passed_s = time.monotonic() - begun
    used = {role: s - cpu.get(role, 0.0) for role, s in up.cpu_s().items()}
    gaps = [gap for (gap,) in up.rows(GAPS, since) if gap is not None]
    wanted = SERVERS * (passed_s / INTERVAL_S)
    late = [gap - INTERVAL_S for gap in gaps if gap > INTERVAL_S + LATE_S]
    missed = sum(max(0, int((gap + LATE_S) / INTERVAL_S) - 1) for gap in gaps)
    changed = up.one("select avg(changed_entries)::float from analyzer_snapshot where taken_at > %s", since)
    looks = up.one(LOOKS) / 120 / SERVERS * 10
    memory = up.memory_mb()
    return [
        Result(f"servers, sampled every {INTERVAL_S} s", SERVERS, ""),
        Result("statements changed in a sample, on average", changed or 0.0, ""),
        Result("texts not read yet when measuring began", textless, ""),
        Result("samples taken / wanted", (len(gaps) + SERVERS) / wanted if wanted else 0.0, "x"),
        Result(f"samples more than {LATE_S:g} s late", len(late), "", max(1.0, 0.01 * len(gaps))),
        Result("samples left out", missed, "", 0),
        Result("  the latest", max(late, default=max((g - INTERVAL_S for g in gaps), default=0.0)), "s"),
        Result("looks at sessions in ten seconds, per server", looks, ""),
        Result("steps failing", up.one("select count(*) from analyzer_stepstatus where failing_since is not null"), ""),
        Result("processor of this machine used, the monitored servers' too", median(load), "%"),
        *(Result(f"  of a core: {role}", 100 * s / passed_s, "%") for role, s in sorted(used.items(), key=_by_figure)),
        Result("memory of all processes (PSS), the store's shared buffers once", sum(memory.values()), "MB"),
        *(Result(f"  {role}", mb, "MB") for role, mb in sorted(memory.items(), key=_by_figure)),
    ]


def _by_figure(item: tuple[str, float]) -> float:
    return -item[1]


def _make_logins(monitored: MonitoredServer) -> None:
    with psycopg.connect(monitored.cluster.dsn("shop"), autocommit=True) as connection:
        for n in range(SERVERS):
            connection.execute(f"create role loupe{n:02} login in role pg_monitor".encode())
            connection.execute(f"grant select on all tables in schema public to loupe{n:02}".encode())


class _Up:
    """`manage.py up`, with its own ``var``, and what its store and its processes tell."""

    def __init__(self, var: Path) -> None:
        outside = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        self.env = {**outside, "PGLOUPE_VAR_DIR": str(var)}
        self.log = var.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(free_port())], env=self.env, stdout=log, stderr=log
            )
        self.wait(lambda: "Log in once" in self.log.read_text(), time.monotonic())
        text = (var / "up.json").read_text()
        url = re.search(r'"database_url": "([^"]+)"', text)
        assert url
        self.connection = psycopg.connect(url.group(1), autocommit=True)

    def register(self, clusters: list[PostgresCluster]) -> None:
        """Straight into the store: that several are of one cluster is no matter here."""
        rows = [
            f"Server.objects.create(name='s{n:02}', slug='s{n:02}', host={str(c.socket_dir)!r}, port={c.port},"
            f" user='loupe{n:02}', dbname='shop', sslmode='disable', is_address_trusted=True,"
            f" sample_interval_s={INTERVAL_S})"
            for n, c in enumerate(clusters)
        ]
        script = "from analyzer.models import Server\n" + "\n".join(rows)
        shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]
        subprocess.run(shell, env=self.env, check=True)

    def wait(self, condition: Callable[[], object], begun: float) -> float:
        """Seconds since ``begun`` until it is so, FIRST_S at the most."""
        while not condition() and time.monotonic() - begun < FIRST_S:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(1)
        return time.monotonic() - begun

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement.encode(), values or None).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        return self.rows(statement, *values)[0][0]

    def by_role(self) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = defaultdict(list)
        above = psutil.Process(self.process.pid)
        for process in [above, *above.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                twin = "twins" in line or "twin" in process.cwd()
                role = next((r for r, words in ROLES if words in line), None)
                role = role or ("twins" if twin else "store" if "postgres" in line else "others")
                found[role].append(process)
        return found

    def cpu_s(self) -> dict[str, float]:
        used: dict[str, float] = defaultdict(float)
        for role, processes in self.by_role().items():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    used[role] += sum(process.cpu_times()[:4])  # those that ended are in their parent's
        return used

    def memory_mb(self) -> dict[str, float]:
        """Proportional: what processes share counts once."""
        used: dict[str, float] = defaultdict(float)
        for role, processes in self.by_role().items():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    used[role] += process.memory_full_info().pss / 1e6
        return used

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(60)
