"""The statements that undo an action, where that can be: and what cannot be brought back."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import count

from pglast import enums

from analyzer.review.actions import Action, Kind
from analyzer.review.column_types import needs_using
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.resting import renaming
from analyzer.review.safe_sequence.constraints import constraint_steps, default_name, key_steps
from analyzer.review.safe_sequence.names import index_columns, index_name
from analyzer.review.safe_sequence.safe_step import relation_sql
from analyzer.review.work import key_columns, words
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Unparsable, column_names, name_parts, single_statement

CONSTRAINTS = frozenset({
    Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY, Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.ADD_EXCLUDE, Kind.ADD_NOT_NULL,
})  # fmt: skip
LOST = {
    Kind.DROP_TABLE: "the table's rows", Kind.DROP_COLUMN: "the column's values", Kind.TRUNCATE: "the table's rows",
    Kind.UPDATE: "the old values", Kind.DELETE: "the rows", Kind.MERGE: "the old values",
    Kind.DROP_DATABASE: "the database", Kind.DROP_SCHEMA: "what was in the schema",
    Kind.ADD_ENUM_VALUE: "a type without the new value (values of an enum cannot be dropped)",
}  # fmt: skip
NOTHING = frozenset({
    Kind.VALIDATE, Kind.VACUUM, Kind.VACUUM_FULL, Kind.ANALYZE, Kind.CLUSTER, Kind.REINDEX_INDEX, Kind.REINDEX_TABLE,
    Kind.REINDEX_MANY, Kind.REFRESH, Kind.LOCK, Kind.SET, Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.READ,
})  # fmt: skip


def undo_of(action: Action, known: FactsAtStatement) -> list[str] | None:
    """None where it is not known how; empty where there is nothing to undo."""
    if action.kind in NOTHING:
        return []
    commands = list(_undo(action, known))
    return commands or None


def _undo(action: Action, known: FactsAtStatement) -> Iterator[str]:
    relation, kind = action.relation, action.kind
    if kind is Kind.DROP_INDEX:
        owner = known.owner_of_index(action.others[0])
        made = (i.definition for i in owner.indexes if i.name == action.name) if owner else ()
        yield from (definition.replace(" ON ONLY ", " ON ", 1) for definition in made)
        return
    if relation is None:
        return
    table = relation_sql(relation)
    if (names := renaming(action)) is not None:
        old, new = map(quote_identifier, names)
        if action.statement.renameType == enums.ObjectType.OBJECT_TABCONSTRAINT:
            yield f"ALTER TABLE {table} RENAME CONSTRAINT {new} TO {old}"
        else:
            yield f"ALTER INDEX {relation_sql(TableName(relation.schema, names[1]))} RENAME TO {old}"
    elif kind is Kind.ADD_COLUMN:
        yield f"ALTER TABLE {table} DROP COLUMN {quote_identifier(action.column)}"
    elif kind in CONSTRAINTS and (action.name or kind is not Kind.ADD_EXCLUDE):
        yield f"ALTER TABLE {table} DROP CONSTRAINT {quote_identifier(name_given(action, known))}"
        yield from _key_before(action, relation, known)
    elif kind is Kind.DROP_CONSTRAINT:
        yield from _constraint_again(action, relation, known)
    elif kind is Kind.CREATE_INDEX:
        name = name_given(action, known)
        found = known.table(relation)
        how = "" if found is not None and found.kind == "p" else "CONCURRENTLY "
        yield f"DROP INDEX {how}{relation_sql(TableName(relation.schema, name))}"
    elif kind in (Kind.CREATE_TABLE, Kind.CREATE_PARTITION):
        is_view = getattr(action.statement, "objtype", None) == enums.ObjectType.OBJECT_MATVIEW
        yield f"DROP {'MATERIALIZED VIEW' if is_view else 'TABLE'} {table}"
    elif kind is Kind.SET_NOT_NULL and not known.column(relation, action.column).is_not_null:
        yield f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(action.column)} DROP NOT NULL"
    elif kind is Kind.DROP_NOT_NULL and known.column(relation, action.column).is_not_null is not False:
        yield f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(action.column)} SET NOT NULL"
    elif kind is Kind.RENAME_TABLE:
        new = relation_sql(TableName(relation.schema, action.name))
        yield f"ALTER TABLE {new} RENAME TO {quote_identifier(relation.name)}"
    elif kind is Kind.SET_SCHEMA:
        found = known.table(relation)
        before = relation.schema or (found.schema if found is not None else known.first_schema)
        yield f"ALTER TABLE {relation_sql(TableName(action.name, relation.name))} SET SCHEMA {quote_identifier(before)}"
    elif kind is Kind.RENAME_COLUMN:
        old, new = quote_identifier(action.column), quote_identifier(action.name)
        yield f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}"
    elif kind is Kind.ALTER_TYPE:
        was = known.type_before(action)
        if was is not None and not was.schema:
            column, needs = quote_identifier(action.column), action.type is not None and needs_using(action.type, was)
            using = f" USING {column}::{words(was)}" if needs else ""
            yield f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {words(was)}{using}"
    elif kind is Kind.SET_DEFAULT and known.is_new(relation):
        return
    elif kind is Kind.ATTACH_PARTITION:
        yield f"ALTER TABLE {table} DETACH PARTITION {relation_sql(action.others[0])}"
    elif kind is Kind.CREATE_TRIGGER:
        yield f"DROP TRIGGER {quote_identifier(action.name)} ON {table}"


def _constraint_again(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[str]:
    """As the server has it, without holding up reads and writes where that can be. Not what CASCADE took with it."""
    table = known.table(relation)
    if table is None or known.live is None or action.is_cascade or known.is_dropped(table, action.name):
        return
    before = known.name_before(table, action.name)
    checks = {check.name: check.definition for check in known.live.checks_of(table.oid)}
    definitions = checks | {c.name: c.definition for c in table.constraints or () if c.kind in "pux"}
    definition = definitions.get(before) or known.live.foreign_keys.get((table.oid, before), "")
    add = f"ALTER TABLE {relation_sql(relation)} ADD CONSTRAINT {quote_identifier(action.name)} {definition}"
    statement = single_statement(add)
    if not definition or isinstance(statement, Unparsable):
        return
    node = statement.cmds[0].def_
    is_key = node.contype in (enums.ConstrType.CONSTR_PRIMARY, enums.ConstrType.CONSTR_UNIQUE)
    is_checked_later = node.contype == enums.ConstrType.CONSTR_CHECK or before not in definitions
    if is_key and table.kind != "p":
        yield from (each.sql for each in key_steps(relation, node, action.name))
    elif is_checked_later and not node.skip_validation and (table.kind != "p" or before in checks):
        yield from (each.sql for each in constraint_steps(relation, node, action.name))
    else:
        yield add


def drops_new_column(action: Action, known: FactsAtStatement) -> bool:
    if action.kind is not Kind.DROP_COLUMN or action.relation is None:
        return False
    return known.column(action.relation, action.column).is_new


def referenced_by(action: Action) -> TableName | None:
    """The table that a foreign key is added to, by itself or with its column."""
    if action.kind is Kind.ADD_FOREIGN_KEY:
        return action.others[0]
    return action.new.references if action.kind is Kind.ADD_COLUMN and action.new is not None else None


def rests_on_lost(action: Action, known: FactsAtStatement, lost: Collection[tuple[str, str]]) -> bool:
    """Whether undoing it needs a column or a table that the migration drops later: (table, column or "")."""
    table = known.table(action.relation)
    name = known.key(action.relation) if action.relation is not None else ""
    columns = {"", action.column, *action.columns}
    if action.kind is Kind.ADD_CHECK:
        columns.update(column_names(action.node.def_.raw_expr))
    if action.kind is Kind.DROP_CONSTRAINT and table is not None:
        before = known.name_before(table, action.name)
        columns.update(*(c.columns for c in table.constraints or () if c.name == before))
        for key in (k for k in table.foreign_keys if k.name == before):
            columns.update(key.columns)
            referenced = f"{key.referenced_schema}.{key.referenced_table}"
            if any((referenced, column) in lost for column in ("", *key.referenced_columns)):
                return True
    return any((name, column) in lost for column in columns)


def _key_before(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[str]:
    """The index that the constraint was made of, and columns that a primary key made NOT NULL."""
    if action.kind is Kind.ADD_PRIMARY_KEY:
        for column in key_columns(action, relation, known):
            if known.column(relation, column).is_not_null is False:
                yield f"ALTER TABLE {relation_sql(relation)} ALTER COLUMN {quote_identifier(column)} DROP NOT NULL"
    table = known.table(relation)
    yield from (i.definition for i in (table.indexes if table else ()) if i.name == action.using_index)


def name_given(action: Action, known: FactsAtStatement) -> str:
    """Of a constraint or an index, also where PostgreSQL chooses it: with a number where the name is taken."""
    relation, table = action.relation, known.table(action.relation)
    assert relation is not None
    if action.name or action.using_index:
        return action.name or action.using_index
    is_index = action.kind is Kind.CREATE_INDEX
    including = name_parts(getattr(getattr(action.node, "def_", None), "including", None) or ())
    made = replace(action, columns=(*action.columns, *including))
    name = index_name(relation.name, index_columns(action.node)) if is_index else default_name(made, relation)
    there = {c.name for c in known.checks_of(relation)}
    for other in (t for t in known.facts or () if table and t.schema == table.schema and not known.is_dropped(t, "")):
        keys = other.foreign_keys if other is table else ()
        names = {*(key.name for key in keys), *(index.name for index in other.indexes)}
        there |= {known.name_now(other, each) for each in names if not known.is_dropped(other, each)}
    numbered = (f"{name}{number}" for number in count(1))
    return name if name not in there else next(each for each in numbered if each not in there)
