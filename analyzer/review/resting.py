"""Foreign keys that rest on a table, a column or an index, and what falls with those: by the server's catalog, less
what the migration dropped before.
"""

from collections.abc import Collection, Iterable

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.schema.facts import ForeignKeyFacts, IndexFacts, TableFacts

# the qualified name of a table with the name of a constraint or an index of it; with "" the table itself
Dropped = set[tuple[str, str]]
KeyOf = tuple[TableFacts, ForeignKeyFacts]


def keys_to(table: TableFacts, facts: Iterable[TableFacts], dropped: Dropped) -> list[KeyOf]:
    """Of other tables, and its own; without the copies that partitions have."""
    return [
        (owner, key)
        for owner in facts
        for key in owner.foreign_keys
        if key.referenced_oid == table.oid and not key.is_inherited
        and not {(owner.qualified_name, ""), (owner.qualified_name, key.name)} & dropped
    ]  # fmt: skip


def keys_on_index(index: IndexFacts, table: TableFacts, facts: Iterable[TableFacts], dropped: Dropped) -> list[KeyOf]:
    """None where another index of the same columns may be the one that the server took."""
    if not is_key(index):
        return []
    columns = set(index.columns)
    fit = [i for i in table.indexes if is_key(i) and set(i.columns) == columns]
    if len([i for i in fit if (table.qualified_name, i.name) not in dropped]) != 1:
        return []
    return [(owner, key) for owner, key in keys_to(table, facts, dropped) if set(key.referenced_columns) == columns]


def is_key(index: IndexFacts) -> bool:
    """Whether a foreign key may reference its columns."""
    return index.is_unique and index.is_usable and index.predicate is None and not index.expressions


def renaming(action: Action) -> tuple[str, str] | None:
    """Of a constraint or an index: its name before and after."""
    statement = action.statement
    if not isinstance(statement, ast.RenameStmt):
        return None
    if statement.renameType == enums.ObjectType.OBJECT_TABCONSTRAINT:
        return statement.subname, statement.newname
    is_index = statement.renameType == enums.ObjectType.OBJECT_INDEX
    return (statement.relation.relname, statement.newname) if is_index else None


def falling(action: Action, table: TableFacts, facts: Collection[TableFacts], dropped: Dropped) -> Dropped:
    """What is gone after the action, which ``table`` is the table of, by the names that the server's catalog has."""
    name, kind = table.qualified_name, action.kind
    if kind is Kind.DROP_TABLE:
        own = {(name, "")}
        keys = keys_to(table, facts, dropped)
    elif kind is Kind.DROP_COLUMN:
        own = {(name, key.name) for key in table.foreign_keys if action.column in key.columns}
        own |= {(name, i.name) for i in table.indexes if action.column in (*i.columns, *i.include)}
        keys = [pair for pair in keys_to(table, facts, dropped) if action.column in pair[1].referenced_columns]
    elif kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        own = {(name, action.name)}
        indexes = [i for i in table.indexes if i.name == action.name]
        keys = [pair for i in indexes for pair in keys_on_index(i, table, facts, dropped)]
    else:
        return set()
    return own | ({(owner.qualified_name, key.name) for owner, key in keys} if action.is_cascade else set())
