"""Reads the statistics of the columns that a statement's parameters meet."""

from collections.abc import Mapping

from analyzer.monitored.connection import MonitoredConnection
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.safety import Name
from analyzer.values.column_statistics import ColumnStatistics
from analyzer.values.column_values import ColumnValues, Statistics, largest_partitions, of_partitions

Key = tuple[str, str, str]  # schema, table, column


def read_statistics(
    connection: MonitoredConnection,
    uses: Mapping[int, ParameterUse],
    tables: Mapping[Name, tuple[Name, ...]],
    facts: SchemaFacts | None = None,
) -> Statistics:
    """Keyed as ``uses`` name the columns; values never leave memory.

    ``tables`` tells which tables a name stands for: several for a view, whose column is taken for theirs by name.
    ``facts`` tell the partitions of a partitioned table.
    """
    wanted: dict[Key, list[Key]] = {}
    parts: dict[Key, list[tuple[Key, float]]] = {}  # of partitioned tables, with the partitions' rows
    for use in uses.values():
        if use.table is None or use.column is None:
            continue
        written = (use.schema or "", use.table)
        for place in tables.get(written) or tables.get(("", use.table)) or ():
            key = (*written, use.column)
            wanted.setdefault((*place, use.column), []).append(key)
            whole = facts.find_table(place[1], place[0]) if facts else None
            for table in largest_partitions(facts, whole) if facts and whole else ():
                part = (table.schema, table.name, use.column)
                wanted.setdefault(part, []).append(part)
                parts.setdefault(key, []).append((part, table.rows or 0.0))
    statistics = _read(connection, wanted) if wanted else {}
    for key, own in parts.items():
        if key not in statistics:
            merged = of_partitions((statistics[part], rows) for part, rows in own if part in statistics)
            if merged is not None:
                statistics[key] = merged
    return statistics


def _read(connection: MonitoredConnection, wanted: Mapping[Key, list[Key]]) -> dict[Key, ColumnValues]:
    rows = connection.run(
        "column_values",
        {
            "schemas": [schema for schema, _, _ in wanted],
            "tables": [table for _, table, _ in wanted],
            "columns": [column for _, _, column in wanted],
        },
        action="reading column statistics",
    )
    statistics: dict[Key, ColumnValues] = {}
    # a parent's statistics with its children come last and win
    for row in sorted(rows, key=lambda r: bool(r.is_inherited)):
        known = ColumnValues.of(
            ColumnStatistics(
                n_distinct=row.n_distinct,
                null_frac=row.null_frac or 0.0,
                most_common_vals=tuple(v for v in row.most_common_values or () if v is not None),
                most_common_freqs=tuple(row.most_common_freqs or ()),
                histogram_bounds=tuple(v for v in row.histogram_bounds or () if v is not None),
                most_common_elems=tuple(row.most_common_elements or ()),
                most_common_elem_freqs=tuple(row.most_common_element_freqs or ()),
            )
        )
        for key in wanted[row.schema, row.table_name, row.name]:
            statistics[key] = known
    return statistics
