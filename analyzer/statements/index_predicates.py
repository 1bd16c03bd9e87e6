"""What a partial index's predicate says of columns: never null, always null, one value, and which values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType

from analyzer.statements.tree import Node, Unparsable, column_names, conjuncts, fresh_parse, without_casts


class Held(Enum):
    NOT_NULL = "not null"
    NULL = "null"
    ONE_VALUE = "one value"


@lru_cache(maxsize=1024)
def held_by(predicate: str) -> dict[str, Held]:
    """By column, from the conditions that are joined by AND; others are left out."""
    held_columns: dict[str, Held] = {}
    for column, held, _ in _conditions(predicate):
        # whatever compares says that it is not null; one value says more
        if held_columns.get(column) is not Held.ONE_VALUE:
            held_columns[column] = held
    return held_columns


@dataclass(frozen=True, slots=True)
class Told:
    """Which values of a column the rows in an index have: one of ``values``, or where there are none any but
    ``excluded``. ``is_wrapped``: not the column's own, but those of an expression over it."""

    column: str
    is_wrapped: bool = False
    values: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def holds(self, value: str) -> bool:
        return value in self.values if self.values else value not in self.excluded


@lru_cache(maxsize=1024)
def values_told(predicate: str) -> tuple[Told, ...]:
    """From the conditions that are joined by AND, those that name values, as text."""
    statements = fresh_parse(f"SELECT WHERE {predicate}")
    nodes = [] if isinstance(statements, Unparsable) else conjuncts(statements[0].stmt.whereClause)
    return tuple(told for node in nodes if (told := _told(node)) is not None)


def _told(node: Node) -> Told | None:
    """``status = 'new'``, ``status IN (...)``, ``status <> 'done'``, a flag, and equalities of one column in an OR."""
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.OR_EXPR:
        arms = [_told(argument) for argument in node.args]
        same = {(a.column, a.is_wrapped) for a in arms if a is not None and a.values}
        if len(same) != 1 or any(a is None or not a.values for a in arms):
            return None
        return replace(arms[0], values=tuple(v for a in arms if a for v in a.values)) if arms[0] else None
    if isinstance(node, ast.A_Expr):
        return _compared(node)
    known = _one(node)
    value = _value(node) if known is not None and known[1] is Held.ONE_VALUE else None
    return Told(known[0], values=(value,)) if known is not None and value is not None else None


def _compared(node: Node) -> Told | None:
    left = without_casts(node.lexpr) if isinstance(node.lexpr, ast.Node) else None
    columns = set(column_names(left)) if left is not None else set()
    right = without_casts(node.rexpr) if isinstance(node.rexpr, ast.Node) else node.rexpr
    if isinstance(right, ast.A_ArrayExpr):
        right = tuple(right.elements or ())
    elements = right if isinstance(right, tuple) else (right,)
    values = [_text(without_casts(e)) if isinstance(e, ast.Node) else None for e in elements]
    if len(columns) != 1 or not values or any(v is None for v in values):
        return None
    told = Told(columns.pop(), is_wrapped=not isinstance(left, ast.ColumnRef))
    known = tuple(v for v in values if v is not None)
    operator = node.name[-1].sval
    is_any = node.kind in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_IN)
    is_all = node.kind in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ALL, A_Expr_Kind.AEXPR_IN)
    if operator == "=" and is_any:
        return replace(told, values=known)
    return replace(told, excluded=known) if operator == "<>" and is_all else None


def _conditions(predicate: str) -> Iterator[tuple[str, Held, Node]]:
    statements = fresh_parse(f"SELECT WHERE {predicate}")
    for node in [] if isinstance(statements, Unparsable) else conjuncts(statements[0].stmt.whereClause):
        known = _one(node)
        if known is not None:
            yield *known, node


def _value(node: Node) -> str | None:
    """Of a condition that holds one value: ``flag``, ``NOT flag``, ``column = constant``."""
    if isinstance(node, ast.BoolExpr):
        return "f"
    if not isinstance(node, ast.A_Expr):
        return "t"
    return _text(without_casts(node.rexpr))


def _text(constant: Node) -> str | None:
    if not isinstance(constant, ast.A_Const) or constant.isnull:
        return None
    match constant.val:
        case ast.Boolean(boolval=value):
            return "t" if value else "f"
        case ast.Integer(ival=value):
            return str(value)
        case ast.Float(fval=text):
            return str(text)
        case ast.String(sval=text):
            return str(text)
    return None


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
