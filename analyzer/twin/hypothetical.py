"""Makes hypothetical indexes: real ones on tables that look empty for that moment, then given size and height.

The role without rights creates them, so a hostile expression is evaluated as nobody. They are left invalid, which hides
them from the planner until a plan asks for them.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import errors as pg

from analyzer.advice.ddl import name_columns
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import HypotheticalIndex, Query, Refused
from analyzer.monitored.failures import redact_message
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.facts import TableFacts
from analyzer.schema.index_names import index_name
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.twin import limits
from analyzer.twin.catalog import FIRST_ID, TwinCatalog, TwinRelation
from analyzer.twin.cluster import SCHEMA
from analyzer.twin.files import DataFiles
from analyzer.twin.hypothetical_size import Estimator, Size
from analyzer.twin.session import PlanningSession
from analyzer.twin.statistics import StatisticsReader
from analyzer.twin.watch import TwinEnded, WatchedConnection
from analyzer.values.column_statistics import ColumnStatistics

logger = logging.getLogger(__name__)

PREFIX = "pgloupe_hypothetical_"
Key = tuple[str, str, str, bool]


@dataclass(slots=True)
class IndexPart:
    """An index on one table of the twin: the definition's own, or a partition."""

    table: TwinRelation
    name: str
    oid: int = 0
    path: str | None = None
    size: Size | None = None
    rows: float | None = None  # of a partial index


@dataclass(slots=True)
class HypotheticalTables:
    """``tables``: oids on the twin of the definition's table and all below it."""

    index: HypotheticalIndex
    parts: list[IndexPart]
    tables: frozenset[int]

    @property
    def oids(self) -> list[int]:
        return [part.oid for part in self.parts]

    def named(self, names: Mapping[str, str]) -> dict[str, str]:
        """The twin's name of each part -> ``names`` (by "schema.table"), else what it would be called alone."""
        columns = name_columns(self.index.definition)
        return {
            part.name: names.get(f"{part.table.schema}.{part.table.name}") or index_name(part.table.name, columns)
            for part in self.parts
        }


class Hypotheticals:
    """All that were made in this lease, by id."""

    def __init__(
        self,
        superuser: "psycopg.Connection[Any]",
        role: WatchedConnection,
        files: DataFiles,
        catalog: TwinCatalog,
        statistics: StatisticsReader,
        planning: PlanningSession,
        estimator: Estimator,
    ) -> None:
        self.superuser, self.role, self.files = superuser, role, files
        self.catalog, self.statistics, self.planning, self.estimator = catalog, statistics, planning, estimator
        self.made: dict[int, HypotheticalTables] = {}
        self.by_name: dict[str, int] = {}
        self._answers: dict[Key, HypotheticalIndex | Refused] = {}
        self._ids: dict[Key, int] = {}
        self._number = 0
        self._predicate_rows: dict[tuple[int, str], float] = {}
        # names as the server's sessions find them, and last the operator classes that the server has not got yet
        path = ", ".join(map(quote_identifier, [*planning.search_path, SCHEMA]))
        role.execute("select pg_catalog.set_config('search_path', %s, false)", [path])

    def hypothesize(self, definitions: Sequence[IndexDefinition]) -> list[HypotheticalIndex | Refused]:
        new = {_key(d): d for d in reversed(definitions) if _key(d) not in self._answers}
        if new:
            self._make(dict(reversed(new.items())))
        return [self._answers[_key(definition)] for definition in definitions]

    def make_again(self, ended: "Hypotheticals") -> None:
        """Those of a twin that has ended, under their ids; what it refused is not tried once more."""
        self._answers |= {key: answer for key, answer in ended._answers.items() if isinstance(answer, Refused)}
        self._ids = {_key(made.index.definition): id for id, made in ended.made.items()}
        self.hypothesize([made.index.definition for made in ended.made.values()])
        if self.made.keys() != ended.made.keys():
            raise RuntimeFailure("The twin's hypothetical indexes could not be made a second time")

    def drop_all(self) -> None:
        """Also those that an earlier holder left behind."""
        names = self.superuser.execute(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relname like %s and c.relkind in ('i', 'I') and pg_get_userbyid(c.relowner) = 'pgloupe_twin'",
            [PREFIX.replace("_", r"\_") + "%"],
        ).fetchall()
        for schema, name in names:
            self.role.execute(f"drop index if exists {qualified(schema, name)}".encode())
        self.made.clear()
        self.by_name.clear()
        self._answers.clear()

    # -- making them --------------------------------------------------------------------------------------

    def _make(self, definitions: Mapping[Key, IndexDefinition]) -> None:
        parts: dict[Key, list[IndexPart]] = {}
        for key, definition in definitions.items():
            parts_of = self._parts(definition)
            if isinstance(parts_of, Refused):
                self._answers[key] = parts_of
            else:
                parts[key] = parts_of
        tables = {part.table.oid: part.table for some in parts.values() for part in some}
        files = [table for table in tables.values() if table.kind in ("r", "m") and table.path is not None]
        try:
            for table in files:
                self.files.shrink(str(table.path))
            with self.role.transaction():
                for key in list(parts):
                    with self._blaming(key):
                        refused = self._create(definitions[key], parts[key])
                    if refused is not None:
                        self._answers[key] = refused
                        del parts[key]
        finally:
            for table in files:
                self.files.grow_back(str(table.path), table.blocks)
        self._find_oids([part for some in parts.values() for part in some])
        for key, some in parts.items():
            for part in some:
                with self._blaming(key):
                    self._describe(definitions[key], part)
        self._write_files(definitions, parts)
        for key, some in parts.items():
            self._answers[key] = self._remember(definitions[key], some)

    def _parts(self, definition: IndexDefinition) -> list[IndexPart] | Refused:
        table = self.catalog.tables.get((definition.table.schema, definition.table.name))
        if table is None:
            return Refused(f"The twin has no table {definition.table.qualified_name}.")
        if table.is_foreign:
            return Refused(f"{definition.table.qualified_name} is a foreign table, which cannot have indexes.")
        if table.kind not in ("r", "m", "p"):
            return Refused(f"{definition.table.qualified_name} is a view, which cannot have indexes.")
        self._number += 1
        relations = list(self.catalog.below(table.oid)) if table.kind == "p" else [table]
        return [
            IndexPart(relation, f"{PREFIX}{self._number}_{place}")
            for place, relation in enumerate(relations)
            if not relation.is_foreign
        ]

    @contextlib.contextmanager
    def _blaming(self, key: Key) -> Iterator[None]:
        """Whatever the twin ends over here is that definition's fault."""
        try:
            yield
        except TwinEnded as ended:
            self._answers[key] = Refused(ended.reason)
            raise

    def _create(self, definition: IndexDefinition, parts: Sequence[IndexPart]) -> Refused | None:
        unique = "unique " if definition.is_unique else ""
        try:
            with self.role.transaction():
                for part in parts:
                    only = "only " if part.table.kind == "p" else ""
                    self.role.execute(
                        f"create {unique}index {quote_identifier(part.name)} on"
                        f" {only}{qualified(part.table.schema, part.table.name)} {definition.body()}".encode()
                    )
        except psycopg.Error as error:
            if isinstance(error, pg.QueryCanceled):
                return Refused(f"Making it took longer than {limits.TIMEOUT_MS // 1000} s on the twin.")
            if isinstance(error, pg.OutOfMemory):
                return Refused(f"Making it needed more than {limits.MEMORY_LIMIT} of memory on the twin.")
            message = redact_message(error.diag.message_primary or "CREATE INDEX failed", error.sqlstate)
            return Refused(f"{message[:1].upper()}{message[1:].rstrip('.')}.")
        return None

    def _find_oids(self, parts: Sequence[IndexPart]) -> None:
        rows = self.superuser.execute(
            "select c.relname, c.oid::int8, pg_relation_filepath(c.oid) from pg_class as c where c.relname = any (%s)"
            " and c.relkind in ('i', 'I')",
            [[part.name for part in parts]],
        ).fetchall()
        places = {name: (oid, path) for name, oid, path in rows}
        for part in parts:
            part.oid, part.path = places[part.name]

    def _describe(self, definition: IndexDefinition, part: IndexPart) -> None:
        """Size, rows and, for expressions, statistics of one part."""
        if part.table.kind == "p":
            return
        statistics = dict(self.statistics.columns(part.table.schema, part.table.name))
        table_rows = self._table_rows(part.table)
        local = replace(definition, table=_local(definition.table, part.table, table_rows))
        for place, column in enumerate(definition.columns, 1):
            if column.is_expression:
                expression_statistics = self.statistics.expression(local.table, column.name, statistics, table_rows)
                if expression_statistics is not None:
                    statistics[column.name] = expression_statistics
                    self._restore_attribute(part, place, expression_statistics)
                elif (measured := self.statistics.size_of(local.table, column.name, statistics)) is not None:
                    statistics[column.name] = measured
        rows = table_rows
        if definition.predicate:
            rows = part.rows = self._rows_of(part.table, definition.predicate)
        part.size = self.estimator(local, statistics, rows)
        if part.rows is not None:
            part.rows = part.rows if part.size.rows is None else part.size.rows
            self.role.execute(
                "select pg_catalog.pg_restore_relation_stats('schemaname', %s::text, 'relname', %s::text, 'relpages',"
                " %s::int4, 'reltuples', %s::float4, 'version', 180000)",
                [part.table.schema, part.name, min(part.size.blocks, 2**31 - 1), part.rows],
            )

    def _table_rows(self, table: TwinRelation) -> float:
        if table.rows >= 0:
            return table.rows
        # never analysed: what the planner makes of the file's size
        answer = self.planning.explain(_count_query(f"select from only {qualified(table.schema, table.name)}"))
        return 0.0 if isinstance(answer, Refused) else float(answer["Plan"]["Plan Rows"])

    def _rows_of(self, table: TwinRelation, predicate: str) -> float:
        key = (table.oid, predicate)
        if key not in self._predicate_rows:
            query = f"select from only {qualified(table.schema, table.name)} where {predicate}"
            answer = self.planning.explain(_count_query(query))
            rows = self._table_rows(table) if isinstance(answer, Refused) else float(answer["Plan"]["Plan Rows"])
            self._predicate_rows[key] = rows
        return self._predicate_rows[key]

    def _restore_attribute(self, part: IndexPart, place: int, statistics: ColumnStatistics) -> None:
        arguments, values = self.statistics.restore_arguments(statistics)
        try:
            self.role.execute(
                "select pg_catalog.pg_restore_attribute_stats('schemaname', %s::text, 'relname', %s::text, 'attnum',"
                f" %s::int2, 'inherited', false, 'version', 180000, {arguments})",
                [part.table.schema, part.name, place, *values],
            )
        except psycopg.Error as error:  # the index is then planned with default guesses, as before the first ANALYZE
            logger.debug("No statistics for an expression: %s", error.sqlstate)

    def _write_files(
        self, definitions: Mapping[Key, IndexDefinition], parts: Mapping[Key, Sequence[IndexPart]]
    ) -> None:
        everything = [part for some in parts.values() for part in some]
        oids = [part.oid for part in everything if part.path is not None]
        self.superuser.execute(
            f"select count({SCHEMA}.pg_buffercache_evict_relation(i.oid::oid::regclass))"
            " from unnest(%s::int8[]) as i (oid)",
            [oids],
        )
        for key, some in parts.items():
            for part in some:
                if part.path is None or part.size is None:
                    continue
                blocks = part.size.blocks
                match definitions[key].method:
                    case "btree":
                        self.files.make_btree(part.path, max(blocks, (part.size.level or 0) + 2), part.size.level or 0)
                    case "gin":
                        self.files.make_gin(part.path, blocks, part.size.gin)
                    case "brin":
                        self.files.make_brin(part.path, blocks, part.table.blocks)
                    case _:
                        self.files.set_blocks(part.path, blocks)
        # other sessions forget what they know of these indexes, the metapage too
        self.superuser.execute(
            "update pg_index set indisvalid = false where indexrelid = any (%s::int8[]::oid[])",
            [[part.oid for part in everything]],
        )

    def _remember(self, definition: IndexDefinition, parts: list[IndexPart]) -> HypotheticalIndex:
        size_bytes = sum(part.size.blocks for part in parts if part.size) * PAGE_BYTES
        id = self._ids.get(_key(definition), FIRST_ID + len(self.made))
        index = HypotheticalIndex(id, definition, size_bytes)
        self.made[index.id] = HypotheticalTables(
            index,
            parts,
            frozenset(relation.oid for part in parts for relation in self.catalog.below(part.table.oid)),
        )
        self.by_name.update({part.name: index.id for part in parts})
        return index


def _key(definition: IndexDefinition) -> Key:
    return (definition.table.schema, definition.table.name, definition.body(), definition.is_unique)


def _local(table: TableFacts, relation: TwinRelation, rows: float) -> TableFacts:
    """The table's facts as the twin has them, or one partition's in the place of its parent's."""
    columns = tuple(replace(column, table_rows=rows) for column in table.columns)
    return replace(
        table, schema=relation.schema, name=relation.name, kind=relation.kind, rows=rows,
        size_bytes=relation.blocks * PAGE_BYTES, columns=columns, partitions=(),
    )  # fmt: skip


def _count_query(sql: str) -> Query:
    return Query(key="", statement="", sql=sql, weight=0.0)
