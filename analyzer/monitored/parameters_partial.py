"""Values that partial indexes tell: ``status = $1``, where an index of the queued ones is in use, asks for those.

The normal text has lost the constant, and the statistics' typical value is another: ``done``, as nearly all rows are.
With it the statement would be planned without its index, and look slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.facts import SchemaFacts
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.index_predicates import values_held
from analyzer.statements.tree import Unparsable, column_names, parse


@dataclass(frozen=True, slots=True)
class PartialValue:
    """``value`` as text, from the index's own definition; ``assumption`` says so in words."""

    value: str
    assumption: str


def partial_values(sql: str, uses: Mapping[int, ParameterUse], facts: SchemaFacts) -> dict[int, PartialValue]:
    """By parameter; only of indexes that are scanned, whose first column the statement names, too."""
    statements = parse(sql)
    named = set() if isinstance(statements, Unparsable) else set(column_names(statements))
    found: dict[int, PartialValue] = {}
    for number, use in uses.items():
        table = facts.find_table(use.table, use.schema or None) if use.table else None
        if table is None or use.column is None or use.operator != "eq" or use.is_wrapped:
            continue
        held = {
            value: index.name
            for index in table.indexes
            if index.predicate and index.is_usable and index.scans and index.columns[0] in named - {use.column}
            if (value := values_held(index.predicate).get(use.column)) is not None
        }
        if len(held) == 1:
            [(value, name)] = held.items()
            found[number] = PartialValue(value, f"{use.column} was given the value of the partial index {name}")
    return found
