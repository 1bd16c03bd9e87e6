"""Pieces of parse trees: conditions, values and casts, written as PostgreSQL's parser would."""

from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache

from pglast import ast, enums

from analyzer.statements.tree import Node, Unparsable, joined, parse


def operation(operator: str, left: Node, right: Node) -> ast.A_Expr:
    return ast.A_Expr(
        kind=enums.A_Expr_Kind.AEXPR_OP,
        name=(ast.String(sval=operator),),
        lexpr=left,
        rexpr=right,
        rexpr_list_start=0,
        rexpr_list_end=0,
    )


def all_of(conditions: Iterable[Node]) -> Node | None:
    return _join(conditions, enums.BoolExprType.AND_EXPR)


def any_of(conditions: Iterable[Node]) -> Node | None:
    return _join(conditions, enums.BoolExprType.OR_EXPR)


def _join(conditions: Iterable[Node], boolop: enums.BoolExprType) -> Node | None:
    parts = [part for condition in conditions for part in joined(condition, boolop)]
    if len(parts) < 2:
        return parts[0] if parts else None
    return ast.BoolExpr(boolop=boolop, args=tuple(parts))


def negated(condition: Node) -> ast.BoolExpr:
    return ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR, args=(condition,))


def integer(number: int) -> ast.A_Const:
    return ast.A_Const(isnull=False, val=ast.Integer(ival=number))


def text(value: str) -> ast.A_Const:
    return ast.A_Const(isnull=False, val=ast.String(sval=value))


def cast(node: Node, type_name: str) -> ast.TypeCast:
    return ast.TypeCast(arg=node, typeName=deepcopy(_type(type_name)))


@lru_cache(maxsize=16)
def _type(name: str) -> Node:
    parsed = parse(f"SELECT NULL::{name}")
    assert not isinstance(parsed, Unparsable)
    return parsed[0].stmt.targetList[0].val.typeName


def column(*names: str) -> ast.ColumnRef:
    return ast.ColumnRef(fields=tuple(ast.String(sval=name) for name in names))


def sorted_by(node: Node, like: ast.SortBy | None = None) -> ast.SortBy:
    """One item of ORDER BY, in the direction of ``like``."""
    return ast.SortBy(
        node=node,
        sortby_dir=enums.SortByDir.SORTBY_DEFAULT if like is None else like.sortby_dir,
        sortby_nulls=enums.SortByNulls.SORTBY_NULLS_DEFAULT if like is None else like.sortby_nulls,
    )


def target(value: Node, name: str | None = None) -> ast.ResTarget:
    return ast.ResTarget(val=value, name=name)


def one() -> tuple[ast.ResTarget, ...]:
    """The target list of ``SELECT 1``."""
    return (target(integer(1)),)


def exists(select: ast.SelectStmt) -> ast.SubLink:
    return ast.SubLink(subLinkType=enums.SubLinkType.EXISTS_SUBLINK, subselect=select)


def string_constant(node: Node | None) -> str | None:
    """The text of a string written as it is."""
    if isinstance(node, ast.A_Const) and not node.isnull and isinstance(node.val, ast.String):
        value: str = node.val.sval
        return value
    return None


def integer_constant(node: Node | None) -> int | None:
    if isinstance(node, ast.A_Const) and not node.isnull and isinstance(node.val, ast.Integer):
        return node.val.ival or 0
    return None


def form(node: object) -> object:
    """What two trees that mean the same share: without places in the text, defaults, and brackets around AND and OR."""
    if isinstance(node, ast.BoolExpr) and node.boolop != enums.BoolExprType.NOT_EXPR:
        return (node.boolop.name, tuple(form(part) for part in joined(node, node.boolop)))
    if isinstance(node, ast.Node):
        named = ((name, getattr(node, name)) for name in node.__slots__ if name not in PLACES)
        return (type(node).__name__, tuple((name, form(value)) for name, value in named if value))
    if isinstance(node, tuple):
        return tuple(form(part) for part in node)
    return node


PLACES = frozenset({
    "location", "stmt_location", "stmt_len", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end",
    "name_location", "end_location", "funcformat",  # x AT TIME ZONE z, or timezone(z, x)
})  # fmt: skip
