"""A condition's parse tree: which side holds the columns, what is wrapped around them, what they are compared with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pglast import ast, enums

from analyzer.plans.condition_text import HASHED, INITPLAN, OWN_WORDS, SUBPLAN
from analyzer.statements.operators import TURNED
from analyzer.statements.tree import children, function_name, name_parts, operator_name, walk, without_casts

Node = Any  # pglast's classes carry no types
OtherSide = Literal["constant", "parameter", "column", "initplan", "subplan", "expression", "nothing"]

AND, OR = enums.BoolExprType.AND_EXPR, enums.BoolExprType.OR_EXPR
Kind = enums.A_Expr_Kind
DISTINCT = {Kind.AEXPR_DISTINCT: "IS DISTINCT FROM", Kind.AEXPR_NOT_DISTINCT: "IS NOT DISTINCT FROM"}
SPECIAL_FUNCTIONS = (
    (ast.CoalesceExpr, "coalesce"), (ast.CaseExpr, "case"), (ast.MinMaxExpr, "greatest"), (ast.XmlExpr, "xml"),
)  # fmt: skip
CONSTANTS = (
    ast.A_Const, ast.A_ArrayExpr, ast.RowExpr, ast.TypeCast, ast.TypeName, ast.String, ast.Integer, ast.Float,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnName:
    """``alias`` is the table's name in the statement; None where EXPLAIN leaves it out (one table, no VERBOSE)."""

    name: str
    alias: str | None = None

    def __str__(self) -> str:
        return f"{self.alias}.{self.name}" if self.alias else self.name


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the columns of one side, the outermost first; without columns, the whole side."""

    functions: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    casts: tuple[str, ...] = ()

    @classmethod
    def of(cls, nodes: Sequence[Node], columns: Sequence[ColumnName]) -> "Around":
        """``nodes``: the side's, itself and all below."""
        around = _above_columns(nodes) if columns else {id(node) for node in nodes}
        wrappers = [node for node in nodes if id(node) in around]
        return cls(
            tuple(name for node in wrappers if (name := _function(node)) is not None),
            tuple(name for node in wrappers if (name := _operator(node)) is not None),
            tuple(
                name_parts(node.typeName.names)[-1] + "[]" * len(node.typeName.arrayBounds or ())
                for node in wrappers
                if isinstance(node, ast.TypeCast)
            ),
        )


def _above_columns(nodes: Sequence[Node]) -> set[int]:
    parents = {id(child): node for node in nodes for child in children(node)}
    above: set[int] = set()
    for node in nodes:
        up = parents.get(id(node)) if isinstance(node, ast.ColumnRef) else None
        while up is not None and id(up) not in above:
            above.add(id(up))
            up = parents.get(id(up))
    return above


def _function(node: Node) -> str | None:
    if isinstance(node, ast.FuncCall):
        name = function_name(node)
        return None if name in OWN_WORDS else name
    return next((word for kind, word in SPECIAL_FUNCTIONS if isinstance(node, kind)), None)


def _operator(node: Node) -> str | None:
    if isinstance(node, ast.A_Expr):
        return operator_name(node)
    return "COLLATE" if isinstance(node, ast.CollateClause) else "[]" if isinstance(node, ast.A_Indirection) else None


def parts(tree: Node, joined_by: enums.BoolExprType) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BoolExpr) and node.boolop == joined_by:
            waiting.extend(reversed(node.args))
        else:
            yield node


def sides(compared: Node) -> tuple[Node, str, Node | None]:
    """The side with columns, the operator as seen from there, and the other side."""
    if isinstance(compared, ast.NullTest):
        return compared.arg, "IS NULL" if compared.nulltesttype == enums.NullTestType.IS_NULL else "IS NOT NULL", None
    if isinstance(compared, ast.BooleanTest):
        return compared.arg, compared.booltesttype.name.replace("_", " "), None
    if not isinstance(compared, ast.A_Expr) or compared.lexpr is None:
        return compared, "OR" if isinstance(compared, ast.BoolExpr) and compared.boolop == OR else "", None
    left, right, name = compared.lexpr, compared.rexpr, operator_name(compared)
    suffix = {Kind.AEXPR_OP_ANY: " ANY", Kind.AEXPR_OP_ALL: " ALL"}.get(compared.kind, "")
    name = DISTINCT.get(compared.kind, name) + suffix
    if columns_in(walk(left)) or not columns_in(walk(right)):
        return left, name, right
    if suffix:
        return right, suffix.strip(), left  # 5 = ANY (tags)
    return right, TURNED.get(name, name), left


def kind_of(side: Node, other: Node | None) -> OtherSide:
    """Of what ``side`` is compared with, or of a subplan that is tested alone: EXISTS, ``(hashed SubPlan 1)``."""
    bare = without_casts(side if other is None else other)
    nodes = list(walk(bare))
    words = {function_name(node) for node in nodes if isinstance(node, ast.FuncCall)}
    is_or = isinstance(bare, ast.BoolExpr) and bare.boolop == OR
    if words & {SUBPLAN, HASHED} and not is_or:
        return "subplan"
    if other is None:
        return "nothing"
    if isinstance(bare, ast.ColumnRef):
        return "column"
    if isinstance(bare, ast.ParamRef):
        return "parameter"
    if isinstance(bare, ast.FuncCall) and INITPLAN in words:
        return "initplan"
    return "constant" if all(isinstance(node, CONSTANTS) for node in nodes) else "expression"


def columns_in(nodes: Iterable[Node]) -> tuple[ColumnName, ...]:
    columns: dict[ColumnName, None] = {}
    for node in nodes:
        if isinstance(node, ast.ColumnRef):
            parts = [part.sval if isinstance(part, ast.String) else "*" for part in node.fields]
            columns[ColumnName(parts[-1], parts[-2] if len(parts) > 1 else None)] = None
    return tuple(columns)


def functions_in(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Those that are called by name, each once."""
    calls = (function_name(node) for node in nodes if isinstance(node, ast.FuncCall))
    return tuple(dict.fromkeys(name for name in calls if name not in OWN_WORDS))
