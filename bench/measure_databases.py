"""Fifty databases of 200 tables each on one server: what a visit of each step takes, and what is left waiting.

Everything is as pgLoupe runs it but for the queue: the steps are called one after the other, in this process. Times are
processor time of ours, without the store's and the monitored server's, since others may keep the machine busy. What
twins take is measured by `twins`: the advisor has one database's at a time.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import process_time

import psutil
import psycopg

from analyzer.runtime.postgres import PostgresCluster
from bench.results import Context, Result, median

DATABASES = int(os.environ.get("DATABASES", "50"))
TABLES, LARGE, STATEMENTS = 200, 3, 20  # in each: tables, those of 20,000 rows, statements that run
ADVISED = int(os.environ.get("DATABASES_ADVISED", "6"))  # databases, each one run of the advisor
VISITS = 60  # of a step, at the most: more of them means that it never ends
ROUNDS = 3  # of EXPLAIN, ten statements each


@dataclass
class Visits:
    """Of one step: seconds of processor time and by the clock, and what was done in each."""

    name: str
    ours_s: list[float] = field(default_factory=list)
    clock_s: list[float] = field(default_factory=list)

    def take(self, work: Callable[[], object]) -> object:
        began, clock = process_time(), time.monotonic()
        done = work()
        self.ours_s.append(process_time() - began)
        self.clock_s.append(time.monotonic() - clock)
        print(f"  {self.name}: {self.ours_s[-1]:.1f} s of processor, {self.clock_s[-1]:.0f} s", flush=True)
        return done


def measure(context: Context) -> list[Result]:
    from analyzer.store.servers import add_server_from_dsn

    settings = {"fsync": "off", "shared_preload_libraries": "pg_stat_statements", "max_connections": 200}
    with PostgresCluster(context.place / "many", settings=settings) as monitored:
        names = _fill(monitored)
        server = add_server_from_dsn(monitored.dsn(names[0], "pgloupe"), explain_budget_s_per_hour=600)
        before_s = _processor_s(monitored)
        results = _watch(server, monitored, names)
        read_s = _processor_s(monitored) - before_s
    return [*results, Result("the monitored server's processor time for all of it", read_s, "s")]


def _watch(server, monitored: PostgresCluster, names: list[str]) -> list[Result]:  # type: ignore[no-untyped-def]
    from django.utils import timezone

    from analyzer.models import AdviceRun, Database, PlanRecord, SchemaReading
    from analyzer.steps import check, schema, texts
    from analyzer.steps import run as pipeline

    sample, reading, explaining, checking, advising = map(Visits, ("sample", "schema", "explain", "check", "advise"))
    sample.take(lambda: pipeline.take_snapshot(server))
    reading.take(lambda: schema.read_schema(server))  # the names of all databases
    for _ in range(2):
        _use(monitored, names)
        sample.take(lambda: pipeline.take_snapshot(server))
    texts.read_texts(server)
    read = SchemaReading.objects.filter(database__server=server).values("database").distinct()
    while read.count() < len(names) and len(reading.ours_s) < VISITS:
        reading.take(lambda: schema.read_schema(server))
    inspected = Database.objects.filter(server=server, is_inspected=True).count()
    again = Visits("schema again")
    SchemaReading.objects.update(confirmed_at=timezone.now() - timedelta(hours=1))
    again.take(lambda: schema.read_schema(server))
    known = read.count()
    for _ in range(ROUNDS):
        explaining.take(lambda: pipeline.explain_statements(server))
    for _ in range(2):
        checking.take(lambda: check.check_server(server))
    for _ in range(ADVISED):
        advising.take(lambda: pipeline.advise_on_indexes(server))
    plans = PlanRecord.objects.values("database").distinct().count()
    advised = AdviceRun.objects.filter(problem="").count()
    every = f"{len(names)} databases of {TABLES} tables"
    return [
        Result(f"{every}: looked into; read", inspected, "", None),
        Result("databases with a schema after the first round of visits", known, "of 50"),
        Result("schema: visits until all were read", len(reading.ours_s), "visits"),
        Result("schema: a database's first reading, CPU", sum(reading.ours_s) / known, "s"),
        Result("schema: a visit to all again, unchanged, CPU", again.ours_s[0], "s"),
        Result("schema: the same, clock", again.clock_s[0], "s", 120),
        Result("a sample, CPU", median(sample.ours_s), "s"),
        Result("explain: a round of ten statements, CPU, median", median(explaining.ours_s), "s"),
        Result("explain: a round of ten statements, clock, median", median(explaining.clock_s), "s"),
        Result(f"explain: databases with plans after {ROUNDS} rounds", plans, "of 50"),
        Result("check: a visit of all databases, CPU, first", checking.ours_s[0], "s"),
        Result("check: a visit of all databases, CPU, again", checking.ours_s[-1], "s"),
        Result("check: a visit of all databases, clock, again", checking.clock_s[-1], "s", 120),
        Result(f"advise: a database, CPU, median of {ADVISED}", median(advising.ours_s), "s"),
        Result("advise: databases advised on", advised, f"of {ADVISED}"),
    ]


def _fill(monitored: PostgresCluster) -> list[str]:
    with psycopg.connect(monitored.dsn(), autocommit=True) as admin:
        admin.execute("create database model")
        # a superuser's statements would all be left to twins, one for each database
        admin.execute("create role pgloupe login in role pg_monitor, pg_read_all_data")
    with psycopg.connect(monitored.dsn("model"), autocommit=True) as connection:
        connection.execute("create extension pg_stat_statements")
        for n in range(TABLES):
            rows = 20_000 if n < LARGE else 50
            connection.execute(
                f"create table t_{n} (id int primary key, kind int, owner int, at timestamptz, note text)"
            )
            connection.execute(
                f"insert into t_{n} select g, g % 50, g % 2000, now() - g * interval '1 min', repeat('x', 20)"
                f" from generate_series(1, {rows}) g"
            )
            connection.execute(f"create index on t_{n} (at)")
        connection.execute("vacuum analyze")
    names = [f"shop_{n}" for n in range(DATABASES)]
    with psycopg.connect(monitored.dsn(), autocommit=True) as admin:
        for name in names:
            admin.execute(f"create database {name} template model strategy file_copy")
    return names


def _use(monitored: PostgresCluster, names: list[str]) -> None:
    for name in names:
        with psycopg.connect(monitored.dsn(name), autocommit=True) as connection:
            for n in range(STATEMENTS):
                table = f"t_{n % LARGE}"
                connection.execute(f"select id, note as s{n} from {table} where owner = %s and kind >= %s", (n, n % 3))
                connection.execute(f"select count(*) as c{n} from {table} join t_{n + LARGE} using (kind)")


def _processor_s(cluster: PostgresCluster) -> float:
    """Of the postmaster and its children, ended ones too."""
    times = psutil.Process(cluster.pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
