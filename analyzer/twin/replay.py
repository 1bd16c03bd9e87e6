"""Lets the twin plan with single things as they were at an earlier moment: settings, indexes, sizes, statistics.

What is set back is really set back, in the twin's catalog and files, one thing at a time, so the twin is spoilt
afterwards: the next lease builds it anew. Dropped indexes are created again from their definitions by the role without
rights, as everything that came from elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from analyzer.advice.planner import Query, Refused
from analyzer.behaviour.plan_cause import Set
from analyzer.behaviour.planner_differences import Difference
from analyzer.behaviour.planner_past import (
    PlannerPast,
    Statistics,
    TablePast,
    extended_name,
    index_and_column,
    of_extended,
)
from analyzer.behaviour.renames import as_called_now
from analyzer.monitored.catalog.planner_facts import Relation
from analyzer.plans.rename import renamed
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.statements.index_definition import index_on, index_statement
from analyzer.statements.statistics_definition import statistics_named
from analyzer.twin.build import set_sizes
from analyzer.twin.cluster import SCHEMA
from analyzer.twin.extended_statistics import ExtendedObject, read_extended_statistics, set_extended_statistics
from analyzer.twin.snapshot import ARGUMENTS
from analyzer.twin.twin import Twin

PREFIX = "pgloupe_earlier_"
FROM_THEN, FROM_NOW = ("index dropped", "index changed"), ("index created", "index changed")
EXTENDED_FROM_THEN = ("extended dropped", "extended changed")


class Replay:
    """Between two moments of one twin; ``now`` is what it has. Nobody else may use the twin any more."""

    def __init__(self, twin: Twin, then: PlannerPast, now: PlannerPast, differs: Sequence[Difference]) -> None:
        self._twin, self._then, self._now = twin, as_called_now(then, now), now
        self._tables = {f"{schema}.{name}": (schema, name) for schema, name in twin.catalog.tables}
        self._old: Set = frozenset()
        self._names: dict[str, str] = {}  # of an index here -> on the server
        self._earlier: dict[Difference, int] = {}  # its oid
        self._lacking: set[Difference] = set()  # what could not be made again
        twin.spoil()
        for number, difference in enumerate(d for d in differs if d.kind in FROM_THEN):
            self._create(difference, f"{PREFIX}{number}")
        self._extended: dict[tuple[str, str], ExtendedObject] = self._extended_here(now.tables)
        self._earlier_extended: dict[Difference, ExtendedObject] = {}
        for number, difference in enumerate(d for d in differs if d.kind in EXTENDED_FROM_THEN):
            self._create_extended(difference, f"{PREFIX}{number}")
        for difference in (d for d in differs if d.kind == "type"):
            self._try_type(difference)

    def replayed(self, differs: Iterable[Difference]) -> list[Difference]:
        """Without what could not be made again; a type is told as what cannot be undone."""
        found = []
        for difference in differs:
            if difference not in self._lacking:
                found.append(difference)
            elif difference.kind == "type":
                found.append(replace(difference, is_replayed=False))
        return found

    def explain(self, query: Query, old: Set, settings: Mapping[str, str]) -> Mapping[str, Any] | Refused:
        """The plan with ``old`` as they were then; ``settings``: of the planner, besides.

        Raises RuntimeFailure where the twin has ended meanwhile: one made anew has everything as it is now.
        """
        if self._twin.is_ended:
            raise RuntimeFailure("The twin's PostgreSQL has ended over what it was to plan")
        try:
            self._set_back(old)
        except psycopg.Error as error:
            return Refused(
                f"What was known then cannot be restored on the twin ({error.sqlstate or 'no reason given'})."
            )
        there = {d.name: self._then.settings[d.name] for d in old if d.kind == "setting"}
        shown = [self._earlier[d] for d in old if d in self._earlier]
        hidden = [oid for d in old if d.kind in FROM_NOW for oid in self._oids(d)]
        with self._twin.with_indexes(shown, hidden):
            answer = self._twin.explain(query, settings={**settings, **there})
        if isinstance(answer, Refused):
            return answer
        earlier_names = {d.new_name: d.name for d in old if d.kind == "index renamed"}
        plan: Mapping[str, Any] = renamed(answer, {**self._names, **earlier_names})
        return plan

    def _schema_and_name(self, table: str) -> tuple[str, str]:
        """Of "schema.name", where either may hold a dot of its own."""
        return self._tables[table]

    def _set_back(self, old: Set) -> None:
        # types first: a column of another type has lost its statistics, and its table's files are new
        for difference in sorted(self._old ^ old, key=lambda d: (d.kind != "type", d.kind, d.table, d.name)):
            past = (self._then if difference in old else self._now).tables.get(difference.table)
            if difference.kind == "type":
                self._retype(difference, is_old=difference in old)
                self._old ^= {difference}
                self._restore_around(difference)
                continue
            if past is not None and difference.kind.startswith("extended "):
                self._swap_extended(difference, is_old=difference in old)
            elif past is not None and (name := extended_name(difference.name)):
                suffix = difference.name.removeprefix(of_extended(name))
                object_ = self._extended.get((past.name, name))
                if object_ is not None:
                    told = past.statistics.get(difference.name, {})
                    set_extended_statistics(self._twin.superuser, object_, suffix, told)
            elif past is not None and difference.kind == "statistics":
                self._restore(past, difference.name)
            elif past is not None and difference.kind == "size":
                self._resize(past)
            self._old ^= {difference}

    def _try_type(self, difference: Difference) -> None:
        """There and back once. Not where what hangs on the column would be made anew under another oid."""
        table = self._twin.catalog.tables.get(self._schema_and_name(difference.table))
        hangs_on_it = {table for table, _ in self._extended} | {
            d.table for d in (*self._earlier, *self._earlier_extended)
        }
        if (
            table is None
            or table.kind != "r"
            or table.children
            or self._twin.catalog.parents.get(table.oid)
            or difference.table in hangs_on_it
        ):
            self._lacking.add(difference)
            return
        try:
            self._retype(difference, is_old=True)
            self._retype(difference, is_old=False)
        except psycopg.Error:
            self._lacking.add(difference)
        self._restore_around(difference)

    def _retype(self, difference: Difference, *, is_old: bool) -> None:
        past = (self._then if is_old else self._now).tables[difference.table]
        schema, table = self._schema_and_name(difference.table)
        row = self._twin.superuser.execute(
            "select pg_relation_filepath(c.oid) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relname = %s",
            [schema, table],
        ).fetchone()
        assert row is not None
        self._twin.superuser.execute(f"select * from {SCHEMA}.pg_buffercache_evict_all()")
        self._twin.files.shrink(row[0])
        column, type_name = quote_identifier(difference.name), past.structure.columns[difference.name]
        head = f"ALTER TABLE {qualified(schema, table)} "
        change = f"ALTER COLUMN {column} TYPE {type_name} USING NULL"
        try:
            self._twin.role.execute((head + change).encode())
        except psycopg.errors.DatatypeMismatch:  # of its default
            self._twin.role.execute(f"{head}ALTER COLUMN {column} DROP DEFAULT, {change}".encode())

    def _restore_around(self, difference: Difference) -> None:
        """The table's sizes, and the statistics that went with the column, as all that is set back now says."""
        name = difference.table
        then, now = self._then.tables[name], self._now.tables[name]
        is_old = difference in self._old
        is_size_old = any((d.kind, d.table) == ("size", name) for d in self._old)
        self._resize(then if is_size_old else now)
        set_back = {d.name for d in self._old if (d.kind, d.table) == ("statistics", name)}
        for key in then.statistics.keys() | now.statistics.keys():
            index, column, _ = index_and_column(key)
            is_there = not index or index in now.structure.indexes
            if is_there and not extended_name(key) and (index or column == difference.name):
                was = key in set_back or (is_old and column == difference.name)
                self._restore(then if was else now, key)

    def _oids(self, difference: Difference) -> Iterable[int]:
        """Of an index that is there now, with its parts; not as the catalog was read: one whose column got another type
        is another."""
        schema = self._schema_and_name(difference.table)[0]
        rows = self._twin.superuser.execute(
            "select coalesce(p.relid::oid, c.oid)::int8 from pg_class as c"
            " join pg_namespace as n on n.oid = c.relnamespace left join pg_partition_tree(c.oid) as p on true"
            " where n.nspname = %s and c.relname = %s",
            [schema, difference.name],
        )
        return [oid for (oid,) in rows.fetchall()]

    def _restore(self, past: TablePast, key: str) -> None:
        """One column's statistics, or those of an expression in an index; what the twin's version does not take leaves
        it without any."""
        index, column, inherited = index_and_column(key)
        told: Statistics = past.statistics.get(key, {})
        schema, table = self._schema_and_name(past.name)
        where = [schema, index or table, column, inherited]
        role = self._twin.role
        role.execute("select pg_catalog.pg_clear_attribute_stats(%s::text, %s::text, %s::text, %s)", where)
        if not told:
            return
        names = [name for name in ARGUMENTS if told.get(name) is not None]
        arguments = ", ".join(f"'{name}', %s::{ARGUMENTS[name]}" for name in names)
        role.execute(
            "select pg_catalog.pg_restore_attribute_stats('schemaname', %s::text, 'relname', %s::text, 'attname',"
            f" %s::text, 'inherited', %s::boolean, 'version', 180000, {arguments})",
            [*where, *(told[name] for name in names)],
        )

    def _swap_extended(self, difference: Difference, *, is_old: bool) -> None:
        """Only one of two objects knows anything: as it was then, or as it is now."""
        for object_, past, is_known in (
            (self._earlier_extended.get(difference), self._then, is_old),
            (self._extended.get((difference.table, difference.name)), self._now, not is_old),
        ):
            if object_ is None:
                continue
            known = past.tables[difference.table].statistics if is_known else {}
            for suffix in ("", " inherited"):
                told = known.get(of_extended(difference.name) + suffix, {})
                set_extended_statistics(self._twin.superuser, object_, suffix, told)

    def _extended_here(self, tables: Iterable[str]) -> dict[tuple[str, str], ExtendedObject]:
        """(table, object) -> it, both "schema.name"."""
        oids = {
            relation.oid: name
            for name in tables
            if (relation := self._twin.catalog.tables.get(self._schema_and_name(name))) is not None
        }
        objects = read_extended_statistics(self._twin.superuser, oids)
        return {(table, object_.name): object_ for oid, table in oids.items() for object_ in objects[oid]}

    def _create_extended(self, difference: Difference, name: str) -> None:
        """A CREATE STATISTICS object as it was, knowing nothing until a plan asks for it."""
        schema = self._schema_and_name(difference.table)[0]
        definition = (self._then.tables[difference.table].structure.extended or {})[difference.name]
        text = statistics_named(definition, schema=schema, name=name)
        if text is None:
            self._lacking.add(difference)
            return
        try:
            self._twin.role.execute(text.encode())
        except psycopg.Error:
            self._lacking.add(difference)
            return
        made = self._extended_here([difference.table])
        self._earlier_extended[difference] = made[difference.table, f"{schema}.{name}"]

    def _resize(self, past: TablePast) -> None:
        """pg_class's figures of the table, and the files of table and indexes."""
        schema, table = self._schema_and_name(past.name)
        figures = past.figures
        self._twin.role.execute(
            "select pg_catalog.pg_restore_relation_stats('schemaname', %s::text, 'relname', %s::text, 'relpages',"
            " %s::int4, 'reltuples', %s::float4, 'relallvisible', %s::int4, 'version', 180000)",
            [schema, table, figures.pages, figures.rows, figures.visible_pages],
        )
        sized = []
        for relation in self._twin.facts.relations:
            if (relation.schema, relation.name) == (schema, table):
                sized.append(replace(relation, blocks=figures.blocks))
            elif relation.schema == schema and relation.kind == "i" and relation.name in figures.indexes:
                sized.append(replace(relation, blocks=figures.indexes[relation.name], level=None, gin=None))
        self._write(sized)

    def _write(self, relations: Sequence[Relation]) -> None:
        twin = self._twin
        twin.superuser.execute(f"select * from {SCHEMA}.pg_buffercache_evict_all()")
        set_sizes(twin.superuser, twin.files, replace(twin.facts, relations=tuple(relations)))
        # sessions keep an index's metapage: its row of the catalog, written again, makes them forget it
        twin.superuser.execute(
            "update pg_index as i set indisvalid = i.indisvalid from pg_class as c, pg_namespace as n"
            " where c.oid = i.indexrelid and n.oid = c.relnamespace and (n.nspname, c.relname) in"
            " (select * from unnest(%s::name[], %s::name[]))",
            [[r.schema for r in relations], [r.name for r in relations]],
        )

    def _create(self, difference: Difference, name: str) -> None:
        """An index as it was, hidden until a plan asks for it."""
        twin, past = self._twin, self._then.tables[difference.table]
        schema, table = self._schema_and_name(difference.table)
        relation = twin.catalog.tables.get((schema, table))
        text = _renamed_index(past.structure.indexes[difference.name], schema, name)
        if text is None or relation is None or relation.path is None:
            self._lacking.add(difference)
            return
        twin.files.shrink(relation.path)
        try:
            twin.role.execute(text.encode())
        except psycopg.Error:
            self._lacking.add(difference)
            return
        finally:
            twin.files.grow_back(relation.path, relation.blocks)
        row = twin.superuser.execute(
            "select c.oid::int8, m.amname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " join pg_am as m on m.oid = c.relam where n.nspname = %s and c.relname = %s",
            [schema, name],
        ).fetchone()
        assert row is not None
        blocks = past.figures.indexes.get(difference.name, 1)
        self._write([Relation(0, schema, name, "i", row[1], None, blocks, is_usable=False)])
        self._names[name], self._earlier[difference] = difference.name, row[0]


def _renamed_index(definition: str, schema: str, name: str) -> str | None:
    """CREATE INDEX under another name; None where the text is none, or of another schema."""
    statement = index_statement(definition)
    if statement is None or statement.relation.schemaname != schema:
        return None
    return index_on(definition, name=name, schema=schema, table=statement.relation.relname)
