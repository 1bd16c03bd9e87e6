"""CHECK constraints as a migration and the server's catalog have them, and the columns that their conditions name."""

from dataclasses import dataclass

from pglast import ast, enums

from analyzer.statements.tree import Node, Unparsable, conjuncts, single_statement


@dataclass(frozen=True, slots=True)
class KnownCheck:
    name: str
    expression: Node
    is_validated: bool


def check_expression(definition: str) -> Node | None:
    """Of pg_get_constraintdef()'s text."""
    statement = single_statement(f"ALTER TABLE t ADD {definition}")
    return None if isinstance(statement, Unparsable) else statement.cmds[0].def_.raw_expr


def column_of(node: Node) -> str | None:
    """The column that a ColumnRef names, whatever stands before it."""
    if isinstance(node, ast.ColumnRef) and isinstance(node.fields[-1], ast.String):
        name: str = node.fields[-1].sval
        return name
    return None


def says_not_null(expression: Node, column: str) -> bool:
    return any(
        isinstance(part, ast.NullTest)
        and part.nulltesttype == enums.NullTestType.IS_NOT_NULL
        and column_of(part.arg) == column
        for part in conjuncts(expression)
    )
