"""Expressions over columns, as index definitions write them."""

from functools import lru_cache

from pglast import ast
from pglast.stream import RawStream

from analyzer.statements.tree import Node, Unparsable, fresh_parse, walk, without_casts


@lru_cache(maxsize=1024)
def comparable(expression: str) -> str:
    """Without casts and table names: the same for ``upper((email)::text)`` and ``UPPER(u."email"::text)``."""
    return _written(expression, casts=False)


@lru_cache(maxsize=1024)
def unqualified(expression: str) -> str:
    """The expression with bare column names, as CREATE INDEX wants it."""
    return _written(expression, casts=True)


def _written(expression: str, *, casts: bool) -> str:
    statements = fresh_parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return expression
    for node in walk(statements):
        if isinstance(node, ast.ColumnRef):
            node.fields = node.fields[-1:]
        elif not casts and isinstance(node, ast.FuncCall) and node.args:
            node.args = tuple(without_casts(a) for a in node.args)
    target: Node = statements[0].stmt.targetList[0].val
    text: str = RawStream()(target if casts else without_casts(target))
    return text
