"""What planner twins take: memory of one that is at work, and disk of those that wait.

A twin's PostgreSQL runs as long as somebody asks it. Memory is the kernel's proportional set size (PSS): what several
processes share is counted once.
"""

import contextlib
from statistics import median

import psutil
import psycopg

from analyzer.advice.planner import Query
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.runtime.postgres import PostgresCluster
from analyzer.twin import Twin, lease
from analyzer.twin.upkeep import disk_bytes
from analyzer.words.sizes import MB
from bench.results import Context, Result

DATABASES = 50
TOGETHER_MB = 2048  # promised for 50 databases
TABLES = 40
QUERIES = (
    "select * from t_1 where a = 5",
    "select * from t_2 where b = $1 order by a limit 5",
    "select count(*) from t_3 join t_4 using (a) where t_3.b = $1",
)


def measure(context: Context) -> list[Result]:
    place = context.place / "twins-measured"
    place.mkdir(mode=0o755)
    var_dir, twins = place / "var", []
    with PostgresCluster(place / "monitored", settings={"fsync": "off", "max_connections": 200}) as server:
        names = [f"shop_{number}" for number in range(DATABASES)]
        _fill(server, names)
        with contextlib.ExitStack() as stack:
            for name in names:
                where = ConnectionSettings.from_dsn(server.dsn(name), allow_local=True)
                twins.append(stack.enter_context(lease(where, var_dir)))
            for twin in twins:
                for sql in QUERIES:
                    twin.plan(Query(sql, sql, sql, 1.0))
            sizes = [_memory_bytes(twin) for twin in twins]
        on_disk = disk_bytes(var_dir)
    many = f"{DATABASES} databases' twins"
    return [
        Result("a twin at work: memory of its PostgreSQL (PSS), median", median(sizes) / MB, "MB"),
        Result(f"{many}, all at work at once: memory", sum(sizes) / MB, "MB", TOGETHER_MB),
        Result("a twin that waits: disk", on_disk / DATABASES / MB, "MB"),
        Result(f"{many}: disk, with dumps and the empty cluster", on_disk / MB, "MB", TOGETHER_MB),
    ]


def _fill(server: PostgresCluster, names: list[str]) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create database model")
    with psycopg.connect(server.dsn("model"), autocommit=True) as connection:
        for number in range(TABLES):
            connection.execute(
                f"create table t_{number} as select g as a, g % 20 as b, 'text ' || g as c"
                " from generate_series(1, 1000) as g"
            )
            connection.execute(f"create index on t_{number} (a)")
        connection.execute("vacuum analyze")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"create database {name} template model")


def _memory_bytes(twin: Twin) -> int:
    pid = twin._superuser.execute("select pg_backend_pid()").fetchone()[0]
    postmaster = psutil.Process(pid).parent()
    return sum(p.memory_full_info().pss for p in [postmaster, *postmaster.children(recursive=True)])
