"""A monitored server with 5,000 statements that were really run: what an application of some years looks like.

Forty tables of 8,000 rows; the statements differ in structure (columns, conditions, joins, aggregates), as
pg_stat_statements counts them: look-ups by key, lists, sums, joins, inserts, updates, deletes.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg

from analyzer.monitored.connection import ConnectionSettings
from analyzer.runtime.postgres import PostgresCluster

TABLES, ROWS, STATEMENTS = 40, 8000, 5000
SETTINGS: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": 10_000,
    "pg_stat_statements.track_planning": "on",
    "track_io_timing": "on",
    "shared_buffers": "16MB",  # less than the data: some reads are real
    "fsync": "off",
}


class MonitoredServer:
    def __init__(self, place: Path, statements: int = STATEMENTS, **more: str | int) -> None:
        """``more``: settings of the server."""
        self.cluster = PostgresCluster(place, settings={**SETTINGS, **more})
        self.cluster.start()
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            connection.execute("create database shop")
        self.connection = psycopg.connect(self.cluster.dsn("shop"), autocommit=True, prepare_threshold=None)
        self.connection.execute("create extension pg_stat_statements")
        with self.connection.transaction():
            for t in range(TABLES):
                columns = ", ".join(f"c{c} integer" for c in range(10))
                self.connection.execute(f"create table t{t:02} (id serial primary key, {columns}, note text)")
                values = ", ".join(f"(i * {c + 3}) % {10 ** (1 + c % 4)}" for c in range(10))
                self.connection.execute(
                    f"insert into t{t:02} ({', '.join(f'c{c}' for c in range(10))}, note)"
                    f" select {values}, repeat('x', 80) from generate_series(1, {ROWS}) i"
                )
                self.connection.execute(f"create index on t{t:02} (c3)")
        self.connection.execute("vacuum analyze")
        self.connection.execute("select pg_stat_statements_reset()")
        self.statements = list(_statements(random.Random(1), statements))

    @property
    def settings(self) -> ConnectionSettings:
        return ConnectionSettings(
            host=str(self.cluster.socket_dir), port=self.cluster.port, user="postgres", dbname="shop", sslmode="disable"
        )

    def run_all(self, times: int = 1) -> None:
        """Every statement once (or more), pipelined."""
        for _ in range(times):
            for i in range(0, len(self.statements), 500):
                with self.connection.pipeline():
                    for statement in self.statements[i : i + 500]:
                        self.connection.execute(statement)

    def stop(self) -> None:
        self.connection.close()
        self.cluster.stop()


def _statements(random_: random.Random, n: int) -> Iterator[str]:
    """Distinct in structure: no two share a queryid."""
    seen: set[str] = set()
    while len(seen) < n:
        shape = _shape(random_)
        if shape not in seen:
            seen.add(shape)
            yield shape.replace("?", str(random_.randrange(1, ROWS)))


def _shape(random_: random.Random) -> str:
    table, other = random_.sample(range(TABLES), 2)
    a, b = f"t{table:02}", f"t{other:02}"
    some = [f"c{c}" for c in sorted(random_.sample(range(10), random_.randint(1, 5)))]
    kind = random_.random()
    if kind < 0.45:
        return f"select {', '.join(some)} from {a} where id = ?"
    if kind < 0.60:
        return f"select {', '.join(some)} from {a} where c3 = ? order by {some[0]} limit 20"
    if kind < 0.68:
        return f"select {some[0]}, count(*), sum({some[-1]}) from {a} where c2 < ? group by {some[0]}"
    if kind < 0.80:
        columns = ", ".join(f"{b}.{c}" for c in some)
        return f"select {a}.id, {columns} from {a} join {b} on {b}.id = {a}.c3 where {a}.id = ?"
    if kind < 0.86:
        return f"insert into {a} ({', '.join(some)}, note) values ({', '.join('?' for _ in some)}, 'new')"
    if kind < 0.96:
        return f"update {a} set {', '.join(f'{c} = ?' for c in some)} where id = ?"
    return f"delete from {a} where id = ? and {' and '.join(f'{c} = ?' for c in some)}"
