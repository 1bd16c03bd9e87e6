"""Types that are not decided yet, and what names stand for, while the types of a statement are worked out."""

from dataclasses import dataclass, field, replace

from pglast import ast

from analyzer.statements.tree import Node, name_parts

NULL = ""  # the type of NULL, which every type takes


@dataclass(frozen=True, slots=True)
class Open:
    """An expression of parameters alone. ``is_bare``: it is one parameter, which the server resolves where it stands;
    of others (CASE, ARRAY, a subquery's column) it makes text.
    """

    parameters: tuple[int, ...]
    is_bare: bool = False
    is_array: bool = False

    def inside(self) -> "Open":
        return replace(self, is_bare=False)


Value = str | Open | None  # a type's name, open, or not known
Row = list[tuple[str, Value]]


@dataclass(slots=True)
class TypeScope:
    """What names mean: sources of FROM (None: columns not known) and CTEs, then those outside."""

    outer: "TypeScope | None" = None
    sources: list[tuple[str, dict[str, Value] | None]] = field(default_factory=list)
    ctes: dict[str, Row] = field(default_factory=dict)

    def cte(self, name: str) -> Row | None:
        row = self.ctes.get(name)
        return row if row is not None or self.outer is None else self.outer.cte(name)

    def column(self, reference: Node) -> Value:
        parts = name_parts(reference.fields)
        if len(parts) != len(reference.fields):
            return None
        *qualifiers, name = parts
        for alias, columns in self.sources:
            if columns is not None and (not qualifiers or alias == qualifiers[-1]) and name in columns:
                return columns[name]
        return self.outer.column(reference) if self.outer is not None else None

    def star(self, reference: Node) -> Row:
        names = name_parts(reference.fields)
        return [
            item
            for alias, columns in self.sources
            if not names or alias == names[-1]
            for item in (columns or {}).items()
        ]


def constant_type(node: Node) -> Value:
    if node.isnull:
        return NULL
    match node.val:
        case ast.Integer():
            return "integer"
        case ast.Float():
            return "numeric"
        case ast.Boolean():
            return "boolean"
    return None  # a string: of unknown type, as a parameter is


def moment_type(node: Node) -> str | None:
    name = node.op.name
    if name == "SVFOP_CURRENT_DATE":
        return "date"
    if name.startswith("SVFOP_CURRENT_TIMESTAMP"):
        return "timestamp with time zone"
    return "timestamp without time zone" if name.startswith("SVFOP_LOCALTIMESTAMP") else None
