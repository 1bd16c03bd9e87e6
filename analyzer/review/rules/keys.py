"""Keys that the server refuses: a second primary key, and foreign keys that do not fit what they reference."""

from collections.abc import Iterator
from dataclasses import dataclass

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import CONSTR, new_column, relation_name
from analyzer.review.column_types import ColumnType, are_comparable
from analyzer.review.facts_at_statement import NEW_RELATIONS
from analyzer.review.known_checks import column_of
from analyzer.review.resting import is_key
from analyzer.review.rules.exists import APPLIED, UNFIT
from analyzer.review.rules.rule import Findings, StepContext
from analyzer.review.work import below_domains, words
from analyzer.schema.facts import ForeignKeyFacts, TableFacts
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, name_parts, single_statement
from analyzer.words.lists import and_list

MAKE_KEYS = frozenset({Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.CREATE_INDEX})


@dataclass(frozen=True, slots=True)
class NewForeignKey:
    """A foreign key; ``types`` of its columns, None where one is not known. No ``referenced``: the primary key."""

    relation: TableName
    columns: tuple[str, ...]
    types: tuple[ColumnType | None, ...]
    referenced: tuple[str, ...]


def second_primary_key(at: StepContext) -> Findings:
    action, table = at.action, at.table
    adds = action.kind is Kind.ADD_PRIMARY_KEY or (action.new is not None and action.new.is_primary)
    if not adds or table is None or at.known.is_unclear:
        return
    there = next((i for i in table.indexes if i.is_primary and not at.known.is_dropped(table, i.name)), None)
    dropped_here = {at.known.name_before(table, a.name) for a in at.step.actions if a.kind is Kind.DROP_CONSTRAINT}
    if there is not None and there.name not in dropped_here:
        yield UNFIT.finding(
            at, Severity.CRITICAL,
            f"It fails: {at.name} has a primary key already, {at.known.name_now(table, there.name)} on"
            f" {', '.join(column or '(expression)' for column in there.columns)}.", APPLIED, subject=there.name,
        )  # fmt: skip


def keys_fit(at: StepContext) -> Findings:
    if at.migration.framework == "django":  # whose reader takes the referenced column and its type for granted
        return
    for key in _new_keys(at):
        table = at.known.table(key.relation)
        why = _why_not(key, table, at) if table is not None and table.kind in "rp" else None
        if why is not None:
            of = f" ({', '.join(key.columns)})"
            yield UNFIT.finding(
                at, Severity.CRITICAL, f"It fails: {why}, which the foreign key{of} needs.",
                "Reference the columns of a primary or unique key, of the same types.",
                subject=f"{at.name}.{','.join(key.columns)}",
            )  # fmt: skip


def keys_keep_fitting(at: StepContext) -> Findings:
    """A column of a foreign key, on either side, becomes of a type that the other side cannot be compared with."""
    action, table = at.action, at.table
    if action.kind is not Kind.ALTER_TYPE or action.type is None or table is None or at.known.is_unclear:
        return
    gone = {at.known.name_before(table, a.name) for a in at.step.actions if a.kind is Kind.DROP_CONSTRAINT}
    becomes = below_domains(action.type, at.known)
    for key, other, column, is_referencing in _other_sides(action.column, table, at):
        there = _type_after(other, column, at)
        if key.name in gone or there is None:
            continue
        if {(becomes.name, there.name), (there.name, becomes.name)} & _own_casts(at):
            continue
        base = below_domains(there, at.known)
        pair = (becomes, base) if is_referencing else (base, becomes)
        if are_comparable(*pair) is False:
            yield UNFIT.finding(
                at, Severity.CRITICAL,
                f"It fails: {at.name}.{action.column} becomes {words(becomes)}, {other}.{column} is {words(base)}: no"
                f" index compares the two, which the foreign key {key.name} needs.",
                "Drop the foreign key first, and change both columns before it is added again.",
                subject=f"{at.name}.{action.column}",
            )  # fmt: skip
            return


def _other_sides(
    column: str, table: TableFacts, at: StepContext
) -> Iterator[tuple[ForeignKeyFacts, TableName, str, bool]]:
    """Each foreign key of the column and each to it, with the column that it is compared with, and whether it is one of
    the column's own."""
    for key in table.foreign_keys:
        if not (key.is_inherited or at.known.is_dropped(table, key.name)):
            for here, there in zip(key.columns, key.referenced_columns, strict=False):
                if here == column:
                    yield key, TableName(key.referenced_schema, key.referenced_table), there, True
    for owner, key in at.known.keys_to(table, (column,)):
        for here, there in zip(key.columns, key.referenced_columns, strict=False):
            if there == column:
                yield key, TableName(owner.schema, owner.name), here, False


def _type_after(relation: TableName, column: str, at: StepContext) -> ColumnType | None:
    """Of a column after the statement: of one ALTER TABLE all columns change before its keys are made again."""
    for action in at.step.actions:
        is_changed = action.kind is Kind.ALTER_TYPE and action.column == column
        if is_changed and action.relation and at.known.key(action.relation) == at.known.key(relation):
            return action.type
    return at.known.column(relation, column).type


def _why_not(key: NewForeignKey, table: TableFacts, at: StepContext) -> str | None:
    """As a clause; None where it fits, or nobody knows."""
    name = table.qualified_name
    columns = key.referenced or table.primary_key
    if not columns:
        return None if _may_have_changed(table, at) or table.kind == "p" else f"{name} has no primary key"
    for column in columns:
        if at.known.has_column(key.relation, column) is False:
            return f"{name} has no column {column}"
    usable = [i for i in table.indexes if is_key(i) and not at.known.is_dropped(table, i.name)]
    is_unreadable = any(not i.is_readable for i in table.indexes)
    if not (is_unreadable or _may_have_changed(table, at) or any(set(i.columns) == {*columns} for i in usable)):
        return f"{name} has no unique key of {and_list(columns)} alone"
    for column, local, of in zip(columns, key.columns, key.types, strict=False):
        there = at.known.column(key.relation, column).type
        if of is None or there is None or {(of.name, there.name), (there.name, of.name)} & _own_casts(at):
            continue
        base, below = below_domains(of, at.known), below_domains(there, at.known)
        if are_comparable(base, below) is False:
            return f"{local} is {words(base)} and {name}.{column} {words(below)}: no index compares the two"
    return None


def _may_have_changed(table: TableFacts, at: StepContext) -> bool:
    """Whether the migration may have given the table a key, or a column of another name, before."""
    name = table.qualified_name
    return at.known.is_unclear or any(
        (action.kind in MAKE_KEYS or action.kind is Kind.RENAME_COLUMN or _is_unique(action))
        and action.relation is not None and at.known.key(action.relation) == name
        for step in (*at.earlier, at.step) for action in step.actions
    )  # fmt: skip


def _is_unique(action: Action) -> bool:
    return action.new is not None and (action.new.is_unique or action.new.is_primary)


def _own_casts(at: StepContext) -> frozenset[tuple[str, str]]:
    return at.known.live.casts if at.known.live is not None else frozenset()


def _new_keys(at: StepContext) -> Iterator[NewForeignKey]:
    action = at.action
    if action.relation is None:
        return
    if action.kind is Kind.ADD_FOREIGN_KEY:
        yield _key(action.node.def_, action.columns, {}, at)
    elif action.kind is Kind.ADD_COLUMN and (new := action.new) is not None:
        if new.references is not None:
            yield NewForeignKey(new.references, (new.name,), (new.type,), new.referenced_columns)
    elif action.kind in NEW_RELATIONS and isinstance(action.statement, ast.CreateStmt):
        yield from _of_new_table(action, at)


def _of_new_table(action: Action, at: StepContext) -> Iterator[NewForeignKey]:
    elements = action.statement.tableElts or ()
    columns = [new_column(e) for e in elements if isinstance(e, ast.ColumnDef) and e.typeName is not None]
    for new in columns:
        if new.references is not None:
            yield NewForeignKey(new.references, (new.name,), (new.type,), new.referenced_columns)
    types = {new.name: new.type for new in columns}
    for element in elements:
        if isinstance(element, ast.Constraint) and element.contype == CONSTR.CONSTR_FOREIGN:
            yield _key(element, name_parts(element.fk_attrs), types, at)


def _key(constraint: Node, columns: tuple[str, ...], types: dict[str, ColumnType], at: StepContext) -> NewForeignKey:
    known = tuple(types.get(name) or at.known.column(at.relation, name).type for name in columns)
    return NewForeignKey(relation_name(constraint.pktable), columns, known, name_parts(constraint.pk_attrs))


def holds_partition_key(at: StepContext) -> Findings:
    """A unique index of a partitioned table has its partition key among its columns."""
    action, table = at.action, at.table
    is_unique = action.kind in (Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY) or action.is_unique
    if not is_unique or table is None or table.partition_key is None or not action.columns:
        return
    parts = single_statement(f"SELECT {table.partition_key.partition(' ')[2]}")
    values = [target.val for target in getattr(parts, "targetList", None) or ()]
    values = [v for value in values for v in (value.args if isinstance(value, ast.RowExpr) else (value,))]
    missing = [name for name in map(column_of, values) if name is not None and name not in action.columns]
    if any(column_of(value) is None for value in values):
        yield UNFIT.finding(
            at, Severity.CRITICAL,
            f"It fails: {at.name} is partitioned by an expression, of which no unique key can be.",
            "Make it unique on each partition by itself.",
        )  # fmt: skip
    elif missing:
        yield UNFIT.finding(
            at, Severity.CRITICAL,
            f"It fails: {at.name} is partitioned by {', '.join(missing)}, which a unique key of it has to hold.",
            "Add the partition key to it, or make it unique on each partition by itself.",
        )  # fmt: skip


def persistence_fits(at: StepContext) -> Findings:
    """No logged table references an unlogged one."""
    table, known, kind = at.table, at.known, at.action.kind
    if kind not in (Kind.SET_LOGGED, Kind.SET_UNLOGGED) or table is None or known.is_unclear:
        return
    others = [TableName(owner.schema, owner.name) for owner, _ in known.keys_to(table) if owner.oid != table.oid]
    if kind is Kind.SET_LOGGED:
        keys = [k for k in table.foreign_keys if k.referenced_oid != table.oid and not known.is_dropped(table, k.name)]
        others = [TableName(key.referenced_schema, key.referenced_table) for key in keys]
    wrong = [str(other) for other in others if known.is_unlogged(other) is (kind is Kind.SET_LOGGED)]
    if wrong:
        several = len(set(wrong)) > 1
        which = f"{and_list(sorted(set(wrong)))}, which {'are' if several else 'is'}"
        why = f"{which} logged, reference{'' if several else 's'} {at.name}"
        if kind is Kind.SET_LOGGED:
            why = f"{at.name} references {which} unlogged"
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {why}.",
            "Change all of them, in the order of their foreign keys, or drop the keys first.",
        )  # fmt: skip


RULES = (second_primary_key, keys_fit, keys_keep_fitting, holds_partition_key, persistence_fits)
