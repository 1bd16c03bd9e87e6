"""Indexes, there or to be, in one form that can be compared: which one does another's work?"""

from analyzer.advice.definition import IndexDefinition
from analyzer.schema import index_shapes
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.index_shapes import IndexShape, Key
from analyzer.statements.index_expressions import are_same, comparable


def shape_of_definition(definition: IndexDefinition) -> IndexShape:
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


def is_same_definition(definition: IndexDefinition, index: IndexFacts) -> bool:
    """Of the same kind, keys, columns and predicate; unique or not."""
    return shape_of_index(index) == shape_of_definition(definition) and _calls_the_same(definition, index)


def is_replaced_by(definition: IndexDefinition, index: IndexFacts) -> bool:
    shape = shape_of_definition(definition)
    return shape.is_replaced_by(shape_of_index(index)) and _calls_the_same(definition, index)


def indexes_like(definition: IndexDefinition, table: TableFacts) -> list[IndexFacts]:
    """The usable ones of a table that do all the definition would, whatever their names; a unique one does too."""
    return [
        i
        for i in table.indexes
        if i.is_usable and (i.is_unique or not definition.is_unique) and is_same_definition(definition, i)
    ]


def _calls_the_same(definition: IndexDefinition, index: IndexFacts) -> bool:
    """Of shapes of which one leads the other: a shape does not tell functions of one name in several schemas apart."""
    mine = (column.name for column in definition.columns if column.is_expression)
    is_same_predicate = are_same(definition.predicate or "NULL", index.predicate or "NULL")
    return is_same_predicate and all(map(are_same, mine, index.expressions))
