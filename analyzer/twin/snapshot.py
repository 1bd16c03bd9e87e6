"""Reads from the twin what its planner knows of some tables: to be kept, and compared with what it knew before."""

from collections.abc import Collection, Mapping
from typing import Any

from analyzer.behaviour.planner_past import (
    VERSION,
    PlannerPast,
    RelationFigures,
    Statistics,
    Structure,
    TablePast,
    of_extended,
    of_index,
)
from analyzer.twin.extended_statistics import read_extended_statistics
from analyzer.twin.twin import Twin

# arguments of pg_restore_attribute_stats() (the manual, 9.28.12) and their types; pg_stats calls them the same
ARGUMENTS = {
    "null_frac": "real", "avg_width": "integer", "n_distinct": "real", "most_common_vals": "text",
    "most_common_freqs": "real[]", "histogram_bounds": "text", "correlation": "real", "most_common_elems": "text",
    "most_common_elem_freqs": "real[]", "elem_count_histogram": "real[]", "range_length_histogram": "text",
    "range_empty_frac": "real", "range_bounds_histogram": "text",
}  # fmt: skip
# as the role: what reads values of a type may be the schema's own
_STATISTICS = f"""
select s.schemaname || '.' || s.tablename, s.attname, s.inherited, {", ".join(f"s.{name}::text" for name in ARGUMENTS)}
from pg_catalog.pg_stats as s
where s.schemaname || '.' || s.tablename = any (%s)
"""
_FIGURES = """
select c.oid::int8, c.relpages, c.reltuples::float8, c.relallvisible from pg_catalog.pg_class as c
where c.oid = any (%s::int8[]::oid[])
"""
_COLUMNS = """
select a.attrelid::int8, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute as a
where a.attrelid = any (%s::int8[]::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_INDEXES = r"""
select i.indrelid::int8, c.relname, pg_catalog.pg_get_indexdef(c.oid)
from pg_catalog.pg_index as i join pg_catalog.pg_class as c on c.oid = i.indexrelid
where i.indrelid = any (%s::int8[]::oid[]) and i.indisvalid and c.relname not like 'pgloupe\_%%'
"""


def read_past(twin: Twin, tables: Collection[str]) -> PlannerPast:
    """Of tables ("schema.name") that the twin has, with what is below them; others are left out."""
    wanted = {
        below.oid: below
        for relation in twin.catalog.tables.values()
        if f"{relation.schema}.{relation.name}" in tables and relation.kind in ("r", "m", "p")
        for below in twin.catalog.below(relation.oid)
    }
    names = {oid: f"{relation.schema}.{relation.name}" for oid, relation in wanted.items()}
    role, oids = twin.role, list(wanted)
    columns: dict[int, dict[str, str]] = {oid: {} for oid in oids}
    for oid, column, type_name in role.execute(_COLUMNS, [oids]).fetchall():
        columns[oid][column] = type_name
    indexes: dict[int, dict[str, str]] = {oid: {} for oid in oids}
    for oid, name, definition in role.execute(_INDEXES, [oids]).fetchall():
        indexes[oid][name] = definition
    relations = [*names.values(), *(f"{wanted[oid].schema}.{i}" for oid in oids for i in indexes[oid])]
    statistics = _statistics(twin, relations)
    extended = read_extended_statistics(twin.superuser, oids)
    found = {}
    for oid, pages, rows, visible in role.execute(_FIGURES, [oids]).fetchall():
        relation, name = wanted[oid], names[oid]
        sizes = {
            i.name: i.blocks for i in twin.catalog.by_oid.values() if i.table_oid == oid and i.name in indexes[oid]
        }
        found[name] = TablePast(
            name,
            RelationFigures(relation.blocks, pages, rows, visible, sizes),
            Structure(columns[oid], indexes[oid], {object_.name: object_.definition for object_ in extended[oid]}),
            {
                **statistics.get(name, {}),
                **{
                    of_index(index, column): told
                    for index in indexes[oid]
                    for column, told in statistics.get(f"{relation.schema}.{index}", {}).items()
                },
                **{
                    of_extended(object_.name) + suffix: told
                    for object_ in extended[oid]
                    for suffix, told in object_.statistics.items()
                },
            },
            relation.server_oid,
        )
    settings = {**twin.facts.settings, VERSION: str(twin.facts.server_version_num)}
    return PlannerPast(settings, found)


def _statistics(twin: Twin, relations: list[str]) -> Mapping[str, dict[str, Statistics]]:
    """Of tables, and of indexes with expressions: these have statistics of their own."""
    statistics: dict[str, dict[str, Statistics]] = {}
    for table, column, inherited, *told in twin.role.execute(_STATISTICS, [relations]).fetchall():
        values: dict[str, Any] = dict(zip(ARGUMENTS, told, strict=True))
        key = f"{column} inherited" if inherited else column
        statistics.setdefault(table, {})[key] = {name: value for name, value in values.items() if value is not None}
    return statistics
