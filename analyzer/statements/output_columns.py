"""What names of columns stand for in a SELECT: outputs of views, subqueries and CTEs, and how large those become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pglast import ast

from analyzer.statements.extents import COLUMN, Extent, longest, total
from analyzer.statements.tree import Node, name_parts


@dataclass(frozen=True, slots=True)
class Outputs:
    """The columns of a query by name; those of tables behind a star are not among them.

    ``largest``: of all columns where a star hides which is which. ``hides_names``: so that any other name may be that.
    ``conditions``: terms of WHERE and the like, which each reference brings along.
    """

    columns: Mapping[str, Extent] = field(default_factory=dict)
    largest: Extent | None = None
    hides_names: bool = False
    conditions: float = 0.0

    def column(self, name: str) -> Extent | None:
        return self.columns.get(name, self.largest if self.hides_names else None)

    def extents(self) -> list[Extent]:
        return [*self.columns.values(), *([self.largest] if self.largest is not None else [])]

    def renamed(self, names: Sequence[Node] | None) -> "Outputs":
        """By an alias's columns."""
        if not names:
            return self
        texts = name_parts(tuple(names))
        if self.largest is not None:
            columns = {**self.columns, **dict.fromkeys(texts, self.largest)}
        else:
            columns = {**self.columns, **dict(zip(texts, self.columns.values(), strict=False))}
        return replace(self, columns=columns)

    def with_conditions(self, terms: float) -> "Outputs":
        """``terms``: of the whole query, those of its columns included, which count where a column is used."""
        return replace(self, conditions=max(0.0, terms - sum(extent.terms for extent in self.columns.values())))


Views = Mapping[tuple[str, str], Outputs]  # by schema and name


def behind_star(sources: Sequence[Outputs]) -> Outputs:
    """The columns of all of them. Two of a name are as large as the larger, and no place is known."""
    columns: dict[str, Extent] = {}
    for source in sources:
        for name, extent in source.columns.items():
            columns[name] = longest([extent, columns.get(name, extent)])
    largest = longest([COLUMN, *(extent for source in sources for extent in source.extents())])
    return Outputs(columns, largest, any(source.hides_names for source in sources))


def united(left: Outputs, right: Outputs) -> Outputs:
    """Of UNION and the like, whose columns belong together by place."""
    if left.largest is None and right.largest is None:
        pairs = zip(left.columns.items(), [*right.extents(), *[Extent()] * len(left.columns)], strict=False)
        return Outputs({name: longest([extent, other]) for (name, extent), other in pairs})
    largest = longest([*left.extents(), *right.extents()])
    return Outputs(dict.fromkeys(left.columns, largest), largest, hides_names=True)


class OutputScope:
    """What names of columns stand for in one SELECT: outputs of subqueries and CTEs; tables' columns are COLUMN."""

    def __init__(self, parent: "OutputScope | None") -> None:
        self.parent = parent
        self.ctes: dict[str, Outputs] = {}
        self.sources: dict[str, Outputs] = {}

    def cte(self, name: str) -> Outputs | None:
        outputs = self.ctes.get(name)
        return self.parent.cte(name) if outputs is None and self.parent is not None else outputs

    def column(self, qualifier: str | None, name: str) -> Extent:
        named = self.sources.values() if qualifier is None else [self.sources.get(qualifier, Outputs())]
        extents = [extent for outputs in named if (extent := outputs.column(name)) is not None]
        if extents:
            return longest(extents)
        return self.parent.column(qualifier, name) if self.parent is not None else COLUMN

    def row(self, name: str) -> Extent | None:
        """Of a whole row of the source that has this name; None where it is none or a table."""
        if name in self.sources:
            return longest([COLUMN, total(self.sources[name].extents())])
        return self.parent.row(name) if self.parent is not None else None

    def every(self) -> Extent:
        """Of a name that is not told."""
        return longest([COLUMN, *(extent for outputs in self.sources.values() for extent in outputs.extents())])


def column_extent(reference: Node, scope: OutputScope) -> Extent:
    names = [part.sval for part in reference.fields if isinstance(part, ast.String)]
    if not names or len(names) < len(reference.fields):
        return scope.every()
    if len(names) == 1 and (row := scope.row(names[0])) is not None:
        return longest([row, scope.column(None, names[0])])
    return scope.column(names[-2] if len(names) > 1 else None, names[-1])
