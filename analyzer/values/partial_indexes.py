"""Values that partial indexes tell: ``status = $1``, where an index of the queued ones is in use, asks for those.

The normal text has lost the constant, and the statistics' typical value is another: ``done``, as nearly all rows are.
With it the statement would be planned without its index, and look slow.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.index_predicates import DAY, KnownValues, value_conditions
from analyzer.statements.tree import Unparsable, column_names, fresh_parse, parse

ENDS = {"gt": (">", ">="), "lt": ("<", "<="), "between_low": (">", ">="), "between_high": ("<", "<=")}
INCLUSIVE = (">=", "<=")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class PartialValue:
    """One value as text; ``assumption`` says in words where it is from."""

    value: str
    assumption: str

    def pick(self, known: Sequence[str]) -> str | None:
        return self.value


@dataclass(frozen=True, slots=True)
class HeldValue:
    """``predicates``: what the indexes' own definitions hold; ``assumption`` says so in words.

    ``list_position``: which of several values of a list it stands for; ``end``: where a range begins (gt, between_low)
    or ends (lt, between_high) with it.
    """

    predicates: tuple[KnownValues, ...]
    assumption: str
    list_position: int = 0
    end: str = ""

    def pick(self, known: Sequence[str]) -> str | None:
        """Of the column's values, in the order given, one that an index holds; None where nothing tells one. ``known``
        of an end: the value that it has otherwise."""
        if self.end:
            return (
                None if known and any(each.holds(known[0]) for each in self.predicates) else self._bound(ENDS[self.end])
            )
        named = [
            value for each in self.predicates for value in (*each.values, each.bound(INCLUSIVE)) if value is not None
        ]
        held = [value for value in known if any(each.holds(value) for each in self.predicates)]
        values = list(dict.fromkeys([*held, *named]))
        return values[self.list_position % len(values)] if values else None

    def _bound(self, operators: Collection[str]) -> str | None:
        return next((bound for each in self.predicates if (bound := each.bound(operators)) is not None), None)


def partial_values(sql: str, uses: Mapping[int, ParameterUse], facts: SchemaFacts) -> dict[int, HeldValue]:
    """By parameter; only of indexes that are scanned, whose first key the statement names, too."""
    statements = parse(sql)
    named = set() if isinstance(statements, Unparsable) else set(column_names(statements))
    values: dict[int, HeldValue] = {}
    places: dict[tuple[str, str], int] = {}
    for number, use in sorted(uses.items()):
        table = facts.find_table(use.table, use.schema or None) if use.table else None
        if table is None or use.column is None or use.operator not in ("eq", "in", *ENDS):
            continue
        held = list(_held(table, use, named - {use.column}) if use.operator not in ENDS else _ends(table, use, named))
        if not held:
            continue
        names = sorted({index.name for index, _ in held})
        many = f"the partial indexes {', '.join(names)}" if len(names) > 1 else f"the partial index {names[0]}"
        said = f"{use.column} was given {'a' if len(names) > 1 or _is_several(held) else 'the'} value of {many}"
        key = (table.qualified_name, use.column)
        end = use.operator if use.operator in ENDS else ""
        values[number] = HeldValue(tuple(values for _, values in held), said, places.get(key, 0), end)
        places[key] = places.get(key, 0) + (use.operator == "in")
    return values


def _held(table: TableFacts, use: ParameterUse, named: set[str]) -> list[tuple[IndexFacts, KnownValues]]:
    return [
        (index, told)
        for index in table.indexes
        if index.predicate and index.is_usable and index.scans and _first_key(index) & named
        for told in value_conditions(index.predicate)
        if told.column == use.column and told.is_wrapped == use.is_wrapped
    ]


def _ends(table: TableFacts, use: ParameterUse, named: set[str]) -> Iterator[tuple[IndexFacts, KnownValues]]:
    """Of ``priority >= $1`` those that hold the rows from some priority on."""
    for index, told in _held(table, use, named):
        bound = told.bound(ENDS[use.operator])
        if bound is not None and (NUMBER.fullmatch(bound) or DAY.match(bound)):
            yield index, told


def _first_key(index: IndexFacts) -> set[str]:
    """The columns of the first key, which may be an expression."""
    if index.columns[0] is not None:
        return {index.columns[0]}
    statements = fresh_parse(f"SELECT {index.expressions[0]}") if index.expressions else None
    return set() if statements is None or isinstance(statements, Unparsable) else set(column_names(statements))


def _is_several(held: list[tuple[IndexFacts, KnownValues]]) -> bool:
    return any(len(told.values) != 1 for _, told in held)
