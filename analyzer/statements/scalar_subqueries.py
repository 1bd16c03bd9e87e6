"""Subqueries used as an expression: a second row is an error, and other values than the application's may give one."""

from pglast import ast, enums

from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, Unparsable, parse, walk, walk_block

SCALAR = (enums.SubLinkType.EXPR_SUBLINK, enums.SubLinkType.ROWCOMPARE_SUBLINK)


def depends_on_values(sql: str) -> bool:
    """Whether parameters decide how many rows some subquery used as an expression gives."""
    statements = parse(sql)
    return any(
        isinstance(node, ast.SubLink) and node.subLinkType in SCALAR and _is_open(node.subselect)
        for node in walk(None if isinstance(statements, Unparsable) else statements)
    )


def _is_open(select: Node) -> bool:
    if not isinstance(select, ast.SelectStmt) or select.limitCount is not None or not select.fromClause:
        return False
    calls = (n for n in walk_block(select.targetList or ()) if isinstance(n, ast.FuncCall) and n.over is None)
    if not select.groupClause and any(is_aggregate(call) for call in calls):
        return False
    narrowing = (select.whereClause, select.havingClause, select.fromClause)
    return any(isinstance(n, ast.ParamRef) for part in narrowing for n in walk(part))
