"""Tables that a statement's query reads whole: without WHERE and LIMIT, whatever the planner makes of it."""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, function_name

BY_INDEX = frozenset({"min", "max"})


def tables_read_whole(action: Action) -> Iterator[TableName]:
    statement, node = action.statement, action.node
    if isinstance(statement, ast.CopyStmt):
        if action.kind is Kind.READ and statement.relation is not None:
            yield relation_name(statement.relation)
        elif action.kind is Kind.READ and isinstance(statement.query, ast.SelectStmt):
            yield from _of_select(statement.query, set())
    elif action.kind is Kind.READ:
        yield from _of_select(statement, set())
    elif action.kind is Kind.INSERT and node.selectStmt is not None:
        yield from _of_select(node.selectStmt, _own_names(node))
    elif action.kind is Kind.MERGE and isinstance(node.sourceRelation, ast.RangeVar):
        if node.sourceRelation.relname not in _own_names(node):
            yield relation_name(node.sourceRelation)
    elif isinstance(statement, ast.CreateTableAsStmt) and isinstance(statement.query, ast.SelectStmt):
        yield from () if statement.into.skipData else _of_select(statement.query, set())


def _of_select(select: Node, own: set[str]) -> Iterator[TableName]:
    own = own | _own_names(select)
    if select.limitCount is not None:
        return
    if select.larg is not None:
        yield from _of_select(select.larg, own)
        yield from _of_select(select.rarg, own)
        return
    first = select.fromClause[0] if select.fromClause and len(select.fromClause) == 1 else None
    while isinstance(first, ast.JoinExpr) and first.jointype == enums.JoinType.JOIN_LEFT:
        first = first.larg
    is_read = select.whereClause is None and not all(_is_by_index(target.val) for target in select.targetList or ())
    if is_read and isinstance(first, ast.RangeVar) and (first.schemaname or first.relname not in own):
        yield relation_name(first)


def _own_names(node: Node) -> set[str]:
    """Of its WITH queries."""
    return {query.ctename for query in node.withClause.ctes} if node.withClause is not None else set()


def _is_by_index(value: Node) -> bool:
    return isinstance(value, ast.FuncCall) and function_name(value) in BY_INDEX
