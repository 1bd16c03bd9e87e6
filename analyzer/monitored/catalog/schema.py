"""Reads the schema of the connected database into facts: a handful of statements for all tables together.

Nothing here waits for a lock. Sizes are those of the last VACUUM or ANALYZE (relpages), as the planner has them;
what opens a table (index definitions, pg_relation_size) is left out for tables that are locked at that moment.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from analyzer.errors import BadInput, StatementCancelled
from analyzer.monitored.catalog.parts import options, read_parts
from analyzer.monitored.catalog.rows import (
    column_facts,
    foreign_key_facts,
    index_facts,
    key_columns,
    table_rows,
    unique_keys,
)
from analyzer.monitored.catalog.search_path import application_search_path, search_paths_of_roles
from analyzer.monitored.catalog.settings import read_settings
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.login import ODD_BYTE
from analyzer.schema.facts import SchemaFacts, TableActivity, TableFacts

MOST_TABLES = 50_000
ATTEMPTS = 4  # each time a lock was taken between looking for locks and reading
ATTEMPT_PAUSE_S = 0.5
ACTIVITY = tuple(name for name in TableActivity.__dataclass_fields__ if name != "index_scans")


def read_schema(conn: MonitoredConnection, earlier: SchemaFacts | None = None) -> SchemaFacts:
    """Tables, columns with their statistics, indexes, keys, activity and settings of the connected database, and its
    parts (``parts.py``): those not due yet come from the earlier reading.
    """
    for attempt in range(ATTEMPTS):
        try:
            # one snapshot for all statements, so that they agree
            with conn.transaction_read_only(isolation="REPEATABLE READ"):
                tables, readable = _read_tables(conn)
                tables, left_out = _with_names(tables)
                paths = conn.run("schema_search_path", action="reading the search paths")
                database = conn.run("schema_database", action="reading the database's state")[0]
            break
        except StatementCancelled:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(ATTEMPT_PAUSE_S)
    facts = SchemaFacts(
        database=database.database,
        taken_at=database.taken_at,
        server_version_num=conn.server_version_num,
        tables=tuple(_with_partitions(tables)),
        search_path=application_search_path(paths),
        role_paths=search_paths_of_roles(paths),
        settings=read_settings(conn),
        days_since_stats_reset=database.days_since_stats_reset,
        statistics_readable=readable,
        extensions=tuple(database.extensions),
        is_replica=database.is_replica,
        left_out=tuple(left_out),
    )
    return read_parts(conn, facts, earlier)


def _with_names(tables: list[TableFacts]) -> tuple[list[TableFacts], list[str]]:
    """The tables whose names can be written down, and what can be said of the others: no DDL could name them."""

    def names(table: TableFacts) -> Iterable[str]:
        yield table.qualified_name
        yield from (column.name for column in table.columns)
        yield from (index.name for index in table.indexes)

    odd = [table for table in tables if any(ODD_BYTE in name for name in names(table))]
    gone = {table.oid for table in odd}
    return [table for table in tables if table.oid not in gone], [table.qualified_name for table in odd]


def left_out_notes(facts: SchemaFacts) -> list[str]:
    """A sentence on what was left out of the facts, if anything was."""
    if not facts.left_out:
        return []
    n, some = len(facts.left_out), ", ".join(facts.left_out[:5])
    more = " and others" if n > 5 else ""
    return [f"{n} table{'s' if n > 1 else ''} left out, with names that are no UTF-8 ({some}{more})"]


def need_statistics(facts: SchemaFacts) -> None:
    """Raises BadInput where the login may not read pg_stats: without them every plan would be a guess."""
    if not facts.statistics_readable:
        raise BadInput(
            f"This login may not read the statistics of database {facts.database!r}, without which no plan can be"
            " made; grant it SELECT on the tables that the statements read (from 14 on, pg_read_all_data opens all)."
        )


def _read_tables(conn: MonitoredConnection) -> tuple[list[TableFacts], bool]:
    locked = [row.oid for row in conn.run("schema_locked", action="looking for locks")]
    tables = conn.run("schema_tables", {"locked": locked, "limit": MOST_TABLES}, action="reading the tables")
    oids = [row.oid for row in tables]
    columns = _by_table(conn.run("schema_columns", {"oids": oids, "locked": locked}, action="reading the columns"))
    indexes = _by_table(conn.run("schema_indexes", {"oids": oids, "locked": locked}, action="reading the indexes"))
    keys = _by_table(conn.run("schema_foreign_keys", {"oids": oids}, action="reading the foreign keys"))
    statistics = conn.run("schema_statistics", action="reading the columns' statistics")
    by_column: dict[tuple[str, str, str], Row] = {}
    for row in sorted(statistics, key=lambda row: bool(row.is_inherited), reverse=True):
        by_column[row.schema, row.table_name, row.name] = row  # a table's own rows win over those below it
    opclasses = {row.oid: row for row in conn.run("schema_opclasses", action="reading operator classes")}
    families = _operator_families(conn, keys)
    facts = []
    for table in tables:
        names = {column.number: column.name for column in columns[table.oid]}
        rows = table_rows(table, conn.server_version_num)
        table_indexes = [index_facts(row, names, opclasses) for row in indexes[table.oid]]
        facts.append(
            TableFacts(
                oid=table.oid,
                schema=table.schema,
                name=table.name,
                kind=table.kind,
                rows=rows,
                size_bytes=table.size_bytes,
                columns=tuple(
                    column_facts(column, rows, by_column.get((table.schema, table.name, column.name)))
                    for column in columns[table.oid]
                ),
                indexes=tuple(table_indexes),
                foreign_keys=tuple(foreign_key_facts(row, names, families) for row in keys[table.oid]),
                primary_key=next((key_columns(i) for i in table_indexes if i.is_primary), ()),
                unique_keys=tuple(unique_keys(table_indexes)),
                parent_oid=table.parent_oid,
                inherits=tuple(table.inherits),
                partition_key=table.partition_key,
                has_row_security=table.has_row_security,
                view_sql=table.view_sql and table.view_sql.strip().rstrip(";"),
                persistence=table.persistence,
                replica_identity=table.replica_identity,
                storage_options=options(table.storage_options),
                forces_row_security=table.forces_row_security,
                public_privileges=tuple(table.public_privileges),
                is_readable=table.is_readable,
                activity=TableActivity(
                    index_scans=sum(index.scans or 0 for index in table_indexes),
                    **{name: getattr(table, name) or 0 for name in ACTIVITY},
                ),
            )
        )
    readable = bool(statistics) or not tables or any(table.is_readable for table in tables)
    return facts, readable


def _by_table(rows: Iterable[Row]) -> Mapping[int, list[Row]]:
    rows_of: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        rows_of[row.table_oid].append(row)
    return rows_of


def _operator_families(conn: MonitoredConnection, keys: Mapping[int, list[Row]]) -> dict[int, tuple[int, ...]]:
    operators = sorted({operator for rows in keys.values() for row in rows for operator in row.operators})
    if not operators:
        return {}
    rows = conn.run("schema_operator_families", {"operators": operators}, action="reading operator families")
    return {row.operator: tuple(row.families) for row in rows}


def _with_partitions(tables: list[TableFacts]) -> Iterable[TableFacts]:
    """Partitioned tables know their partitions, and their rows and size are the sums over them."""
    by_oid = {table.oid: table for table in tables}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for table in tables:
        if table.parent_oid is not None:
            children[table.parent_oid].append(table.oid)

    def total(oid: int, value: Callable[[TableFacts], float | None]) -> float | None:
        parts = [total(child, value) for child in children[oid]] if oid in children else [value(by_oid[oid])]
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    for table in tables:
        if table.kind != "p":
            yield table
            continue
        rows = total(table.oid, lambda t: t.rows) if table.oid in children else 0.0
        size = total(table.oid, lambda t: t.size_bytes) if table.oid in children else 0
        yield replace(
            table,
            rows=rows,
            size_bytes=None if size is None else int(size),
            partitions=tuple(children[table.oid]),
            columns=tuple(replace(column, table_rows=rows or 0.0) for column in table.columns),
        )
