"""Pairs of statements that could be parent and child, by shape and foreign keys (detection.md, a, steps 1 and 2)."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.facts import SchemaFacts, TableFacts
from analyzer.nplusone.fixes import Shape
from analyzer.statements.lookup import LookupShape, ParentShape, lookup_shape


@dataclass(frozen=True, slots=True)
class Child:
    """A lookup by key. ``is_unique``: the key columns hold a unique key, so at most one row comes back."""

    shape: LookupShape
    table: TableFacts
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Link:
    """How the parent's rows bring the child's keys."""

    shape: Shape
    parent_table: str  # schema.name
    foreign_key_column: str  # in the parent's table for TO_ONE, else in the child's
    by_constraint: bool  # False: by the column's name and type alone


def child_of(sql: str, facts: SchemaFacts) -> Child | None:
    """The statement as a lookup whose key is unique or leads a foreign key or an index; None when it is none."""
    shape = lookup_shape(sql, facts)
    if shape is None or not (shape.key_columns or shape.array_columns):
        return None
    table = facts.find_table(shape.table, shape.schema or None)
    if table is None:
        return None
    keys = set(shape.key_columns) | set(shape.array_columns)
    unique = any(key and set(key) <= keys for key in table.unique_keys)
    leads = any(key.columns[0] in keys for key in table.foreign_keys) or any(
        index.is_usable and index.columns and index.columns[0] in keys for index in table.indexes
    )
    return Child(shape, table, unique) if unique or leads else None


def links(child: Child, parent: ParentShape, facts: SchemaFacts) -> Iterator[Link]:
    """Every way the parent's rows could bring the child's keys: by foreign keys first, then by names."""
    keys = set(child.shape.key_columns) | set(child.shape.array_columns)
    named: list[Link] = []
    for used in parent.tables:
        table = facts.find_table(used.table, used.schema or None)
        if table is None:
            continue
        name = table.qualified_name
        for key in table.foreign_keys:  # the parent points at the child
            if (
                key.referenced_oid == child.table.oid
                and set(key.referenced_columns) <= keys
                and all(used.returns(c) for c in key.columns)
            ):
                yield Link(Shape.TO_ONE, name, key.columns[0], True)
        for key in child.table.foreign_keys:  # the child points at the parent
            if (
                key.referenced_oid == table.oid
                and set(key.columns) <= keys
                and all(used.returns(c) for c in key.referenced_columns)
            ):
                yield Link(_to_many(child), name, key.columns[0], True)
        named.extend(_by_name(child, keys, table, used.columns))
    yield from named


def _by_name(child: Child, keys: set[str], table: TableFacts, returned: frozenset[str] | None) -> Iterator[Link]:
    """``<singular>_id`` columns of the key's type where nobody declared the foreign key."""
    if table.oid == child.table.oid:
        return
    if len(child.table.primary_key) == 1 and child.table.primary_key[0] in keys:
        column = table.column(f"{_singular(child.table.name)}_id")
        if column and (returned is None or column.name in returned) and not _has_key(table, column.name):
            target = child.table.column(child.table.primary_key[0])
            if target and target.type_oid == column.type_oid:
                yield Link(Shape.TO_ONE, table.qualified_name, column.name, False)
    if len(table.primary_key) == 1:
        column = child.table.column(f"{_singular(table.name)}_id")
        if column and column.name in keys and not _has_key(child.table, column.name):
            target = table.column(table.primary_key[0])
            if target and (returned is None or target.name in returned) and target.type_oid == column.type_oid:
                yield Link(_to_many(child), table.qualified_name, column.name, False)


def _has_key(table: TableFacts, column: str) -> bool:
    return any(column in key.columns for key in table.foreign_keys)


def _to_many(child: Child) -> Shape:
    aggregate = child.shape.aggregate
    if aggregate == "exists":
        return Shape.EXISTS
    return Shape.COUNT if aggregate else Shape.TO_MANY


def _singular(table: str) -> str:
    """``shop_orders`` -> ``order``: the last word of the name, without its plural s."""
    word = table.rpartition("_")[2]
    for plural, singular in (("ies", "y"), ("ses", "s"), ("xes", "x")):
        if word.endswith(plural):
            return word[: -len(plural)] + singular
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
