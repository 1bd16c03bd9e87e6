"""An index to be: its table, its keys in order, its kind and what rows it holds."""

from dataclasses import dataclass, field, replace

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.own_names import in_schema


@dataclass(frozen=True, slots=True)
class IndexColumn:
    """A key column, or an expression as SQL. ``nulls_first`` None: PostgreSQL's default for the direction."""

    name: str
    descending: bool = False
    nulls_first: bool | None = None
    opclass: str | None = None
    is_expression: bool = False

    def sql(self) -> str:
        text = f"({self.name})" if self.is_expression else quote_identifier(self.name)
        if self.opclass:
            text += f" {self.opclass}"
        if self.descending:
            text += " DESC"
        if self.nulls_first is not None and self.nulls_first != self.descending:
            text += " NULLS FIRST" if self.nulls_first else " NULLS LAST"
        return text


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """An index to be: what it is on, not what it is called.

    ``also``: tables of the same name and columns in other schemas, each of which gets the same index.
    """

    table: TableFacts
    columns: tuple[IndexColumn, ...]
    method: str = "btree"
    include: tuple[str, ...] = ()
    predicate: str | None = None
    is_unique: bool = False
    storage: str | None = None  # "pages_per_range = 32"
    also: tuple[TableFacts, ...] = field(default=(), compare=False, repr=False)

    @property
    def plain_columns(self) -> tuple[str | None, ...]:
        """Names of the keys that are columns, compared as their types are; None for the others."""
        return tuple(None if c.is_expression or c.opclass else c.name for c in self.columns)

    def on(self, table: TableFacts, facts: SchemaFacts) -> "IndexDefinition":
        """The same on another table alone: types and functions that both schemas have are named of the other's."""
        old, new = self.table.schema, table.schema
        if old == new:
            return replace(self, table=table, also=())
        own = facts.own_names(old) & facts.own_names(new)
        columns = tuple(
            replace(c, name=in_schema(c.name, old, new, own)) if c.is_expression else c for c in self.columns
        )
        predicate = self.predicate and in_schema(self.predicate, old, new, own)
        return replace(self, table=table, also=(), columns=columns, predicate=predicate)

    def body(self) -> str:
        """``(a, b DESC) INCLUDE (c) WITH (...) WHERE ...``, with USING where it is no B-tree."""
        using = "" if self.method == "btree" else f"USING {self.method} "
        text = f"{using}({', '.join(c.sql() for c in self.columns)})"
        if self.include:
            text += f" INCLUDE ({', '.join(quote_identifier(c) for c in self.include)})"
        if self.storage:
            text += f" WITH ({self.storage})"
        return f"{text} WHERE {self.predicate}" if self.predicate else text
