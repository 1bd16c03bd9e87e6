"""Statistics as the twin's pg_stats has them: of columns, and of expressions worked out from their column's values."""

from collections.abc import Mapping
from typing import Any

import psycopg

from analyzer.schema.facts import TableFacts
from analyzer.statements.tree import Unparsable, column_names, parse
from analyzer.values.column_statistics import ColumnStatistics
from analyzer.values.expression_statistics import (
    Evaluated,
    evaluation_sql,
    expression_statistics,
    only_column,
    paired_samples,
    probe_values,
    restore_arguments,
)

# a table's own rows before those of everything below it; a partitioned table has the latter only
_COLUMNS = """
select s.attname, s.n_distinct::float8, s.null_frac::float8, s.avg_width, s.correlation::float8,
    s.most_common_vals::text::text[], s.most_common_freqs::float8[], s.histogram_bounds::text::text[],
    s.most_common_elems::text::text[], s.most_common_elem_freqs::float8[], s.elem_count_histogram::float8[]
from pg_catalog.pg_stats as s
where s.schemaname = %s and s.tablename = %s
order by s.inherited desc
"""
# names and types of pg_restore_attribute_stats' arguments (the manual, 9.28.12)
_ARGUMENT_TYPES = {
    "null_frac": "float4", "avg_width": "int4", "n_distinct": "float4", "correlation": "float4",
    "most_common_vals": "text", "most_common_freqs": "float4[]", "histogram_bounds": "text",
}  # fmt: skip


class StatisticsReader:
    """``connection`` is the role's: output and input functions of types, and expressions, are the schema's own."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self._columns: dict[tuple[str, str], dict[str, ColumnStatistics]] = {}
        self._expressions: dict[tuple[str, str, str], ColumnStatistics | None] = {}

    def columns(self, schema: str, table: str) -> Mapping[str, ColumnStatistics]:
        """By column; empty where never analysed."""
        key = (schema, table)
        if key not in self._columns:
            self._columns[key] = {
                name: ColumnStatistics(
                    n_distinct=n_distinct,
                    null_frac=null_frac or 0.0,
                    avg_width_bytes=width,
                    correlation=correlation,
                    most_common_vals=_tuple(values),
                    most_common_freqs=_tuple(freqs),
                    histogram_bounds=_tuple(bounds),
                    most_common_elems=_tuple(elems),
                    most_common_elem_freqs=_tuple(elem_freqs),
                    elem_count_histogram=_tuple(counts),
                )
                for name, n_distinct, null_frac, width, correlation, values, freqs, bounds, elems, elem_freqs, counts
                in self.connection.execute(_COLUMNS, [schema, table]).fetchall()
            }  # fmt: skip
        return self._columns[key]

    def expression(
        self, table: TableFacts, expression: str, columns: Mapping[str, ColumnStatistics], rows: float
    ) -> ColumnStatistics | None:
        """None for expressions over several columns or without statistics, and for those that fail."""
        key = (table.schema, table.name, expression)
        if key not in self._expressions:
            self._expressions[key] = self._evaluate(table, expression, columns, rows)
        return self._expressions[key]

    def set_expression(self, table: TableFacts, expression: str, statistics: ColumnStatistics) -> None:
        """What is known of an expression, in the place of an estimate."""
        self._expressions[table.schema, table.name, expression] = statistics

    def _evaluate(
        self, table: TableFacts, expression: str, columns: Mapping[str, ColumnStatistics], rows: float
    ) -> ColumnStatistics | None:
        name = only_column(expression)
        column = table.column(name) if name is not None else None
        if name is None or column is None or name not in columns:
            return None
        probes = probe_values(columns[name], column.type_oid)
        if not probes.texts:
            return None
        sql = evaluation_sql(expression.replace("%", "%%"), name, column.type_name.replace("%", "%%"))
        try:
            # rolled back: what the expression's functions set in the session goes too
            with self.connection.transaction(force_rollback=True):
                self.connection.execute("set transaction read only; set local statement_timeout = '5s'")
                cursor = self.connection.execute(sql.encode(), [list(probes.texts)])
                results = [Evaluated(text, rank, width) for text, rank, width in cursor.fetchall()]
                asked = (
                    "select t.oid::int8, pg_catalog.format_type(t.oid, null) from pg_catalog.pg_type as t"
                    f" where t.oid = (select pg_catalog.pg_typeof({expression})::oid"
                    f" from (select null::{column.type_name} as {_quoted(name)}) as c)"
                )
                (type_oid, type_name) = self.connection.execute(asked.encode()).fetchone() or (None, None)
        except psycopg.Error:
            return None
        return expression_statistics(columns[name], probes, results, rows, type_oid=type_oid, type_name=type_name)

    def size_of(
        self, table: TableFacts, expression: str, columns: Mapping[str, ColumnStatistics]
    ) -> ColumnStatistics | None:
        """Type and width alone, of an expression whose values ``expression`` does not know: over several columns, or
        one without samples. Values are paired at random, so that how they fall tells nothing to a planner."""
        key = (table.schema, table.name, f"size of {expression}")
        if key not in self._expressions:
            self._expressions[key] = self._measured(table, expression, columns)
        return self._expressions[key]

    def _measured(
        self, table: TableFacts, expression: str, columns: Mapping[str, ColumnStatistics]
    ) -> ColumnStatistics | None:
        statements = parse(f"SELECT {expression}")
        names = () if isinstance(statements, Unparsable) else tuple(dict.fromkeys(column_names(statements)))
        facts = [column for name in names if (column := table.column(name)) is not None and name in columns]
        if not facts or len(facts) < len(names):
            return None
        rows = paired_samples([columns[column.name] for column in facts])
        parts = ", ".join(
            f"t[{at}]::{column.type_name} as {_quoted(column.name)}" for at, column in enumerate(facts, 1)
        )
        sql = (
            "select e.v::text, pg_catalog.pg_column_size(e.v), pg_catalog.pg_typeof(e.v)::oid::int8,"
            " pg_catalog.format_type(pg_catalog.pg_typeof(e.v)::oid, null)"
            " from pg_catalog.unnest(%s::text[]) as probe (n) cross join lateral"
            " (select probe.n::text[] as t offset 0) as r cross join lateral"
            f" (select {parts} offset 0) as c cross join lateral (select ({expression}) as v offset 0) as e"
        )
        try:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute("set transaction read only; set local statement_timeout = '5s'")
                cursor = self.connection.execute(sql.replace("%", "%%").replace("%%s", "%s", 1).encode(), [rows])
                results = cursor.fetchall()
        except psycopg.Error:
            return None
        values = [(text, width) for text, width, _, _ in results if text is not None]
        nulls = 1 - len(values) / len(results) if values else 0.0
        return ColumnStatistics(
            n_distinct=nulls - 1.0 or -1.0,
            null_frac=nulls,
            avg_width_bytes=round(sum(width for _, width in values) / len(values)) if values else None,
            histogram_bounds=tuple(text for text, _ in values),
            type_oid=results[0][2],
            type_name=results[0][3],
        )

    @staticmethod
    def restore_arguments(statistics: ColumnStatistics) -> tuple[str, list[Any]]:
        """For pg_restore_attribute_stats(): names with placeholders, and the values."""
        known = restore_arguments(statistics)
        text = ", ".join(f"'{name}', %s::{_ARGUMENT_TYPES[name]}" for name in known)
        return text, list(known.values())


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if values else ()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
