"""A CREATE STATISTICS object's definition, as pg_get_statisticsobjdef gives it, written anew under another name."""

from pglast import ast

from analyzer.statements.tree import Unparsable, fresh_parse, written


def statistics_named(definition: str, *, schema: str, name: str) -> str | None:
    """The same object with that name; None where the definition is no CREATE STATISTICS, or not to be written."""
    statements = fresh_parse(definition)
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return None
    statement = statements[0].stmt
    if not isinstance(statement, ast.CreateStatsStmt):
        return None
    statement.defnames = (ast.String(sval=schema), ast.String(sval=name))
    return written(statement)
