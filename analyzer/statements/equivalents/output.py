"""What a SELECT gives: its columns with the names they have outside."""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import column, sorted_by
from analyzer.statements.equivalents.scopes import Tables, owner, qualified, tables_of
from analyzer.statements.tree import Node, function_name, name_parts

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
        elif not isinstance(value, ast.Node):
            return None
        else:
            found.append((target.name or output_name(value), value))
    return found


def output_name(value: Node) -> str | None:
    """As PostgreSQL names an output column without AS (FigureColname); None where it takes a word of its own."""
    if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.String):
        name: str = value.fields[-1].sval
        return name
    if isinstance(value, ast.FuncCall):
        return function_name(value)
    if isinstance(value, ast.SubLink) and value.subLinkType == enums.SubLinkType.EXPR_SUBLINK:
        targets = list(value.subselect.targetList or ())
        return (targets[0].name or output_name(targets[0].val)) if targets else None
    if isinstance(value, ast.TypeCast):
        return output_name(value.arg) or name_parts(value.typeName.names)[-1]
    return None


def sorted_by_output(select: ast.SelectStmt, facts: SchemaFacts) -> tuple[ast.SortBy, ...] | None:
    """ORDER BY as names of the output, all that a UNION can be sorted by; None where it needs more. () without."""
    tables = tables_of(select, facts, outer_joins=True) or {}
    output = output_of(select, tables)
    found = []
    for item in select.sortClause or ():
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
