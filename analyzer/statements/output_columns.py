"""What names of columns stand for in a SELECT: outputs of views, subqueries and CTEs, and how large those become."""

from collections.abc import Mapping, Sequence

from pglast import ast

from analyzer.statements.extents import COLUMN, Extent, longest, total
from analyzer.statements.tree import Node, function_name, without_casts

Outputs = Mapping[str, Extent]
Views = Mapping[tuple[str, str], Outputs]  # by schema and name


class Scope:
    """What names of columns stand for in one SELECT: outputs of subqueries and CTEs; tables' columns are COLUMN."""

    def __init__(self, parent: "Scope | None") -> None:
        self.parent = parent
        self.ctes: dict[str, Outputs] = {}
        self.sources: dict[str, Outputs] = {}

    def cte(self, name: str) -> Outputs | None:
        outputs = self.ctes.get(name)
        return self.parent.cte(name) if outputs is None and self.parent is not None else outputs

    def column(self, qualifier: str | None, name: str) -> Extent:
        sources = [self.sources.get(qualifier, {})] if qualifier is not None else list(self.sources.values())
        extents = [outputs[name] for outputs in sources if name in outputs]
        if extents:
            return longest(extents)
        return self.parent.column(qualifier, name) if self.parent is not None else COLUMN

    def every(self) -> Extent:
        """Of a whole row, or of a name that is not told."""
        return longest([COLUMN, *(extent for outputs in self.sources.values() for extent in outputs.values())])


def renamed(outputs: Outputs, names: Sequence[Node] | None) -> Outputs:
    if not names:
        return outputs
    columns = dict(outputs)
    for name, extent in zip((part.sval for part in names), outputs.values(), strict=False):
        columns[name] = extent
    return columns


def column_name(expression: Node) -> str:
    inner = without_casts(expression)
    if isinstance(inner, ast.ColumnRef) and isinstance(inner.fields[-1], ast.String):
        name: str = inner.fields[-1].sval
        return name
    if isinstance(inner, ast.FuncCall):
        return function_name(inner)
    return {ast.CaseExpr: "case", ast.CoalesceExpr: "coalesce", ast.A_ArrayExpr: "array"}.get(type(inner), "?column?")


def column_extent(reference: Node, scope: Scope) -> Extent:
    names = [part.sval for part in reference.fields if isinstance(part, ast.String)]
    if not names or len(names) < len(reference.fields):
        return scope.every()
    if len(names) == 1 and names[0] in scope.sources:  # a whole row
        return longest([COLUMN, total(list(scope.sources[names[0]].values()))])
    return scope.column(names[-2] if len(names) > 1 else None, names[-1])
