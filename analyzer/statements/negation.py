"""NOT pushed down to the comparisons, as PostgreSQL's planner pushes it (negate_clause() in prepqual.c)."""

from pglast import ast, enums

from analyzer.statements.tree import Node

Kind = enums.A_Expr_Kind
Test = enums.BoolTestType
OPPOSITE = {"=": "<>", "<": ">=", ">": "<=", "~~": "!~~", "~~*": "!~~*", "~": "!~", "~*": "!~*"}
OPPOSITE |= {other: operator for operator, other in OPPOSITE.items()}
OTHER_KIND = {
    Kind.AEXPR_OP_ANY: Kind.AEXPR_OP_ALL, Kind.AEXPR_OP_ALL: Kind.AEXPR_OP_ANY,
    Kind.AEXPR_BETWEEN: Kind.AEXPR_NOT_BETWEEN, Kind.AEXPR_NOT_BETWEEN: Kind.AEXPR_BETWEEN,
}  # fmt: skip
BY_OPERATOR = frozenset({
    Kind.AEXPR_OP, Kind.AEXPR_OP_ANY, Kind.AEXPR_OP_ALL, Kind.AEXPR_IN, Kind.AEXPR_LIKE, Kind.AEXPR_ILIKE,
    Kind.AEXPR_SIMILAR,
})  # fmt: skip
OTHER_TEST = {
    Test.IS_TRUE: Test.IS_NOT_TRUE, Test.IS_NOT_TRUE: Test.IS_TRUE, Test.IS_FALSE: Test.IS_NOT_FALSE,
    Test.IS_NOT_FALSE: Test.IS_FALSE, Test.IS_UNKNOWN: Test.IS_NOT_UNKNOWN, Test.IS_NOT_UNKNOWN: Test.IS_UNKNOWN,
}  # fmt: skip


def pushed_down(condition: Node) -> Node:
    """``a = 1 OR b IS NULL`` of ``NOT (a <> 1 AND b IS NOT NULL)``: a new tree; the same node where nothing changes."""
    try:
        return _pushed_down(condition)
    except RecursionError:
        return condition


def _pushed_down(condition: Node) -> Node:
    if not isinstance(condition, ast.BoolExpr):
        return condition
    if condition.boolop == enums.BoolExprType.NOT_EXPR:
        return negated(condition.args[0]) or condition
    arms = tuple(map(_pushed_down, condition.args))
    is_same = all(new is old for new, old in zip(arms, condition.args, strict=True))
    return condition if is_same else ast.BoolExpr(boolop=condition.boolop, args=arms)


def negated(node: Node) -> Node | None:
    """What holds where the condition is false, without a NOT around it; None where there is no such condition."""
    match node:
        case ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR):
            return _pushed_down(node.args[0])
        case ast.BoolExpr():
            is_and = node.boolop == enums.BoolExprType.AND_EXPR
            other = enums.BoolExprType.OR_EXPR if is_and else enums.BoolExprType.AND_EXPR
            return ast.BoolExpr(boolop=other, args=tuple(negated(arm) or _not(arm) for arm in node.args))
        case ast.NullTest() if not isinstance(node.arg, ast.RowExpr):
            is_null = node.nulltesttype == enums.NullTestType.IS_NULL
            other_test = enums.NullTestType.IS_NOT_NULL if is_null else enums.NullTestType.IS_NULL
            return ast.NullTest(arg=node.arg, nulltesttype=other_test)
        case ast.BooleanTest():
            return ast.BooleanTest(arg=node.arg, booltesttype=OTHER_TEST[node.booltesttype])
        case ast.A_Expr() if not isinstance(node.lexpr, ast.RowExpr):
            return _other_comparison(node)
    return None


def _other_comparison(node: Node) -> Node | None:
    kind = OTHER_KIND.get(node.kind, node.kind)
    if kind in (Kind.AEXPR_BETWEEN, Kind.AEXPR_NOT_BETWEEN):
        name = "BETWEEN" if kind == Kind.AEXPR_BETWEEN else "NOT BETWEEN"
        return ast.A_Expr(kind=kind, name=(ast.String(sval=name),), lexpr=node.lexpr, rexpr=node.rexpr)
    *schema, operator = node.name
    opposite = OPPOSITE.get("<>" if operator.sval == "!=" else operator.sval)
    if node.kind not in BY_OPERATOR or node.lexpr is None or opposite is None:
        return None
    return ast.A_Expr(kind=kind, name=(*schema, ast.String(sval=opposite)), lexpr=node.lexpr, rexpr=node.rexpr)


def _not(node: Node) -> Node:
    return ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR, args=(node,))
