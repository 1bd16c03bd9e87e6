"""Which literal stood for each parameter, told by a real run of the same statement."""

from collections.abc import Iterator, Mapping, Sequence

from pglast import ast

from analyzer.statements.tree import Node, Unparsable, single_statement


def literal_types(sql: str, samples: Sequence[str]) -> dict[int, str]:
    """Parameter -> type of the literal in the first sample that shows it; "text" for a string (its type is open)."""
    found: dict[int, str] = {}
    for sample in samples:
        for number, constant in literals(sql, sample).items():
            kind = literal_type(constant)
            if kind is not None:
                found.setdefault(number, kind)
    return found


def literals(sql: str, sample: str) -> Mapping[int, Node]:
    """Parameter -> the constant (A_Const) in its place, as far as the two trees are alike."""
    one, other = single_statement(sql), single_statement(sample)
    if isinstance(one, Unparsable) or isinstance(other, Unparsable):
        return {}
    return dict(_pairs(one, other))


def _pairs(one: Node, other: Node) -> Iterator[tuple[int, Node]]:
    stack = [(one, other)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, ast.ParamRef):
            if isinstance(b, ast.A_Const):
                yield a.number, b
        elif isinstance(a, tuple) and isinstance(b, tuple):
            stack.extend(zip(a, b, strict=False))  # lists may be of different lengths
        elif isinstance(a, ast.Node) and type(a) is type(b):
            stack.extend((getattr(a, name), getattr(b, name)) for name in a.__slots__ if name != "location")


def literal_type(constant: Node) -> str | None:
    """As the server types a bare literal; None for NULL."""
    match constant.val:
        case ast.Integer():
            return "integer"
        case ast.Float():
            return "numeric" if "." in constant.val.fval or "e" in constant.val.fval.lower() else "bigint"
        case ast.Boolean():
            return "boolean"
        case ast.String():
            return "text"
    return None
