"""Reads the statistics of the columns that a statement's parameters meet."""

from collections.abc import Mapping

from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.parameters import ColumnStatistics, Statistics
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.safety import Name


def read_statistics(
    connection: MonitoredConnection, uses: Mapping[int, ParameterUse], tables: Mapping[Name, tuple[Name, ...]]
) -> Statistics:
    """Keyed as ``uses`` name the columns; values never leave memory.

    ``tables`` tells which tables a name stands for: several for a view, whose column is taken for theirs by name.
    """
    wanted: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for use in uses.values():
        if use.table is None or use.column is None:
            continue
        written = (use.schema or "", use.table)
        for found in tables.get(written) or tables.get(("", use.table)) or ():
            wanted.setdefault((*found, use.column), []).append((*written, use.column))
    if not wanted:
        return {}
    rows = connection.run(
        "column_values",
        {
            "schemas": [schema for schema, _, _ in wanted],
            "tables": [table for _, table, _ in wanted],
            "columns": [column for _, _, column in wanted],
        },
        action="reading column statistics",
    )
    statistics: dict[tuple[str, str, str], ColumnStatistics] = {}
    # a parent's statistics with its children come last and win
    for row in sorted(rows, key=lambda r: bool(r.is_inherited)):
        known = ColumnStatistics(
            tuple(v for v in row.most_common_values or () if v is not None),
            tuple(row.most_common_freqs or ()),
            tuple(v for v in row.histogram_bounds or () if v is not None),
        )
        for key in wanted[row.schema, row.table_name, row.name]:
            statistics[key] = known
    return statistics
