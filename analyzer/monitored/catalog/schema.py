"""Reads the schema of the connected database into facts: a handful of statements for all tables together.

Nothing here waits for a lock. Sizes are those of the last VACUUM or ANALYZE (relpages), as the planner has them;
what opens a table (index definitions, pg_relation_size) is left out for tables that are locked at that moment.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from analyzer.errors import BadInput, StatementCancelled
from analyzer.monitored.catalog.search_path import application_search_path, search_paths_of_roles
from analyzer.monitored.catalog.settings import read_settings
from analyzer.monitored.connection import ODD_BYTE, MonitoredConnection, Row
from analyzer.schema.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableActivity, TableFacts

MOST_TABLES = 50_000
ATTEMPTS = 4  # each time a lock was taken between looking for locks and reading
ATTEMPT_PAUSE_S = 0.5
# stands for an expression or a predicate that could not be read because the table was locked
UNREADABLE = "(not readable: the table was locked)"
ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
ACTIVITY = tuple(name for name in TableActivity.__dataclass_fields__ if name != "index_scans")


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """Sample values of a column from pg_stats, as text: personal data, for memory only."""

    most_common_values: tuple[str, ...] = ()
    most_common_freqs: tuple[float, ...] = ()
    histogram_bounds: tuple[str, ...] = ()
    null_frac: float | None = None
    n_distinct: float | None = None


def read_schema(conn: MonitoredConnection) -> SchemaFacts:
    """Tables, columns with their statistics, indexes, keys, activity and settings of the connected database."""
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
    return SchemaFacts(
        database=database.database,
        server_version_num=conn.server_version_num,
        tables=tuple(_with_partitions(tables)),
        search_path=application_search_path(paths),
        role_paths=search_paths_of_roles(paths),
        settings=read_settings(conn),
        days_since_stats_reset=database.days_since_stats_reset,
        statistics_readable=readable,
        extensions=tuple(database.extensions),
        left_out=tuple(left_out),
    )


def _with_names(tables: list[TableFacts]) -> tuple[list[TableFacts], list[str]]:
    """The tables whose names can be written down, and what can be said of the others: no DDL could name them."""

    def names(table: TableFacts) -> Iterable[str]:
        yield table.qualified_name
        yield from (column.name for column in table.columns)
        yield from (index.name for index in table.indexes)

    odd = [table for table in tables if any(ODD_BYTE in name for name in names(table))]
    gone = {table.oid for table in odd}
    return [table for table in tables if table.oid not in gone], [table.qualified_name for table in odd]


def left_out_said(facts: SchemaFacts) -> list[str]:
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
            " made; grant it SELECT on the tables (pg_read_all_data)."
        )


def read_column_values(
    conn: MonitoredConnection, columns: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], ColumnValues]:
    """Sample values by (schema, table, column); columns never analysed or not readable are absent."""
    wanted = sorted(set(columns))
    if not wanted:
        return {}
    schemas, tables, names = (list(part) for part in zip(*wanted, strict=True))
    with conn.transaction_read_only():
        rows = conn.run(
            "column_values",
            {"schemas": schemas, "tables": tables, "columns": names},
            action="reading sample values of columns",
        )
    found: dict[tuple[str, str, str], ColumnValues] = {}
    for row in sorted(rows, key=lambda row: bool(row.is_inherited)):  # a parent's own rows, then all below it
        found[row.schema, row.table_name, row.name] = ColumnValues(
            most_common_values=tuple(row.most_common_values or ()),
            most_common_freqs=tuple(row.most_common_freqs or ()),
            histogram_bounds=tuple(row.histogram_bounds or ()),
            null_frac=row.null_frac,
            n_distinct=row.n_distinct,
        )
    return found


def _read_tables(conn: MonitoredConnection) -> tuple[list[TableFacts], bool]:
    locked = [row.oid for row in conn.run("schema_locked", action="looking for locks")]
    tables = conn.run("schema_tables", {"locked": locked, "limit": MOST_TABLES}, action="reading the tables")
    oids = [row.oid for row in tables]
    columns = _by_table(conn.run("schema_columns", {"oids": oids}, action="reading the columns"))
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
        rows = _rows(table, conn.server_version_num)
        table_indexes = [_index(row, names, opclasses) for row in indexes[table.oid]]
        facts.append(
            TableFacts(
                oid=table.oid,
                schema=table.schema,
                name=table.name,
                kind=table.kind,
                rows=rows,
                size_bytes=table.size_bytes,
                columns=tuple(
                    _column(column, rows, by_column.get((table.schema, table.name, column.name)))
                    for column in columns[table.oid]
                ),
                indexes=tuple(table_indexes),
                foreign_keys=tuple(_foreign_key(row, names, families) for row in keys[table.oid]),
                primary_key=next((_key_columns(i) for i in table_indexes if i.is_primary), ()),
                unique_keys=tuple(_unique_keys(table_indexes)),
                parent_oid=table.parent_oid,
                inherits=tuple(table.inherits),
                partition_key=table.partition_key,
                has_row_security=table.has_row_security,
                view_sql=table.view_sql and table.view_sql.strip().rstrip(";"),
                activity=TableActivity(
                    index_scans=sum(index.scans or 0 for index in table_indexes),
                    **{name: getattr(table, name) or 0 for name in ACTIVITY},
                ),
            )
        )
    readable = bool(statistics) or not tables or any(table.is_readable for table in tables)
    return facts, readable


def _by_table(rows: Iterable[Row]) -> Mapping[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.table_oid].append(row)
    return found


def _operator_families(conn: MonitoredConnection, keys: Mapping[int, list[Row]]) -> dict[int, tuple[int, ...]]:
    operators = sorted({operator for rows in keys.values() for row in rows for operator in row.operators})
    if not operators:
        return {}
    rows = conn.run("schema_operator_families", {"operators": operators}, action="reading operator families")
    return {row.operator: tuple(row.families) for row in rows}


def _rows(table: Row, server_version_num: int) -> float | None:
    """reltuples; unknown is -1, and 0 without pages before 14 (an empty table looks the same there)."""
    if table.kind == "v" or table.rows is None or table.rows < 0:
        return None
    if server_version_num < 140_000 and table.rows == 0 and table.size_bytes != 0:
        return None
    return float(table.rows)


def _column(row: Row, table_rows: float | None, statistics: Row | None) -> ColumnFacts:
    facts = ColumnFacts(
        name=row.name,
        number=row.number,
        type_name=row.type_name,
        type_oid=row.type_oid,
        not_null=row.not_null,
        table_rows=table_rows or 0.0,
        is_generated=row.is_generated,
        declared_type=row.declared_type,
        compares_bytes=row.compares_bytes,
    )
    if statistics is None:
        return facts
    frequencies = statistics.most_common_freqs
    return replace(
        facts,
        n_distinct=statistics.n_distinct or None,  # 0 says unknown
        null_frac=statistics.null_frac,
        avg_width_bytes=statistics.avg_width_bytes,
        correlation=statistics.correlation,
        most_common_freqs=None if frequencies is None else tuple(round(f, 8) for f in frequencies),
    )


def _index(row: Row, names: Mapping[int, str], opclasses: Mapping[int, Row]) -> IndexFacts:
    numbers = row.column_numbers
    keys = numbers[: row.key_columns]
    classes = [opclasses.get(oid) for oid in row.opclass_oids]
    predicate = row.predicate if row.predicate is not None or not row.is_partial else UNREADABLE
    unreadable = [UNREADABLE] * sum(number == 0 for number in numbers) if row.has_expressions else []
    expressions = row.expressions if row.expressions is not None else unreadable
    return IndexFacts(
        oid=row.oid,
        schema=row.schema,
        name=row.name,
        method=row.method,
        columns=tuple(names.get(number) if number else None for number in keys),
        include=tuple(names[number] for number in numbers[row.key_columns :] if number in names),
        expressions=tuple(expression or UNREADABLE for expression in expressions),
        predicate=predicate,
        is_unique=row.is_unique,
        is_primary=row.is_primary,
        is_valid=row.is_valid,
        is_ready=row.is_ready,
        backs_constraint=row.backs_constraint,
        is_replica_identity=row.is_replica_identity,
        is_clustered=row.is_clustered,
        opfamilies=tuple(c.family if c else 0 for c in classes),
        opclasses=tuple(c.name if c else "" for c in classes),
        is_default_opclass=tuple(bool(c and c.is_default) for c in classes),
        collations=tuple(row.collations),
        options=tuple(row.options),
        definition=row.definition or "",
        size_bytes=row.size_bytes,
        scans=row.scans,
        parent_oid=row.parent_oid,
        is_being_built=row.is_being_built,
    )


def _foreign_key(row: Row, names: Mapping[int, str], families: Mapping[int, tuple[int, ...]]) -> ForeignKeyFacts:
    return ForeignKeyFacts(
        name=row.name,
        columns=tuple(names[number] for number in row.column_numbers),
        referenced_oid=row.referenced_oid,
        referenced_schema=row.referenced_schema,
        referenced_table=row.referenced_table,
        referenced_columns=tuple(row.referenced_columns),
        on_delete=ACTIONS.get(row.on_delete, row.on_delete),
        on_update=ACTIONS.get(row.on_update, row.on_update),
        opfamilies=tuple(families.get(operator, ()) for operator in row.operators),
        is_validated=row.is_validated,
        is_inherited=row.is_inherited,
    )


def _key_columns(index: IndexFacts) -> tuple[str, ...]:
    return tuple(name for name in index.columns if name is not None)


def _unique_keys(indexes: Iterable[IndexFacts]) -> Iterable[tuple[str, ...]]:
    keys = (
        _key_columns(i)
        for i in indexes
        if i.is_unique and i.is_usable and i.predicate is None and None not in i.columns
    )
    return dict.fromkeys(keys)


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
