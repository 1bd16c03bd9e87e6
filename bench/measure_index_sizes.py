"""Estimated sizes of over a hundred indexes of every kind, beside what PostgreSQL 18 built."""

import json
from statistics import median
from typing import Any, LiteralString, cast

import psycopg

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.sizing.size import btree_index_size, index_size_bytes
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.schema.facts import TableFacts
from analyzer.values.column_statistics import ColumnStatistics
from analyzer.values.expression_statistics import (
    Evaluated,
    evaluation_sql,
    expression_statistics,
    only_column,
    probe_values,
)
from bench.results import Context, Result
from bench.sized_tables import EXTENSIONS, TABLES, definitions

LIMITS = {"btree": 0.15, "gin": 0.30, "brin": 0.30}
PG_STATS = """
select tablename, attname, n_distinct, null_frac, avg_width, correlation, most_common_vals::text::text[],
    most_common_freqs, histogram_bounds::text::text[], most_common_elems::text::text[], most_common_elem_freqs,
    elem_count_histogram
from pg_stats where schemaname = 'public'
"""
Statistics = dict[str, dict[str, ColumnStatistics]]
Groups = dict[str, dict[frozenset[str], float]]


def measure(context: Context) -> list[Result]:
    with psycopg.connect(context.store.dsn(), autocommit=True) as connection:
        connection.execute("drop database if exists sized")
        connection.execute("create database sized")
    try:
        return compare(context.store.dsn("sized"))
    finally:
        with psycopg.connect(context.store.dsn(), autocommit=True) as connection:
            connection.execute("drop database sized with (force)")


def compare(dsn: str) -> list[Result]:
    """Fills the database, builds each index, prints what differs, and sums up by kind."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables, statistics, groups = prepare(connection, dsn)
        ratios: dict[str, list[tuple[float, str]]] = {}
        heights_wrong = 0
        for definition in definitions(tables):
            known = statistics[definition.table.name]
            rows = _partial_rows(connection, definition)
            known = known | expression_columns(connection, definition, known)
            real, level = _build(connection, definition)
            arguments: dict[str, Any] = {"rows": rows, "distinct_groups": groups.get(definition.table.name)}
            estimate = index_size_bytes(definition, known, **arguments)
            tree = btree_index_size(definition, known, **arguments) if definition.method == "btree" else None
            heights_wrong += tree is not None and tree.height != level
            ratio = (estimate or 0) / real
            name = f"{definition.table.name} {'unique ' * definition.is_unique}{definition.body()}"
            ratios.setdefault(definition.method, []).append((ratio, name))
            print(f"  {name:<96.96} {real / 1e6:8.2f} MB {(estimate or 0) / 1e6:8.2f} MB {ratio:6.3f}")
    found = [Result("indexes built and compared", sum(map(len, ratios.values())), "")]
    for method, some in ratios.items():
        errors = [abs(ratio - 1) for ratio, _ in some]
        limit = LIMITS.get(method)
        found.append(Result(f"{method}: {len(some)} indexes, median error", median(errors) * 100, "%"))
        found.append(Result(f"{method}: greatest error", max(errors) * 100, "%", limit and limit * 100))
    found.append(Result("btree: heights off by one", heights_wrong, ""))
    return found


def prepare(connection: psycopg.Connection[Any], dsn: str) -> tuple[dict[str, TableFacts], Statistics, Groups]:
    """Tables filled and analysed; their facts, statistics and extended statistics."""
    for extension in EXTENSIONS:
        _run(connection, f"create extension if not exists {extension}")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            _run(connection, statement)
    connection.execute("analyze")
    with connect(ConnectionSettings.from_dsn(dsn, allow_local=True)) as session:
        tables = {table.name: table for table in read_schema(session)}
    statistics: Statistics = {name: {} for name in tables}
    for table, column, distinct, nulls, width, correlation, *lists in connection.execute(PG_STATS).fetchall():
        if table in statistics:
            sequences = (tuple(values or ()) for values in lists)
            statistics[table][column] = ColumnStatistics(distinct, nulls, width, correlation, *sequences)
    groups: Groups = {}
    for table, found in connection.execute("select tablename, n_distinct::text from pg_stats_ext").fetchall():
        names = {column.number: column.name for column in tables[table].columns}
        for numbers, distinct in json.loads(found).items():
            columns = frozenset(names[int(number)] for number in numbers.split(","))
            groups.setdefault(table, {})[columns] = distinct
    return tables, statistics, groups


def expression_columns(
    connection: psycopg.Connection[Any], definition: IndexDefinition, known: dict[str, ColumnStatistics]
) -> dict[str, ColumnStatistics]:
    """Statistics of a definition's expressions, evaluated over samples of the one column each is made of."""
    found = {}
    table = definition.table
    for key in definition.columns:
        if not key.is_expression:
            continue
        column = table.column(only_column(key.name) or "")
        assert column is not None, key.name
        probes = probe_values(known[column.name], column.type_oid)
        statement = evaluation_sql(key.name.replace("%", "%%"), column.name, column.type_name)
        results = [
            Evaluated(*row)
            for row in connection.execute(cast(LiteralString, statement), [list(probes.texts)]).fetchall()
        ]
        described = connection.execute(
            cast(LiteralString, f"select ({key.name}) from {table.name} limit 0")
        ).description
        assert described is not None
        estimated = expression_statistics(
            known[column.name], probes, results, table.rows or 0, type_oid=described[0].type_code
        )
        if estimated is not None:
            found[key.name] = estimated
    return found


def _partial_rows(connection: psycopg.Connection[Any], definition: IndexDefinition) -> float | None:
    """What the planner expects of the predicate."""
    if definition.predicate is None:
        return None
    statement = f"explain (format json) select from {definition.table.name} where {definition.predicate}"
    row = connection.execute(cast(LiteralString, statement)).fetchone()
    assert row is not None
    return float(row[0][0]["Plan"]["Plan Rows"])


def _build(connection: psycopg.Connection[Any], definition: IndexDefinition) -> tuple[int, int | None]:
    unique = "unique " if definition.is_unique else ""
    _run(connection, f"create {unique}index probe on {definition.table.name} {definition.body()}")
    level = "(select level from bt_metap('probe'))" if definition.method == "btree" else "null::bigint"
    row = connection.execute(cast(LiteralString, f"select pg_relation_size('probe'), {level}")).fetchone()
    connection.execute("drop index probe")
    assert row is not None
    return row[0], row[1]


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.execute(cast(LiteralString, statement))
