"""The projects of tests/apps under mixed random traffic, watched as pgLoupe watches: statements and counters are real.

What is left out is the time in which nothing happens: an interval of 60 s is the requests that come in 60 s, one after
another, and its counters are read when they are done. Sessions are looked at meanwhile, as long and as often as they
would be while somebody is at work: two seconds out of ten.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.behaviour.sessions import Execution
from analyzer.behaviour.workload import Origin
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, MonitoredConnection, connect
from analyzer.monitored.readings import COUNTERS, ActivityRow, is_ours
from analyzer.monitored.sample.activity import sample_burst
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.runtime.postgres import PostgresCluster
from analyzer.statements.routes import file_name, route_name
from analyzer.statements.secrets import comment_tags, redact_sql
from analyzer.steps.activity import BURST_HZ, BURST_S
from tests.apps.documented import PYTHON, files_of_the_document
from tests.apps.recorded import INTERVALS, Recording

PROJECTS = ("library", "festival")
LOOK_EVERY_S = 10.0
PROBED = 4  # requests of each page, by themselves, to know what it repeats
PER_MINUTE = {"low": 2.5, "high": 6.0}  # requests of a page; a poll comes ten times as often, a job once
WANDERS, COMMON = 0.15, 0.1  # of a page's rate, from minute to minute: by itself, and with all others
SETTINGS: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements",
    "track_activity_query_size": 4096,
    "fsync": "off",
}


class Project:
    """One of the projects at work, in a process of its own, on a database of its own."""

    def __init__(self, name: str, cluster: PostgresCluster, place: Path, dbname: str | None = None) -> None:
        for file, text in files_of_the_document().items():
            (place / file).write_text(text)
        where = (str(cluster.socket_dir), str(cluster.port), dbname or name, str(place))
        environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        self.process = subprocess.Popen(
            [PYTHON, "-m", "tests.apps.serve", name, *where],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        self.pages: dict[str, bool] = self._answer()
        self.cpu_s = 0.0

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the project ended with status {self.process.wait()}")
        return json.loads(line)

    def request(self, pages: Mapping[str, int]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(pages) + "\n")
        self.process.stdin.flush()
        self.cpu_s = self._answer()["cpu_s"]

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


class Counters:
    """Calls, rows and ms of each statement of one database since the last time."""

    COLUMNS = tuple(COUNTERS.index(name) for name in ("calls", "rows", "total_exec_time_ms"))

    def __init__(self, conn: MonitoredConnection, database_oid: int) -> None:
        self.conn, self.database_oid = conn, database_oid
        self.before: dict[tuple[int, bool], Any] = {}
        self.texts: list[str] = []
        self.tags: list[dict[str, str]] = []
        self.places: dict[tuple[int, bool], int | None] = {}
        self.place_by_queryid: dict[int, int] = {}

    def more(self) -> dict[int, Any]:
        reading = read_statement_counters(self.conn)
        here = reading.keys["database_oid"] == self.database_oid
        keys, counters = reading.keys[here], reading.counters[here][:, self.COLUMNS]
        new = [tuple(key) for key in keys.tolist() if (key[2], key[3]) not in self.places]
        for text in read_statement_texts(self.conn, new) if new else ():
            self._add(text.queryid, text.toplevel, text.text)
        found = {}
        for key, values in zip(keys.tolist(), counters, strict=True):
            place = self.places.get(key[2:])
            if place is not None and (values - self.before.get(key[2:], 0))[0]:
                found[place] = values - self.before.get(key[2:], 0)
            self.before[key[2:]] = values
        return found

    def _add(self, queryid: int, toplevel: bool, text: str | None) -> None:
        sql = redact_sql(text)
        if sql is None or is_ours(text):
            self.places[queryid, toplevel] = None
            return
        self.places[queryid, toplevel] = self.place_by_queryid[queryid] = len(self.texts)
        self.texts.append(sql)
        self.tags.append(comment_tags(text))


class Watch(threading.Thread):
    """Looks at the sessions, two seconds out of ten."""

    def __init__(self, settings: ConnectionSettings) -> None:
        super().__init__(daemon=True)
        self.settings, self.is_over = settings, threading.Event()
        self.rows: dict[tuple[int, Any], ActivityRow] = {}

    def run(self) -> None:
        with connect(self.settings) as conn:
            while not self.is_over.wait(LOOK_EVERY_S - BURST_S):
                for _, rows in sample_burst(conn, BURST_S, BURST_HZ):
                    for row in rows:
                        self.rows.setdefault((row.pid, row.query_start), row)

    def executions(self, places: Mapping[int, int]) -> list[Execution]:
        found = [r for r in self.rows.values() if r.queryid in places and r.query_start is not None]
        found.sort(key=lambda r: (r.pid, r.query_start))
        return [
            Execution(
                str(r.pid), r.query_start.timestamp(), r.xact_start.timestamp() if r.xact_start else None,
                str(places[r.queryid or 0]), Origin(route_name(tags), file_name(tags), r.application_name),
            )
            for r in found if r.query_start is not None and (tags := comment_tags(r.text)) is not None
        ]  # fmt: skip


@contextmanager
def monitored(place: Path) -> Iterator[PostgresCluster]:
    with PostgresCluster(place / "nplus", settings=SETTINGS) as cluster:
        import psycopg

        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("create extension pg_stat_statements")
            for name in PROJECTS:
                connection.execute(f"create database {name}")
        yield cluster


def record(cluster: PostgresCluster, place: Path, name: str, rates: Mapping[str, float]) -> Iterator[Recording]:
    """One recording for each rate."""
    settings = ConnectionSettings(
        host=str(cluster.socket_dir), port=cluster.port, user="postgres", dbname=name, sslmode="disable"
    )
    project = Project(name, cluster, place)
    try:
        with connect(settings, dbname="postgres") as conn, connect(settings) as here:
            import psycopg

            with psycopg.connect(cluster.dsn(name), autocommit=True) as connection:
                connection.execute("vacuum analyze")
                row = connection.execute("select oid from pg_database where datname = current_database()").fetchone()
            counters = Counters(conn, row[0] if row else 0)
            repeats = {}
            for page in project.pages:
                project.request({page: 1})  # what is cached for good is, from here on
                counters.more()
                project.request({page: PROBED})
                repeats[page] = {at: float(values[0]) / PROBED for at, values in counters.more().items()}
            facts = read_schema(here)
            for rate, per_minute in rates.items():
                watch = Watch(settings)
                watch.start()
                found = [counters_of(project, counters, n) for n in traffic(project.pages, per_minute)]
                watch.is_over.set()
                watch.join()
                dense = np.zeros((len(counters.texts), 3, len(found)))
                for interval, values in enumerate(found):
                    for at, more in values.items():
                        dense[at, :, interval] = more
                executions = watch.executions(counters.place_by_queryid)
                yield Recording(
                    name, rate, list(counters.texts), dense.tolist(), project.pages, repeats, list(counters.tags),
                    executions, facts,
                )  # fmt: skip
    finally:
        project.stop()


def counters_of(project: Project, counters: Counters, requests: Mapping[str, int]) -> dict[int, Any]:
    project.request(requests)
    return counters.more()


def traffic(pages: Mapping[str, bool], per_minute: float, seed: int = 5) -> Iterator[dict[str, int]]:
    """Requests of each page by interval: by chance, at rates that wander on their own and together."""
    dice = np.random.default_rng(seed)
    names = list(pages)
    levels = per_minute * dice.uniform(0.7, 1.4, len(names))
    levels = np.where([name.strip("/").split("/")[0] == "poll" for name in names], per_minute * 10, levels)
    own, common = dice.normal(0, WANDERS, (len(names), INTERVALS)), dice.normal(0, COMMON, INTERVALS)
    waves = np.exp(np.cumsum(own + common, axis=1))
    waves /= waves.mean(axis=1)[:, None]
    for interval in range(INTERVALS):
        n = dice.poisson(levels * waves[:, interval])
        yield {name: 1 if name.strip("/").split("/")[0] == "job" else int(n[at]) for at, name in enumerate(names)}
