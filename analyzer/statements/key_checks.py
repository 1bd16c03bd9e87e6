"""Statements that PostgreSQL sends itself to look for a referenced row's children, as pg_stat_statements shows them.

    SELECT $2 FROM ONLY "public"."line" x WHERE $1 OPERATOR(pg_catalog.=) "order_id" FOR KEY SHARE OF x
    DELETE FROM ONLY "public"."line" WHERE $1 OPERATOR(pg_catalog.=) "order_id"              -- ON DELETE CASCADE
    UPDATE ONLY "public"."line" SET "order_id" = $2 WHERE $1 OPERATOR(pg_catalog.=) "order_id"   -- SET NULL, CASCADE

Source: ri_triggers.c. Without ONLY for a partitioned table; both sides cast where the operator wants it. The value
stands on the left: the look-up of the parent when a child is written has it on the right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pglast import ast
from pglast.enums import BoolExprType

from analyzer.statements.tree import Node, Unparsable, parse


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """The children's table and the key's columns."""

    schema: str
    table: str
    columns: frozenset[str]


def key_check_of(sql: str) -> KeyCheck | None:
    """None for any other statement."""
    if "OPERATOR(" not in sql:  # nobody writes that by hand; spares the parsing of the rest
        return None
    parsed = parse(sql)
    if isinstance(parsed, Unparsable) or len(parsed) != 1:
        return None
    statement = parsed[0].stmt
    match statement:
        case ast.SelectStmt() if statement.fromClause and len(statement.fromClause) == 1 and statement.lockingClause:
            (relation,) = statement.fromClause
        case ast.DeleteStmt() | ast.UpdateStmt():
            relation = statement.relation
        case _:
            return None
    if not isinstance(relation, ast.RangeVar) or not relation.schemaname or statement.whereClause is None:
        return None
    columns = [_compared(part) for part in _conjuncts(statement.whereClause)]
    if not all(columns):
        return None
    return KeyCheck(relation.schemaname, relation.relname, frozenset(c for c in columns if c))


def _conjuncts(clause: Node) -> Iterator[Node]:
    is_and = isinstance(clause, ast.BoolExpr) and clause.boolop == BoolExprType.AND_EXPR
    yield from clause.args if is_and else (clause,)


def _compared(part: Node) -> str | None:
    """The column of ``$1 OPERATOR(s.=) "column"``."""
    if not isinstance(part, ast.A_Expr) or len(part.name or ()) != 2:
        return None
    value, column = _bare(part.lexpr), _bare(part.rexpr)
    if not isinstance(value, ast.ParamRef) or not isinstance(column, ast.ColumnRef):
        return None
    name = column.fields[-1]
    return name.sval if isinstance(name, ast.String) else None


def _bare(node: Node) -> Node:
    while isinstance(node, ast.TypeCast | ast.CollateClause):
        node = node.arg
    return node
