"""Expressions over columns, as index definitions write them."""

from functools import lru_cache
from typing import Any

from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.statements.tree import Node, Unparsable, fresh_parse, name_parts, operator_name, walk, without_casts

TEXT_TYPES = frozenset({"text", "varchar", "bpchar", "name"})


@lru_cache(maxsize=1024)
def comparable(expression: str) -> str:
    """Without casts that change nothing, and table names.

    The same for ``upper((email)::text)`` and ``UPPER(u."email"::text)``, for ``status IN ('a', 'b')`` and pg_get_expr's
    ``(status = ANY (ARRAY['a'::text, ...]))``.
    """
    return _written(expression, casts=False)


@lru_cache(maxsize=1024)
def unqualified(expression: str) -> str:
    """The expression with bare column names, as CREATE INDEX wants it."""
    return _written(expression, casts=True)


def _written(expression: str, *, casts: bool) -> str:
    statements = fresh_parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return expression
    for node in walk(statements):
        if isinstance(node, ast.ColumnRef):
            node.fields = node.fields[-1:]
        elif not casts and isinstance(node, ast.FuncCall) and node.args:
            node.args = tuple(without_casts(a) for a in node.args)
    target: Node = statements[0].stmt.targetList[0].val
    text: str = RawStream()(target if casts else _plain(without_casts(target)))
    return text


def _plain(node: Any) -> Any:
    """The tree with constants and text uncast, and ``= ANY (ARRAY[...])`` as the IN it was written as."""
    if isinstance(node, tuple):
        return tuple(_plain(item) for item in node)
    if not isinstance(node, ast.Node):
        return node
    if isinstance(node, ast.TypeCast) and _changes_nothing(node):
        return _plain(node.arg)
    for name in node:
        value = getattr(node, name)
        if isinstance(value, (ast.Node, tuple)):
            setattr(node, name, _plain(value))
    if isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_OP_ANY and operator_name(node) == "=":
        elements = node.rexpr.elements if isinstance(node.rexpr, ast.A_ArrayExpr) else None
        if elements:
            return ast.A_Expr(enums.A_Expr_Kind.AEXPR_IN, node.name, node.lexpr, elements)
    return node


def _changes_nothing(cast: Any) -> bool:
    if isinstance(cast.arg, (ast.A_Const, ast.A_ArrayExpr)):
        return True
    inner = without_casts(cast.arg)
    return name_parts(cast.typeName.names)[-1] in TEXT_TYPES and isinstance(inner, (ast.ColumnRef, ast.A_ArrayExpr))
