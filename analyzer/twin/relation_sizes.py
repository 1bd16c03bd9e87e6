"""Sizes of what is on the twin, hypothetical indexes too, as far as a plan's work depends on them."""

from dataclasses import replace
from typing import Any

import psycopg

from analyzer.plans.work import Node, RelationSize, heap_order
from analyzer.twin.catalog import TwinCatalog, TwinRelation
from analyzer.twin.hypothetical import Hypotheticals
from analyzer.twin.statistics import StatisticsReader

# key columns of each index; NULL for an expression
_KEYS = """
select i.indexrelid::int8, array(
    select a.attname from unnest(i.indkey::int2[]) with ordinality as k (number, place)
    left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number and k.number > 0
    where k.place <= i.indnkeyatts order by k.place
)::text[]
from pg_index as i where i.indexrelid >= 16384
"""


class TwinSizes:
    """By the names that a plan shows. Each is looked up once."""

    def __init__(
        self,
        connection: "psycopg.Connection[Any]",
        catalog: TwinCatalog,
        statistics: StatisticsReader,
        hypothetical: Hypotheticals,
    ) -> None:
        self._catalog, self._statistics, self._hypothetical = catalog, statistics, hypothetical
        self._keys: dict[int, list[str | None]] = dict(connection.execute(_KEYS).fetchall())
        self._tables = {relation.name: relation for relation in catalog.tables.values()}
        self._known: dict[tuple[str, str | None], RelationSize | None] = {}

    def table(self, node: Node) -> RelationSize | None:
        name, schema = node.get("Relation Name"), node.get("Schema")
        known = self._tables.get(str(name)) if schema is None else self._catalog.tables.get((schema, str(name)))
        return RelationSize(float(known.blocks), max(0.0, known.rows)) if known else None

    def index(self, name: str, node: Node) -> RelationSize | None:
        key = (name, node.get("Schema"))
        if key not in self._known:
            self._known[key] = self._index(*key)
        return self._known[key]

    def _index(self, name: str, schema: str | None) -> RelationSize | None:
        id = self._hypothetical.by_name.get(name)
        if id is not None:
            made = self._hypothetical.made[id]
            part = next(part for part in made.parts if part.name == name)
            if part.size is None:
                return None
            columns = [None if c.is_expression else c.name for c in made.index.definition.columns]
            size = self._sized(part.table, part.size.blocks, columns)
            return size if part.rows is None else replace(size, rows=part.rows)
        for index in self._catalog.indexes_by_name.get(name, ()):
            table = self._catalog.by_oid.get(index.table_oid or 0)
            if schema in (None, index.schema) and table is not None:
                return self._sized(table, index.blocks, self._keys.get(index.oid, []))
        return None

    def _sized(self, table: TwinRelation, blocks: int, columns: list[str | None]) -> RelationSize:
        statistics = self._statistics.columns(table.schema, table.name)
        rows = max(0.0, table.rows)
        known = [statistics.get(name or "") for name in columns]
        first = abs(known[0].correlation or 0.0) if known and known[0] else 0.0
        distinct = [s.distinct_values(rows) if s else None for s in known]
        correlations = [s.correlation if s else None for s in known]
        return RelationSize(
            float(blocks),
            rows,
            float(table.blocks),
            correlation=heap_order(list(zip(distinct, correlations, strict=True)), rows),
            # selfuncs.c, btcostestimate(): an index of several columns follows the first one less closely
            planned_correlation=first * (0.75 if len(columns) > 1 else 1.0),
            distinct=tuple(zip(columns, distinct, strict=True)),
        )
