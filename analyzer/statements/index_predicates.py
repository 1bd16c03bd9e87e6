"""What a partial index's predicate says of columns: never null, always null, one value, and which one."""

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType

from analyzer.statements.tree import Node, Unparsable, fresh_parse, without_casts


class Held(Enum):
    NOT_NULL = "not null"
    NULL = "null"
    ONE_VALUE = "one value"


@lru_cache(maxsize=1024)
def held_by(predicate: str) -> dict[str, Held]:
    """By column, from the conditions that are joined by AND; others are left out."""
    found: dict[str, Held] = {}
    for column, held, _ in _conditions(predicate):
        # whatever compares says that it is not null; one value says more
        if found.get(column) is not Held.ONE_VALUE:
            found[column] = held
    return found


@lru_cache(maxsize=1024)
def values_held(predicate: str) -> dict[str, str]:
    """Column -> the one value that every row in the index has, as text."""
    found = {column: _value(node) for column, held, node in _conditions(predicate) if held is Held.ONE_VALUE}
    return {column: value for column, value in found.items() if value is not None}


def _conditions(predicate: str) -> Iterator[tuple[str, Held, Node]]:
    statements = fresh_parse(f"SELECT WHERE {predicate}")
    for node in [] if isinstance(statements, Unparsable) else _conjuncts(statements[0].stmt.whereClause):
        known = _one(node)
        if known is not None:
            yield *known, node


def _value(node: Node) -> str | None:
    """Of a condition that holds one value: ``flag``, ``NOT flag``, ``column = constant``."""
    if isinstance(node, ast.BoolExpr):
        return "f"
    if not isinstance(node, ast.A_Expr):
        return "t"
    match without_casts(node.rexpr).val:
        case ast.Boolean(boolval=value):
            return "t" if value else "f"
        case ast.Integer(ival=value):
            return str(value)
        case ast.Float(fval=text):
            return str(text)
        case ast.String(sval=text):
            return str(text)
    return None


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
        return [found for argument in node.args for found in _conjuncts(argument)]
    return [node]


def _one(node: Node) -> tuple[str, Held] | None:
    if isinstance(node, ast.NullTest):
        name = _column(node.arg)
        is_null = node.nulltesttype == NullTestType.IS_NULL
        return None if name is None else (name, Held.NULL if is_null else Held.NOT_NULL)
    if (name := _column(node)) is not None:
        return name, Held.ONE_VALUE  # a bare boolean
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.NOT_EXPR:
        name = _column(node.args[0])
        return None if name is None else (name, Held.ONE_VALUE)
    if isinstance(node, ast.A_Expr) and (name := _column(node.lexpr)) is not None:
        is_equal = node.kind == A_Expr_Kind.AEXPR_OP and node.name[-1].sval == "="
        constant = isinstance(without_casts(node.rexpr), ast.A_Const)
        return name, Held.ONE_VALUE if is_equal and constant else Held.NOT_NULL
    return None


def _column(node: Node) -> str | None:
    node = without_casts(node)
    if not isinstance(node, ast.ColumnRef):
        return None
    last = node.fields[-1]
    return last.sval if isinstance(last, ast.String) else None
