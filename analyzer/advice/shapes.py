"""Indexes, there or to be, in one form that can be compared: which one does another's work?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.advice.candidates.expressions import comparable
from analyzer.schema.facts import IndexFacts, TableFacts

if TYPE_CHECKING:
    from analyzer.advice.ddl import IndexDefinition

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
class Shape:
    method: str
    keys: tuple[Key, ...]
    include: frozenset[str]
    predicate: str | None

    def is_replaced_by(self, other: "Shape") -> bool:
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


def shape_of_definition(definition: "IndexDefinition") -> Shape:
    keys = []
    for column in definition.columns:
        nulls_first = column.descending if column.nulls_first is None else column.nulls_first
        name = comparable(column.name) if column.is_expression else column.name
        option = (1 if column.descending else 0) | (2 if nulls_first else 0)
        keys.append(Key(name, column.is_expression, column.opclass or "", option))
    predicate = comparable(definition.predicate) if definition.predicate else None
    return Shape(definition.method, tuple(keys), frozenset(definition.include), predicate)


def shape_of_index(index: IndexFacts) -> Shape:
    expressions = iter(index.expressions)
    keys = []
    for at, name in enumerate(index.columns):
        is_default = at >= len(index.is_default_opclass) or index.is_default_opclass[at]
        collation = index.collations[at] if at < len(index.collations) else 0
        keys.append(
            Key(
                comparable(next(expressions, "?")) if name is None else name,
                name is None,
                "" if is_default else (index.opclasses[at] if at < len(index.opclasses) else "?"),
                index.options[at] if at < len(index.options) else 0,
                0 if collation in ORDINARY_COLLATIONS else collation,
            )
        )
    predicate = comparable(index.predicate) if index.predicate else None
    return Shape(index.method, tuple(keys), frozenset(index.include), predicate)


def indexes_like(definition: "IndexDefinition", table: TableFacts) -> list[IndexFacts]:
    """The usable ones of a table that do all the definition would, whatever their names; a unique one does too."""
    shape = shape_of_definition(definition)
    return [
        i
        for i in table.indexes
        if i.is_usable and (i.is_unique or not definition.is_unique) and shape_of_index(i) == shape
    ]
