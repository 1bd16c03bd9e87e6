"""Pairs of statements that could be parent and child, by shape and foreign keys."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.statements.lookup import LookupShape, ParentShape, condition_shape, parent_shape, repeatable_shapes
from analyzer.words.plurals import singular


class Multiplicity(enum.StrEnum):
    TO_ONE = "to-one"
    TO_MANY = "to-many"
    COUNT = "count per row"
    EXISTS = "exists per row"
    DEFERRED = "deferred column of the row"


@dataclass(frozen=True, slots=True)
class ChildLookup:
    """A lookup by key. ``is_unique``: the key columns hold a unique key, so at most one row comes back.

    ``is_list``: by IN lists, of one key where it is asked row by row; the counters have both as one statement.
    ``rows_of``: the table whose rows it returns or counts, where that is joined to the one with the key.
    """

    shape: LookupShape
    table: TableFacts
    is_unique: bool
    is_list: bool = False
    rows_of: TableFacts | None = None

    @property
    def is_by_conditions(self) -> bool:
        """Ranges, ORs, paths: no key that the rows of another statement bring."""
        return not self.shape.key_columns and bool(self.shape.other_columns)


@dataclass(frozen=True, slots=True)
class Link:
    """How the parent's rows bring the child's keys."""

    shape: Multiplicity
    parent: TableFacts
    child: TableFacts
    foreign_key_column: str  # in the parent's table for TO_ONE, else in the child's
    referenced_column: str
    by_constraint: bool  # False: by the column's name and type alone
    joined: tuple[TableFacts, ...] = ()  # of a lookup in a table between many and many: what it brings
    also_by: tuple[str, ...] = ()  # further columns of the parent's rows that point at the child as well
    deferred: tuple[str, ...] = ()  # columns that the parent left out of its rows
    onward: tuple["Link", ...] = ()  # from the child to the table whose rows the lookup returns

    @property
    def is_one_to_one(self) -> bool:
        """One row at most belongs to the parent's row, though the child holds the key."""
        return self.shape is Multiplicity.TO_MANY and (self.foreign_key_column,) in self.child.unique_keys


def children_of(sql: str, facts: SchemaFacts) -> tuple[ChildLookup, ...]:
    """The statement as a lookup, once for each table looked up by a key that is unique or leads a foreign key or index.

    An array is a batch already, and no lookup. A whole table (no key) is the same rows every time. What looks nothing
    up by such a key may ask by other conditions.
    """
    shapes = repeatable_shapes(sql, facts)
    lists = tuple(replace(s, key_columns=s.list_columns) for s in shapes if s.list_columns and not s.key_columns)
    arrays = tuple(replace(s, key_columns=s.array_columns) for s in shapes if s.array_columns and not s.key_columns)
    children = _by_keys(shapes, facts)
    narrowed = _narrowed(children, _by_keys(arrays, facts), facts)
    # beside a scope, what recorded pages repeated was asked row by row: it may be named without a parent
    return narrowed or _by_keys(lists, facts, is_list=not children) or _by_conditions(sql, facts)


def _narrowed(
    children: Sequence[ChildLookup], batches: Sequence[ChildLookup], facts: SchemaFacts
) -> tuple[ChildLookup, ...]:
    """Without what only says whose rows they are (a tenant's) beside a key; the table whose rows it returns first."""

    def is_scope(child: ChildLookup) -> bool:
        names = {name for _, name in child.shape.joined} | {child.table.name}
        return (
            child.rows_of is not None
            and not child.is_unique
            and any(_path(other.table, child.table, names, facts) for other in (*children, *batches))
        )

    return tuple(sorted((c for c in children if not is_scope(c)), key=lambda c: c.rows_of is not None))


def _by_keys(shapes: Sequence[LookupShape], facts: SchemaFacts, *, is_list: bool = False) -> tuple[ChildLookup, ...]:
    children = []
    for shape in shapes:
        table = facts.find_table(shape.table, shape.schema or None)
        if table is None or (shape.array_columns and not shape.key_columns):
            continue
        if not shape.key_columns:
            children.append(ChildLookup(shape, table, is_unique=False))
            continue
        keys = set(shape.key_columns)
        unique = any(key and set(key) <= keys for key in table.unique_keys)
        leads = any(key.columns[0] in keys for key in table.foreign_keys) or any(
            index.is_usable and index.columns and index.columns[0] in keys for index in table.indexes
        )
        if unique or leads:
            children.append(ChildLookup(shape, table, unique, is_list, _rows_of(shape, facts)))
    return tuple(children)


def _by_conditions(sql: str, facts: SchemaFacts) -> tuple[ChildLookup, ...]:
    shape = condition_shape(sql, facts)
    table = facts.find_table(shape.table, shape.schema or None) if shape else None
    return (ChildLookup(shape, table, is_unique=False, rows_of=_rows_of(shape, facts)),) if shape and table else ()


def _rows_of(shape: LookupShape, facts: SchemaFacts) -> TableFacts | None:
    return facts.find_table(shape.rows_of[1], shape.rows_of[0] or None) if shape.rows_of else None


def links(child: ChildLookup, parent: ParentShape, facts: SchemaFacts) -> Iterator[Link]:
    """Every way the parent's rows could bring the child's keys: by foreign keys first, then by names."""
    keys = set(child.shape.key_columns)
    onward = _onward(child, facts)
    if not keys or child.shape.aggregate == "group" or onward is None or (onward and child.shape.aggregate):
        return
    for link in _links(child, keys, parent, facts):
        yield replace(link, onward=onward)


def _onward(child: ChildLookup, facts: SchemaFacts) -> tuple[Link, ...] | None:
    """The foreign keys from the table with the key to that whose rows hang on it; () where the rows are its own or
    it lies between many and many, None where two tables are one."""
    if child.rows_of is None:
        return ()
    if child.rows_of.oid == child.table.oid:
        return None
    path = _path(child.rows_of, child.table, {name for _, name in child.shape.joined} | {child.table.name}, facts)
    return tuple(replace(hop, shape=Multiplicity.TO_MANY, parent=hop.child, child=hop.parent) for hop in reversed(path))


def _links(child: ChildLookup, keys: set[str], parent: ParentShape, facts: SchemaFacts) -> Iterator[Link]:
    joined: tuple[TableFacts, ...] = ()
    if child.shape.columns == frozenset():  # nothing of the table itself: it leads to another, many to many
        targets = {key.referenced_oid for key in child.table.foreign_keys}
        tables = (facts.find_table(name, schema or None) for schema, name in child.shape.joined)
        joined = tuple(t for t in tables if t is not None and t.oid in targets)
    named: list[Link] = []
    for used in parent.tables:
        table = facts.find_table(used.table, used.schema or None)
        if table is None:
            continue
        pointing = [
            key
            for key in table.foreign_keys  # the parent points at the child
            if key.referenced_oid == child.table.oid
            and set(key.referenced_columns) <= keys
            and all(used.returns(c) for c in key.columns)
        ]
        if pointing:
            first, *others = pointing
            also_by = tuple(key.columns[0] for key in others)
            yield Link(
                Multiplicity.TO_ONE,
                table,
                child.table,
                first.columns[0],
                first.referenced_columns[0],
                True,
                also_by=also_by,
            )
        for key in child.table.foreign_keys:  # the child points at the parent
            if (
                key.referenced_oid == table.oid
                and set(key.columns) <= keys
                and all(used.returns(c) for c in key.referenced_columns)
            ):
                yield Link(_to_many(child), table, child.table, key.columns[0], key.referenced_columns[0], True, joined)
        if table.oid == child.table.oid and _is_deferred(child, used.columns):
            (own,) = table.primary_key
            left_out = tuple(sorted((child.shape.columns or frozenset()) - {own}))
            yield Link(Multiplicity.DEFERRED, table, table, own, own, True, deferred=left_out)
        named.extend(_by_name(child, keys, table, used.columns))
    yield from named


def _is_deferred(child: ChildLookup, returned: frozenset[str] | None) -> bool:
    """It reads, by the primary key of rows that the parent returned, what the parent left out of them."""
    key = child.table.primary_key
    left_out = (child.shape.columns or frozenset()) - set(key)
    if returned is None or not left_out or len(key) != 1 or child.shape.key_columns != key:
        return False
    return key[0] in returned and not left_out & returned


def base_table(sql: str, of: TableFacts, facts: SchemaFacts) -> TableFacts:
    """The table that the statement's rows are of: its first, where ``of`` hangs on it by foreign keys; else ``of``."""
    shape = parent_shape(sql, facts)
    first = facts.find_table(shape.tables[0].table, shape.tables[0].schema or None) if shape else None
    return first if first is not None and (first is of or path_to(sql, first, of, facts)) else of


def path_to(sql: str, base: TableFacts, of: TableFacts, facts: SchemaFacts) -> tuple[Link, ...]:
    """The foreign keys from ``base`` to ``of`` over tables that the statement joins and returns; () where none lead."""
    shape = parent_shape(sql, facts)
    return _path(base, of, {t.table for t in shape.tables if t.columns is None or t.columns} if shape else set(), facts)


def _path(base: TableFacts, of: TableFacts, joined: set[str], facts: SchemaFacts) -> tuple[Link, ...]:
    """The foreign keys from ``base`` to ``of`` over tables named ``joined``; () where none lead."""
    paths: list[tuple[TableFacts, tuple[Link, ...]]] = [(base, ())]
    for table, path in paths:  # grows while it is walked: the shortest first
        if table.oid == of.oid or len(path) > 3:
            return path if table.oid == of.oid else ()
        for key in table.foreign_keys:
            target = facts.table(key.referenced_oid)
            if target is not None and len(key.columns) == 1 and target.name in joined:
                hop = Link(Multiplicity.TO_ONE, table, target, key.columns[0], key.referenced_columns[0], True)
                paths.append((target, (*path, hop)))
    return ()


def _by_name(child: ChildLookup, keys: set[str], table: TableFacts, returned: frozenset[str] | None) -> Iterator[Link]:
    """``<singular>_id`` columns of the key's type where nobody declared the foreign key."""
    if table.oid == child.table.oid:
        return
    if len(child.table.primary_key) == 1 and child.table.primary_key[0] in keys:
        target = child.table.column(child.table.primary_key[0])
        for column in _pointers(table, child.table):
            if target and target.type_oid == column.type_oid and (returned is None or column.name in returned):
                yield Link(Multiplicity.TO_ONE, table, child.table, column.name, target.name, False)
    if len(table.primary_key) == 1:
        target = table.column(table.primary_key[0])
        for column in _pointers(child.table, table):
            is_key = target and column.name in keys and target.type_oid == column.type_oid
            if target and is_key and (returned is None or target.name in returned):
                yield Link(_to_many(child), table, child.table, column.name, target.name, False)


def _pointers(table: TableFacts, to: TableFacts) -> Iterator[ColumnFacts]:
    """Columns of ``table`` that are named after ``to`` and have no foreign key: order_id, orders_id, shop_order_id."""
    names = {f"{one}_{key}" for one in _singulars(to.name) for key in ("id", *to.primary_key)}
    return (c for c in table.columns if c.name in names and not _has_key(table, c.name))


def _singulars(table: str) -> set[str]:
    head, _, word = table.rpartition("_")
    words = {word, singular(word), word.removesuffix("s"), word.removesuffix("es")}
    return words | {f"{head}_{w}" for w in words if head}


def _has_key(table: TableFacts, column: str) -> bool:
    return any(column in key.columns for key in table.foreign_keys)


def _to_many(child: ChildLookup) -> Multiplicity:
    aggregate = child.shape.aggregate
    if aggregate == "exists":
        return Multiplicity.EXISTS
    return Multiplicity.COUNT if aggregate else Multiplicity.TO_MANY
