"""What a SELECT gives: its columns with the names they have outside."""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import column, integer_constant, sorted_by
from analyzer.statements.equivalents.scopes import Tables, holds_key, owner, qualified, tables_of
from analyzer.statements.tree import Node, function_name, name_parts

NAMED = {ast.CoalesceExpr: "coalesce", ast.A_ArrayExpr: "array", ast.RowExpr: "row", ast.GroupingFunc: "grouping"}
LINKS = {enums.SubLinkType.EXISTS_SUBLINK: "exists", enums.SubLinkType.ARRAY_SUBLINK: "array"}
READ = (
    ast.ColumnRef, ast.FuncCall, ast.A_Indirection, ast.CollateClause, ast.TypeCast, ast.CaseExpr, ast.SubLink,
    ast.MinMaxExpr, ast.SQLValueFunction,
)  # fmt: skip
NAMELESS = (ast.A_Expr, ast.A_Const, ast.ParamRef, ast.BoolExpr, ast.NullTest, ast.BooleanTest)
Output = list[tuple[str | None, Node]]  # None: a name that PostgreSQL makes up


def output_of(select: ast.SelectStmt, tables: Tables) -> Output | None:
    """Names and expressions, stars written out; None where a star is not of plain tables."""
    found: Output = []
    for target in select.targetList or ():
        value = target.val
        if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
            qualifier = name_parts(value.fields)
            if len(qualifier) > 1 or any(name not in tables for name in qualifier):
                return None
            for name in qualifier or tables:
                columns = sorted(tables[name].columns, key=lambda known: known.number)
                found += [(known.name, qualified((name, known.name))) for known in columns]
        elif isinstance(value, ast.A_Indirection) and isinstance(value.indirection[-1], ast.A_Star):
            return None
        elif not isinstance(value, (*NAMED, *READ, *NAMELESS)):
            return None  # of XML and JSON: what their columns are called is not looked at
        else:
            found.append((target.name or output_name(value), value))
    return found


def numbered(node: Node, output: Output) -> Node | None:
    """The column of the output that ``ORDER BY 2`` names; None where an item is no such number."""
    number = integer_constant(node)
    return output[number - 1][1] if number is not None and 1 <= number <= len(output) else None


def has_no_ties(select: ast.SelectStmt, facts: SchemaFacts) -> bool:
    """Whether ORDER BY tells all rows apart."""
    tables = tables_of(select, facts, outer_joins=True) or {}
    output = output_of(select, tables) or []
    sorts = [item.node for item in select.sortClause or ()]
    values = [numbered(node, output) or _named(node, output) or node for node in sorts]
    return bool(tables) and holds_key(
        [owned for value in values if (owned := owner(value, tables)) is not None], tables, facts
    )


def _named(node: Node, output: Output) -> Node | None:
    """What a name alone stands for in ORDER BY: the output's goes before a table's."""
    if not isinstance(node, ast.ColumnRef) or len(node.fields) != 1:
        return None
    return next((value for name, value in output if name == output_name(node)), None)


def output_name(value: Node) -> str | None:
    """As PostgreSQL names an output column without AS; None where it has no name for it ("?column?")."""
    return _figured(value)[0]


def _figured(value: Node) -> tuple[str | None, bool]:
    """The name, and whether it goes before that of a cast or a CASE around it (FigureColname)."""
    if isinstance(value, ast.ColumnRef):
        return name_parts(value.fields)[-1], True
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
        return (name, True) if goes_before else (name_parts(value.typeName.names)[-1], False)
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


def _of_subquery(value: ast.SubLink) -> tuple[str | None, bool]:
    if value.subLinkType == enums.SubLinkType.EXPR_SUBLINK:
        targets = list(value.subselect.targetList or ())
        return ((targets[0].name or output_name(targets[0].val)) if targets else None), True
    name = LINKS.get(value.subLinkType)
    return name, name is not None


def sorted_by_output(select: ast.SelectStmt, facts: SchemaFacts) -> tuple[ast.SortBy, ...] | None:
    """ORDER BY as names or numbers of the output, all that a UNION can be sorted by; None where it needs more.

    () without.
    """
    tables = tables_of(select, facts, outer_joins=True) or {}
    output = output_of(select, tables)
    found = []
    for item in select.sortClause or ():
        if output is not None and not item.useOp and numbered(item.node, output) is not None:
            found.append(sorted_by(item.node, item))
            continue
        name = _sorted_name(item.node, output or [], tables)
        if output is None or item.useOp or name is None or [n for n, _ in output].count(name) != 1:
            return None
        found.append(sorted_by(column(name), item))
    return tuple(found)


def _sorted_name(node: Node, output: Output, tables: Tables) -> str | None:
    if not isinstance(node, ast.ColumnRef):
        return None
    if len(node.fields) == 1 and any(name == output_name(node) for name, _ in output):
        return output_name(node)  # the output's name goes before the table's
    mine = owner(node, tables)
    if mine is None:
        return None
    return next((name for name, value in output if owner(value, tables) == mine), None)
