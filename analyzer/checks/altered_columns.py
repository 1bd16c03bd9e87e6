"""What ALTER TABLE may do to a column: whose it is, whose rows it changes with it, what goes when it goes."""

from collections.abc import Callable, Iterator

from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.tree import Unparsable, column_names, single_statement


def is_inherited(name: str, table: TableFacts, facts: SchemaFacts | None) -> bool:
    """Whether a table above it has the column: there alone it can be dropped or get another type."""
    above = [*table.inherits, *([table.parent_oid] if table.parent_oid is not None else [])]
    parents = [facts.table(oid) if facts is not None else None for oid in above]
    return any(parent is None or parent.column(name) is not None for parent in parents)


def holds_in_heirs(
    name: str, table: TableFacts, facts: SchemaFacts | None, holds: Callable[[ColumnFacts], bool]
) -> bool:
    """Of the column in all that inherits from the table and is not empty: what is done to it is done to theirs, and
    the table's statistics are of its own rows alone."""
    heirs = facts.heirs(table) if facts is not None else []
    known = [heir.column(name) for heir in heirs if heir.size_bytes != 0]
    return all(column is not None and holds(column) for column in known)


def dropped_with(name: str, table: TableFacts) -> Iterator[str]:
    """Names of the indexes, keys and constraints that DROP COLUMN takes along without a word."""
    yield from (index.name for index in table.indexes if index_names(index, name))
    yield from (key.name for key in table.foreign_keys if name in key.columns)
    yield from (constraint.name for constraint in table.constraints or () if name in constraint.columns)


def index_names(index: IndexFacts, name: str) -> bool:
    """Whether it has the column anywhere, also in an expression or its WHERE; True where those cannot be read."""
    if name in index.columns or name in index.include:
        return True
    return any(_names(text, name) for text in (*index.expressions, index.predicate) if text is not None)


def _names(expression: str, name: str) -> bool:
    statement = single_statement(f"SELECT ({expression})")
    return isinstance(statement, Unparsable) or name in column_names(statement)
