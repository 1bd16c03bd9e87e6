"""Which tables the names in a statement stand for, where they are written without their schema.

pg_stat_statements does not know the search_path that a statement ran with. What can be known: the settings of the role
and of the database, and which schemas have such tables. A name that is not on the path was found by a path that a
session set (``SET search_path``), as applications with a schema per tenant do: each schema that has all the tables is
then a way to read the statement. PostgreSQL's own rule decides the rest: the first schema of the path with the name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.built_in_types import BUILT_IN_TYPES
from analyzer.statements.own_names import without_schema
from analyzer.statements.parse import parse_statement
from analyzer.statements.qualify import qualified_sql

MOST_SCHEMAS = 5_000  # read as tenants; judgement


@dataclass(frozen=True, slots=True)
class Resolution:
    """One way to read a statement. ``sql`` has the schemas that the application's search_path would not find.

    ``tables``: what its names without a schema stand for, by name; ``types`` and ``functions`` likewise the schemas of
    a tenant's own. ``path``: schemas in the order they are searched.
    """

    sql: str
    tables: Mapping[str, TableFacts] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    @property
    def reads(self) -> float:
        """Scans of its tables since the statistics were reset: how much each way was taken."""
        return float(sum(t.activity.seq_scans + t.activity.index_scans for t in self.tables.values()))

    @property
    def rows(self) -> float:
        return sum(t.rows or 0.0 for t in self.tables.values())


@dataclass(frozen=True, slots=True)
class AlikeResolutions:
    """Ways whose tables have the same columns and indexes: one plan, and one index, stands for all. The first is among
    the largest.
    """

    members: tuple[Resolution, ...]

    @property
    def largest(self) -> Resolution:
        return self.members[0]

    @property
    def reads(self) -> float:
        return sum(member.reads for member in self.members)


def unqualified_names(sql: str, facts: SchemaFacts) -> tuple[str, ...]:
    """Of tables that are in the facts, in some schema."""
    tables = parse_statement(sql).tables
    return tuple(dict.fromkeys(t.name for t in tables if not t.schema and facts.tables_named(t.name)))


def session_schemas(sqls: Iterable[str], facts: SchemaFacts) -> frozenset[str]:
    """Schemas that a session's own search_path leads to: without them, names in these texts would not be found."""
    schemas: set[str] = set()
    for sql in sqls:
        names = unqualified_names(sql, facts)
        missing = [name for name in names if facts.find_table(name) is None]
        if not missing:
            continue
        everywhere = set.intersection(*({t.schema for t in facts.tables_named(name)} for name in missing))
        schemas |= everywhere
    return frozenset(schemas if len(schemas) <= MOST_SCHEMAS else sorted(schemas)[:MOST_SCHEMAS])


def resolutions(
    sql: str, facts: SchemaFacts, sessions: Collection[str] = (), roles: Collection[str] = ()
) -> list[Resolution]:
    """Every way to read the statement, each set of tables once; empty where no way finds all its tables.

    ``sessions``: as ``session_schemas`` tells. ``roles``: who ran it; none: not known.
    """
    names = unqualified_names(sql, facts)
    if not names:
        return [Resolution(sql)]
    own = set(sessions) | session_schemas([sql], facts)
    having = {table.schema for name in names for table in facts.tables_named(name)}
    paths = [facts.path_of(role) for role in roles] or [facts.search_path]
    paths = [*paths, *((schema, *facts.search_path) for schema in sorted(own & having))]
    by_tables: dict[tuple[int, ...], Resolution] = {}
    for path in paths:
        tables = _along(path, names, facts)
        if tables is None:
            continue
        key = tuple(table.oid for table in tables.values())
        if key not in by_tables:
            types, functions = _owned(path, facts)
            resolution = Resolution(sql, tables, types, functions, tuple(path))
            text = with_schemas(sql, resolution, facts)
            if text is not None:
                by_tables[key] = replace(resolution, sql=text)
    return list(by_tables.values())


def alike(several: Sequence[Resolution], facts: SchemaFacts) -> list[AlikeResolutions]:
    """The largest group first. A group that nobody reads is left out where another is read: a copy, not a tenant."""
    groups: dict[tuple[object, ...], list[Resolution]] = {}
    for resolution in several:
        groups.setdefault(tuple((n, structure(t, facts)) for n, t in resolution.tables.items()), []).append(resolution)
    ordered = [
        AlikeResolutions(tuple(sorted(members, key=lambda r: (-size_class(r.rows), r.path))))
        for members in groups.values()
    ]
    read = [group for group in ordered if group.reads]
    return sorted(read or ordered, key=lambda g: (-sum(r.rows for r in g.members), g.largest.path))


def size_class(rows: float) -> int:
    """Equal for what is about as large, so that the table that stands for others does not change every day."""
    return int(rows).bit_length()


def structure(table: TableFacts, facts: SchemaFacts) -> tuple[object, ...]:
    """What two tables of the same name in two schemas must share for one index to be right for both."""
    own = facts.names_of_several_schemas
    columns = tuple((c.name, without_schema(c.type_name, table.schema, own)) for c in table.columns)
    return table.kind, columns, frozenset(_shape(i, table.schema, own) for i in table.indexes if i.is_usable)


def _shape(index: IndexFacts, schema: str, own: Collection[str]) -> tuple[object, ...]:
    return (
        index.method, index.columns, index.include, tuple(without_schema(e, schema, own) for e in index.expressions),
        without_schema(index.predicate or "", schema, own), index.is_unique, index.options, index.opclasses,
    )  # fmt: skip


def _along(path: Sequence[str], names: Sequence[str], facts: SchemaFacts) -> dict[str, TableFacts] | None:
    """By name; a name that is not on the path may still be one table's alone. None where a name is not found."""
    tables: dict[str, TableFacts] = {}
    for name in names:
        candidates = facts.tables_named(name)
        by_schema = {table.schema: table for table in candidates}
        table = next((by_schema[schema] for schema in path if schema in by_schema), None)
        if table is None and len(candidates) > 1:
            return None
        tables[name] = table or candidates[0]
    return tables


def with_schemas(sql: str, resolution: Resolution, facts: SchemaFacts) -> str | None:
    """The text with the schemas that the application's search_path does not lead to."""
    schemas = {name: table.schema for name, table in resolution.tables.items() if facts.find_table(name) is not table}
    types = {name: schema for name, schema in resolution.types.items() if name in sql}
    functions = {name: schema for name, schema in resolution.functions.items() if name in sql}
    return qualified_sql(sql, schemas, types, functions) if schemas or types or functions else sql


def _owned(path: Sequence[str], facts: SchemaFacts) -> tuple[dict[str, str], dict[str, str]]:
    """Types and functions of schemas that are on this path and not on the application's, by name.

    But for names that PostgreSQL's own have: pg_catalog is searched before any path.
    """
    types: dict[str, str] = {}
    functions: dict[str, str] = {}
    for schema in path:
        if schema not in facts.search_path:
            for name in facts.own_types.get(schema, frozenset()) - BUILT_IN_TYPES:
                types.setdefault(name, schema)
            for name in facts.own_functions.get(schema, frozenset()) - facts.functions_named_as_built_in:
                functions.setdefault(name, schema)
    return types, functions


def explained_way(sql: str, facts: SchemaFacts, roles: Collection[str] = ()) -> tuple[Resolution, int] | None:
    """The way that stands for the others where a statement is explained once: of the group with most rows its largest.
    And in how many ways it is read. None where no way finds its tables.
    """
    groups = alike(resolutions(sql, facts, (), roles), facts)
    return (groups[0].largest, sum(len(group.members) for group in groups)) if groups else None
