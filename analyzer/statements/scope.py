"""Which table a column belongs to: the FROM clause as a scope, inner blocks looking outwards."""

from dataclasses import dataclass, field

from pglast import ast

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.blocks import TableDraft
from analyzer.statements.tree import Node


@dataclass(frozen=True, slots=True)
class ScopedColumn:
    """A column found: of which base table, and in which scope (0 the asking one)."""

    table: TableDraft
    name: str
    depth: int
    via_derived: bool = False  # reached through a subquery in FROM or a CTE
    can_push: bool = True  # a condition on it holds for the base table's scan too


@dataclass(slots=True)
class Derived:
    """A subquery, CTE, function or VALUES in FROM: output names that are a base table's plain columns.

    ``can_push`` follows the planner: conditions move into a plain subquery, not past LIMIT, DISTINCT ON or
    aggregates.
    """

    columns: dict[str, ScopedColumn | None] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    can_push: bool = False
    is_complete: bool = False  # every output name is known


@dataclass(slots=True)
class Source:
    alias: str
    table: TableDraft | None = None
    facts: TableFacts | None = None
    derived: Derived | None = None

    def has(self, column: str) -> bool | None:
        """None: cannot be told (a table without facts, a function)."""
        if self.table is not None:
            return None if self.facts is None else self.facts.column(column) is not None
        assert self.derived is not None
        return True if column in self.derived.columns else (False if self.derived.is_complete else None)


@dataclass(slots=True)
class Scope:
    facts: SchemaFacts | None
    ctes: dict[str, Derived]
    parent: "Scope | None" = None
    sources: dict[str, Source] = field(default_factory=dict)

    def add_table(self, relation: Node, *, is_target: bool = False) -> Source:
        """A RangeVar that is no CTE; its schema is completed from the facts."""
        name, schema = relation.relname, relation.schemaname or ""
        facts = self.facts.find_table(name, schema or None) if self.facts else None
        if facts is not None:
            schema = facts.schema
        alias = relation.alias.aliasname if relation.alias else name
        table = TableDraft(alias, schema, name, is_target=is_target)
        return self.add(Source(alias, table, facts))

    def add(self, source: Source) -> Source:
        key = source.alias
        while key in self.sources:  # the same name from two schemas: legal, the later one is found qualified only
            key += "\0"
        self.sources[key] = source
        return source

    @property
    def tables(self) -> list[TableDraft]:
        return [s.table for s in self.sources.values() if s.table is not None]

    def column(self, reference: Node) -> ScopedColumn | None:
        """The base table's column a ColumnRef means; None for anything else or where it cannot be told."""
        parts = [f.sval for f in reference.fields if isinstance(f, ast.String)]
        if len(parts) != len(reference.fields) or not parts:
            return None  # a star
        name = parts[-1]
        qualifier = parts[-2] if len(parts) > 1 else None
        depth, scope = 0, self
        while True:
            column = scope._find(qualifier, name)
            if column is not None:
                return _through(column, name, depth)
            if scope.parent is None or (qualifier is None and any(s.has(name) is None for s in scope.sources.values())):
                return None
            depth, scope = depth + 1, scope.parent

    def _find(self, qualifier: str | None, name: str) -> Source | None:
        if qualifier is not None:
            return self.sources.get(qualifier)
        sure = [s for s in self.sources.values() if s.has(name)]
        if sure:
            return sure[0]  # PostgreSQL refuses ambiguous names, except merged ones of USING, where any will do
        possible = [s for s in self.sources.values() if s.has(name) is None]
        return possible[0] if len(possible) == 1 else None


def _through(source: Source, name: str, depth: int) -> ScopedColumn | None:
    if source.table is not None:
        return ScopedColumn(source.table, name, depth)
    assert source.derived is not None
    inner = source.derived.columns.get(name)
    if inner is None:
        return None
    return ScopedColumn(inner.table, inner.name, depth, True, source.derived.can_push and inner.can_push)
