"""Indexes, there or to be, in one form that can be compared: which one does another's work?"""

from typing import TYPE_CHECKING

from analyzer.advice.candidates.expressions import comparable
from analyzer.schema import index_shapes
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.index_shapes import IndexShape, Key

if TYPE_CHECKING:
    from analyzer.advice.index_definition import IndexDefinition


def shape_of_definition(definition: "IndexDefinition") -> IndexShape:
    keys = []
    for column in definition.columns:
        nulls_first = column.descending if column.nulls_first is None else column.nulls_first
        name = comparable(column.name) if column.is_expression else column.name
        option = (1 if column.descending else 0) | (2 if nulls_first else 0)
        keys.append(Key(name, column.is_expression, column.opclass or "", option))
    predicate = comparable(definition.predicate) if definition.predicate else None
    return IndexShape(definition.method, tuple(keys), frozenset(definition.include), predicate)


def shape_of_index(index: IndexFacts) -> IndexShape:
    return index_shapes.shape_of_index(index, comparable)


def indexes_like(definition: "IndexDefinition", table: TableFacts) -> list[IndexFacts]:
    """The usable ones of a table that do all the definition would, whatever their names; a unique one does too."""
    shape = shape_of_definition(definition)
    return [
        i
        for i in table.indexes
        if i.is_usable and (i.is_unique or not definition.is_unique) and shape_of_index(i) == shape
    ]
