"""What a partial index's predicate says of columns: never null, always null, one value, and which values."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from operator import ge, gt, le, lt

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType, NullTestType

from analyzer.statements.tree import Node, Unparsable, column_names, conjuncts, fresh_parse, name_parts, without_casts


class ImpliedValues(Enum):
    NOT_NULL = "not null"
    NULL = "null"
    ONE_VALUE = "one value"


Kind = A_Expr_Kind
LISTS = frozenset({Kind.AEXPR_IN, Kind.AEXPR_OP_ANY, Kind.AEXPR_OP_ALL})
COMPARING = frozenset({Kind.AEXPR_OP, Kind.AEXPR_IN, Kind.AEXPR_OP_ANY, Kind.AEXPR_OP_ALL})
NEGATED = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
ORDER = {"<": lt, "<=": le, ">": gt, ">=": ge}
FLAGS = {BoolTestType.IS_TRUE: True, BoolTestType.IS_FALSE: False}
# an array's text of one dimension, and its elements: quoted, or bare
ARRAY = re.compile(r"\{(?:\"(?:[^\"\\]|\\.)*\"|[^\"{}\\])*\}")
ELEMENT = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|([^,\"{}]+)")
ESCAPED = re.compile(r"\\(.)")
NUMBER_TYPES = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "oid"})
DAY = re.compile(r"\d{4}-\d\d-\d\d")  # of dates and moments, which compare as their texts do


@lru_cache(maxsize=1024)
def held_by(predicate: str) -> dict[str, ImpliedValues]:
    """By column, from the conditions that are joined by AND; others are left out."""
    held_columns: dict[str, ImpliedValues] = {}
    for column, held in _conditions(predicate):
        # whatever compares says that it is not null; one value says more
        if held_columns.get(column) is not ImpliedValues.ONE_VALUE:
            held_columns[column] = held
    return held_columns


@dataclass(frozen=True, slots=True)
class KnownValues:
    """Which values of a column the rows in an index have, where it is not NULL: one of ``values``, or where there are
    none any but ``excluded``, within ``bounds`` (operator and value). ``is_wrapped``: not the column's own, but those
    of an expression over it. ``by_number``: the bounds have the order of numbers."""

    column: str
    is_wrapped: bool = False
    values: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    bounds: tuple[tuple[str, str], ...] = ()
    by_number: bool = field(default=True, compare=False)

    def holds(self, value: str) -> bool:
        named = value in self.values if self.values else value not in self.excluded
        return named and all(_is_within(value, *bound, by_number=self.by_number) for bound in self.bounds)

    def bound(self, operators: Collection[str]) -> str | None:
        """The value that the rows begin or end with, of bounds by one of these operators."""
        return next((value for operator, value in self.bounds if operator in operators), None)


@lru_cache(maxsize=1024)
def value_conditions(predicate: str) -> tuple[KnownValues, ...]:
    """Of the conditions that are joined by AND, what they say of each column or expression; values as text."""
    statements = fresh_parse(f"SELECT WHERE {predicate}")
    if isinstance(statements, Unparsable):
        return ()
    told: dict[tuple[str, bool], KnownValues] = {}
    for each in _told(statements[0].stmt.whereClause, is_negated=False):
        key = each.column, each.is_wrapped
        told[key] = _both(told[key], each) if key in told else each
    return tuple(told.values())


def _both(one: KnownValues, other: KnownValues) -> KnownValues:
    values = [v for v in one.values or other.values if not other.values or v in other.values]
    excluded = tuple(dict.fromkeys((*one.excluded, *other.excluded)))
    left = tuple(v for v in values if v not in excluded)
    return replace(
        one,
        values=left,
        excluded=excluded,
        bounds=(*one.bounds, *other.bounds),
        by_number=one.by_number and other.by_number,
    )


def _told(node: Node, *, is_negated: bool) -> Iterator[KnownValues]:
    """What holds for all rows that a condition keeps, or leaves out where it stands under NOT."""
    match node:
        case ast.BoolExpr(boolop=BoolExprType.NOT_EXPR):
            yield from _told(node.args[0], is_negated=not is_negated)
        case ast.BoolExpr() if (node.boolop == BoolExprType.OR_EXPR) == is_negated:
            for argument in node.args:
                yield from _told(argument, is_negated=is_negated)
        case ast.BoolExpr():
            yield from _of_arms(node.args, is_negated=is_negated)
        case ast.A_Expr():
            yield from _compared(node, is_negated=is_negated)
        case ast.BooleanTest() if node.booltesttype in FLAGS and (name := _column(node.arg)) is not None:
            yield KnownValues(name, values=("t" if FLAGS[node.booltesttype] != is_negated else "f",))
        case _ if (name := _column(node)) is not None:
            yield KnownValues(name, values=("f" if is_negated else "t",))


def _of_arms(arms: Sequence[Node], *, is_negated: bool) -> Iterator[KnownValues]:
    """Of conditions one of which holds: of the same column, where each names values; NULL is no value."""
    nulls = {name for arm in arms if (name := _null(arm, is_negated=is_negated)) is not None}
    rest = [arm for arm in arms if _null(arm, is_negated=is_negated) is None]
    told = [list(_told(arm, is_negated=is_negated)) for arm in rest]
    if not told or not all(told) or nulls - {told[0][0].column}:
        return
    if len(told) == 1:
        yield from (each for each in told[0] if nulls <= {each.column})
        return
    firsts = [each[0] for each in told]
    is_one = len({(t.column, t.is_wrapped) for t in firsts}) == 1 and all(len(each) == 1 for each in told)
    if is_one and all(t.values for t in firsts):
        yield replace(firsts[0], values=tuple(value for t in firsts for value in t.values), excluded=(), bounds=())


def _null(node: Node, *, is_negated: bool) -> str | None:
    """The column of IS NULL, or of IS NOT NULL under NOT."""
    kind = NullTestType.IS_NOT_NULL if is_negated else NullTestType.IS_NULL
    return _column(node.arg) if isinstance(node, ast.NullTest) and node.nulltesttype == kind else None


def _compared(node: Node, *, is_negated: bool) -> Iterator[KnownValues]:
    left = without_casts(node.lexpr) if isinstance(node.lexpr, ast.Node) else None
    columns = set(column_names(left)) if left is not None else set()
    right = without_casts(node.rexpr) if isinstance(node.rexpr, ast.Node) else node.rexpr
    values = _list(right) if node.kind in LISTS else [_text(right)] if isinstance(right, ast.Node) else []
    known = tuple(v for v in values if v is not None)
    operator = _meaning(node, is_negated=is_negated)
    if len(columns) != 1 or not known or len(known) != len(values) or operator is None:
        return
    told = KnownValues(columns.pop(), is_wrapped=not isinstance(left, ast.ColumnRef))
    match operator:
        case "=":
            yield replace(told, values=known)
        case "<>":
            yield replace(told, excluded=known)
        case _ if len(known) == 1 and node.kind == Kind.AEXPR_OP:
            yield replace(told, bounds=((operator, known[0]),), by_number=_is_number(node.rexpr))


def _meaning(node: Node, *, is_negated: bool) -> str | None:
    """=: one of the values; <>: none of them; <, <=, >, >=: of one; None for what names none."""
    operator = str(node.name[-1].sval)
    match node.kind:
        case Kind.AEXPR_DISTINCT:
            operator = "<>"
        case Kind.AEXPR_NOT_DISTINCT:
            operator = "="
        case Kind.AEXPR_OP_ANY if operator != "=":
            return None
        case Kind.AEXPR_OP_ALL if operator != "<>":
            return None
        case kind if kind not in COMPARING:
            return None
    return NEGATED.get(operator) if is_negated else operator if operator in NEGATED else None


def _list(node: Node | tuple[Node, ...]) -> list[str | None]:
    """The values of IN, ARRAY[...], or an array's literal; of another node one that is not known."""
    if isinstance(node, ast.A_ArrayExpr):
        node = tuple(node.elements or ())
    if isinstance(node, tuple):
        return [_text(without_casts(element)) for element in node]
    text = _text(node)
    elements = ELEMENT.findall(text[1:-1]) if text is not None and ARRAY.fullmatch(text) else []
    values = [None if bare.upper() == "NULL" else bare or ESCAPED.sub(r"\1", quoted) for quoted, bare in elements]
    return values or [None]


def _is_number(node: Node) -> bool:
    """Of a constant: '5'::text is none, and a bare '5' may be either."""
    if isinstance(node, (ast.TypeCast, ast.CollateClause)):
        return isinstance(node, ast.TypeCast) and name_parts(node.typeName.names)[-1] in NUMBER_TYPES
    return isinstance(node, ast.A_Const) and isinstance(node.val, (ast.Integer, ast.Float))


def _is_within(value: str, operator: str, bound: str, *, by_number: bool) -> bool:
    """False where they cannot be compared: texts have the order of a collation."""
    if not by_number:
        return DAY.match(value) is not None and DAY.match(bound) is not None and bool(ORDER[operator](value, bound))
    try:
        return bool(ORDER[operator](float(value), float(bound)))
    except ValueError:
        return False


def _conditions(predicate: str) -> Iterator[tuple[str, ImpliedValues]]:
    statements = fresh_parse(f"SELECT WHERE {predicate}")
    for node in [] if isinstance(statements, Unparsable) else conjuncts(statements[0].stmt.whereClause):
        if (known := _one(node)) is not None:
            yield known


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


def _one(node: Node) -> tuple[str, ImpliedValues] | None:
    if isinstance(node, ast.NullTest):
        name = _column(node.arg)
        is_null = node.nulltesttype == NullTestType.IS_NULL
        return None if name is None else (name, ImpliedValues.NULL if is_null else ImpliedValues.NOT_NULL)
    if (name := _column(node)) is not None:
        return name, ImpliedValues.ONE_VALUE  # a bare boolean
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.NOT_EXPR:
        inner = node.args[0]
        name = _column(inner)
        if isinstance(inner, ast.A_Expr):
            is_strict = inner.kind in COMPARING  # of NULL it is not known
            name = _column(inner.lexpr) if is_strict and isinstance(inner.lexpr, ast.Node) else None
            return None if name is None else (name, ImpliedValues.NOT_NULL)
        return None if name is None else (name, ImpliedValues.ONE_VALUE)
    if isinstance(node, ast.A_Expr) and node.kind != Kind.AEXPR_DISTINCT and (name := _column(node.lexpr)) is not None:
        is_equal = node.kind == Kind.AEXPR_OP and node.name[-1].sval == "="
        constant = isinstance(without_casts(node.rexpr), ast.A_Const)
        return name, ImpliedValues.ONE_VALUE if is_equal and constant else ImpliedValues.NOT_NULL
    return None


def _column(node: Node) -> str | None:
    node = without_casts(node)
    if not isinstance(node, ast.ColumnRef):
        return None
    last = node.fields[-1]
    return last.sval if isinstance(last, ast.String) else None
