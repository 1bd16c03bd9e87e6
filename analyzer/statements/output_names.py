"""How PostgreSQL names an output column that has no AS."""

from pglast import ast, enums

from analyzer.statements.tree import Node, function_name, name_parts

NAMED = {ast.CoalesceExpr: "coalesce", ast.A_ArrayExpr: "array", ast.RowExpr: "row", ast.GroupingFunc: "grouping"}
LINKS = {enums.SubLinkType.EXISTS_SUBLINK: "exists", enums.SubLinkType.ARRAY_SUBLINK: "array"}
READ = (
    ast.ColumnRef, ast.FuncCall, ast.A_Indirection, ast.CollateClause, ast.TypeCast, ast.CaseExpr, ast.SubLink,
    ast.MinMaxExpr, ast.SQLValueFunction,
)  # fmt: skip
NAMELESS = (ast.A_Expr, ast.A_Const, ast.ParamRef, ast.BoolExpr, ast.NullTest, ast.BooleanTest)


def is_name_known(value: Node) -> bool:
    """Whether ``output_name`` knows: not of ``(row).*``; what columns of XML and JSON are called is not looked at."""
    if isinstance(value, ast.A_Indirection) and any(isinstance(part, ast.A_Star) for part in value.indirection or ()):
        return False
    return isinstance(value, (*NAMED, *READ, *NAMELESS))


def output_name(value: Node) -> str | None:
    """As PostgreSQL names an output column without AS; None where it has no name for it ("?column?")."""
    return _figured(value)[0]


def _figured(value: Node) -> tuple[str | None, bool]:
    """The name, and whether it goes before that of a cast or a CASE around it (FigureColname)."""
    if isinstance(value, ast.ColumnRef):
        return _last(value.fields), True
    if isinstance(value, ast.FuncCall):
        return function_name(value), True
    if isinstance(value, ast.A_Expr) and value.kind == enums.A_Expr_Kind.AEXPR_NULLIF:
        return "nullif", True
    if isinstance(value, ast.A_Indirection):
        names = name_parts(value.indirection)
        return (names[-1], True) if names else _figured(value.arg)
    if isinstance(value, ast.CollateClause):
        return _figured(value.arg)
    if isinstance(value, ast.TypeCast):
        name, goes_before = _figured(value.arg)
        return (name, True) if goes_before else (_last(value.typeName.names), False)
    if isinstance(value, ast.CaseExpr):
        name, goes_before = _figured(value.defresult) if value.defresult is not None else (None, False)
        return (name, True) if goes_before else ("case", False)
    if isinstance(value, ast.SubLink):
        return _of_subquery(value)
    if isinstance(value, ast.MinMaxExpr):
        return ("greatest" if value.op == enums.MinMaxOp.IS_GREATEST else "least"), True
    if isinstance(value, ast.SQLValueFunction):
        return value.op.name.removeprefix("SVFOP_").removesuffix("_N").lower(), True
    name = NAMED.get(type(value))
    return name, name is not None


def _last(names: tuple[Node, ...] | None) -> str | None:
    return next(reversed(name_parts(names)), None)


def _of_subquery(value: ast.SubLink) -> tuple[str | None, bool]:
    if value.subLinkType == enums.SubLinkType.EXPR_SUBLINK:
        targets = list(value.subselect.targetList or ())
        return ((targets[0].name or output_name(targets[0].val)) if targets else None), True
    name = LINKS.get(value.subLinkType)
    return name, name is not None
