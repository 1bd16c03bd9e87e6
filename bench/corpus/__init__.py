"""Real plans of ordinary statements: of well-tuned tables, and of the same without indexes and with old statistics.

Four databases: pgbench's tables and scripts, TPC-H (``bench/tpch``), TPC-DS (``bench/tpcds``), and a shop's star of one
fact table and five dimensions, asked for few rows and for reports.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.runtime.postgres import PostgresCluster
from analyzer.schema.facts import SchemaFacts
from bench import tpcds, tpch
from bench.corpus import statements, tables

SETTINGS: dict[str, str | int] = {
    "autovacuum": "off",  # statistics stay as they were made
    "fsync": "off",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "track_io_timing": "on",
    "max_wal_size": "4GB",
}
TPCH_SCALE = 0.05
TPCDS_SCALE = 0.1
LONGEST_MS = 30_000  # a plan that takes longer is left out; so few tables make none that is not told by then
OLD_SHARE = 0.02  # of the rows, when the statistics of the untuned tables were made


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """``explained``: EXPLAIN (ANALYZE, BUFFERS, SETTINGS, FORMAT JSON) of the second of two runs."""

    name: str
    sql: str
    explained: list[dict[str, Any]]
    facts: SchemaFacts


def plans(server: PostgresCluster, place: Path, *, tuned: bool) -> Iterator[CorpusPlan]:
    """``place``: for files while tables are filled."""
    for name, asked in statements.databases().items():
        database = f"{name}_{'tuned' if tuned else 'slow'}"
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {database}")
        with psycopg.connect(server.dsn(database), autocommit=True) as connection:
            _fill(connection, name, place, tuned=tuned)
        with connect(ConnectionSettings.from_dsn(server.dsn(database), allow_local=True)) as monitored:
            facts = read_schema(monitored)
        chance = random.Random(name)
        texts = [(f"{name} {n}.{again}", sql) for n, (sql, times) in enumerate(asked, 1) for again in range(times)]
        with psycopg.connect(server.dsn(database), autocommit=True) as connection:
            connection.execute(f"set statement_timeout = {LONGEST_MS}")
            for label, text in texts:
                sql = statements.with_values(text, chance)
                explained = _explained(connection, sql)
                if explained is None:
                    print(f"  {database} {label} takes longer than {LONGEST_MS // 1000} s")
                else:
                    yield CorpusPlan(label, sql, explained, facts)


def _fill(connection: psycopg.Connection[Any], name: str, place: Path, *, tuned: bool) -> None:
    if name == "tpch":
        tpch.load(connection, TPCH_SCALE, place)
    elif name == "tpcds":
        tpcds.load(connection, TPCDS_SCALE, place)
    else:
        for sql in tables.FILLED[name]:
            connection.execute(sql)
    if name == "tpcds":
        for sql in tpcds.foreign_keys(connection) if tuned else ():
            connection.execute(sql)
        connection.execute("analyze")
    if tuned:
        for sql in tables.INDEXES[name]:
            connection.execute(sql)
        connection.execute("vacuum (analyze)")
        return
    connection.execute("set session_replication_role = replica")  # rows go and come back past their foreign keys
    for table in tables.LARGE[name]:
        connection.execute(f"create table kept as table {table}")
        first = f"format('(%s,1)', (pg_relation_size('{table}') / 8192 * {OLD_SHARE})::int)::tid"
        connection.execute(f"delete from {table} where ctid >= {first}")
        connection.execute(f"vacuum (full, analyze) {table}")
        connection.execute(f"delete from {table}")
        connection.execute(f"vacuum {table}")
        connection.execute(f"insert into {table} table kept")
        connection.execute("drop table kept")


def _explained(connection: psycopg.Connection[Any], sql: str) -> list[dict[str, Any]] | None:
    try:
        for _ in range(2):
            with connection.transaction(force_rollback=True):
                row = connection.execute(f"explain (analyze, buffers, settings, format json) {sql}").fetchone()
    except psycopg.errors.QueryCanceled:
        return None
    assert row is not None
    explained: list[dict[str, Any]] = row[0]
    return explained
