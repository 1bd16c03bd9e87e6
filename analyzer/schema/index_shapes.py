"""Indexes in a form that can be compared: which one does another's work?"""

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.foreign_keys import supporting_index

# pg_collation.dat: none, and the database's default; what a candidate's columns have unless declared otherwise
ORDINARY_COLLATIONS = frozenset({0, 100})

REPLACEABLE = frozenset({"btree", "hash", "gin", "gist", "spgist"})


@dataclass(frozen=True, slots=True)
class Key:
    """``option``: pg_index.indoption, 1 DESC and 2 NULLS FIRST."""

    name: str
    is_expression: bool
    opclass: str = ""  # "" for the type's default
    option: int = 0
    collation: int = 0


@dataclass(frozen=True, slots=True)
class IndexShape:
    method: str
    keys: tuple[Key, ...]
    include: frozenset[str]
    predicate: str | None

    def is_replaced_by(self, other: "IndexShape") -> bool:
        """Its keys lead the other's, in the same order or wholly backwards, and the other holds its other columns.

        Of other methods than B-tree the keys must be the same; a BRIN index may summarise other ranges all the same.
        """
        if (self.method, self.predicate) != (other.method, other.predicate) or self.method not in REPLACEABLE:
            return False
        if self.method != "btree" and self.keys != other.keys:
            return False
        leading = other.keys[: len(self.keys)]
        if leading not in (self.keys, tuple(_backwards(k) for k in self.keys)):
            return False
        return self.include <= other.include | {k.name for k in other.keys if not k.is_expression}


def _backwards(key: Key) -> Key:
    return Key(key.name, key.is_expression, key.opclass, key.option ^ 3, key.collation)


def shape_of_index(index: IndexFacts, written: Callable[[str], str] = str) -> IndexShape:
    """``written``: how expressions and the predicate are written; as the catalog has them, they compare with those of
    other indexes there."""
    expressions = iter(index.expressions)
    keys = []
    for at, name in enumerate(index.columns):
        is_default = at >= len(index.is_default_opclass) or index.is_default_opclass[at]
        collation = index.collations[at] if at < len(index.collations) else 0
        keys.append(
            Key(
                written(next(expressions, "?")) if name is None else name,
                name is None,
                "" if is_default else (index.opclasses[at] if at < len(index.opclasses) else "?"),
                index.options[at] if at < len(index.options) else 0,
                0 if collation in ORDINARY_COLLATIONS else collation,
            )
        )
    predicate = written(index.predicate) if index.predicate else None
    return IndexShape(index.method, tuple(keys), frozenset(index.include), predicate)


def is_for_speed_alone(index: IndexFacts) -> bool:
    """Whether dropping it costs no constraint, replica identity, order of CLUSTER or partitioned index."""
    return index.is_usable and not (
        index.is_unique
        or index.is_primary
        or index.backs_constraint
        or index.is_replica_identity
        or index.is_clustered
        or index.parent_oid is not None
    )


def alone_serves_a_key(table: TableFacts, index: IndexFacts) -> bool:
    """Whether it is the only index that serves some foreign key's check."""
    serving = [supporting_index(table, key) for key in table.foreign_keys]
    if index not in serving:
        return False
    rest = tuple(i for i in table.indexes if i.oid != index.oid)
    without = TableFacts(table.oid, table.schema, table.name, table.kind, None, None, indexes=rest)
    return any(
        serves is not None and supporting_index(without, key) is None
        for serves, key in zip(serving, table.foreign_keys, strict=True)
    )
