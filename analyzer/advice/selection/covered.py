"""Which candidates do the work of others, or of indexes that are there."""

from collections.abc import Sequence

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.selection.bits import mask_of
from analyzer.advice.shapes import indexes_like, shape_of_definition
from analyzer.schema.facts import IndexFacts, SchemaFacts


def merged_coverings(definitions: Sequence[IndexDefinition]) -> list[int]:
    """For each the mask of the other covering ones (with INCLUDE) whose work it does."""
    coverings: dict[int, list[int]] = {}
    for number, definition in enumerate(definitions):
        if definition.include:
            coverings.setdefault(definition.table.oid, []).append(number)
    shapes = [shape_of_definition(d) for d in definitions]
    return [
        mask_of(m for m in coverings.get(d.table.oid, ()) if m != n and shapes[m].is_replaced_by(shapes[n]))
        for n, d in enumerate(definitions)
    ]


def exists_already(definition: IndexDefinition, facts: SchemaFacts) -> IndexFacts | None:
    """A usable index that does all the definition would."""
    table = facts.table(definition.table.oid) or definition.table
    return next(iter(indexes_like(definition, table)), None)
