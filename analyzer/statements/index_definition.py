"""An index's definition, as pg_get_indexdef gives it, written anew: under another name, on another table."""

from pglast import ast

from analyzer.statements.tree import Unparsable, fresh_parse, written


def index_statement(definition: str) -> ast.IndexStmt | None:
    """The tree of one CREATE INDEX, one's own to change; None where the text is anything else."""
    statements = fresh_parse(definition)
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return None
    statement = statements[0].stmt
    return statement if isinstance(statement, ast.IndexStmt) and statement.relation.schemaname else None


def index_on(
    definition: str, *, name: str, schema: str, table: str, only: bool = False, concurrently: bool = False
) -> str | None:
    """The same index with that name on that table; None where the definition is no CREATE INDEX, or not to be written.

    A schema of "" is left to the search path. Built from the tree: cut out of the text, a name that holds " USING "
    would end where it likes.
    """
    statement = index_statement(definition)
    if statement is None:
        return None
    statement.idxname = name
    statement.concurrent = concurrently
    statement.relation.schemaname, statement.relation.relname = schema or None, table
    statement.relation.inh = not only
    return written(statement)
