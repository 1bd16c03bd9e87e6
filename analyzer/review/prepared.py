"""EXECUTE of a statement that the file prepared: what that does, with the values that EXECUTE gives it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pglast import ast, parser
from pglast.stream import RawStream

from analyzer.review.actions import Action, Kind
from analyzer.review.files.migration import MigrationStep
from analyzer.review.statements import actions_of, flag
from analyzer.statements.tokens import scan
from analyzer.statements.tree import Node, Unparsable, single_statement


def with_prepared(steps: Iterable[MigrationStep]) -> Iterator[MigrationStep]:
    queries: dict[str, Node] = {}
    for step in steps:
        statement = step.actions[0].statement
        if isinstance(statement, ast.PrepareStmt):
            queries[statement.name] = statement.query
        elif isinstance(statement, ast.DeallocateStmt):
            queries = {name: query for name, query in queries.items() if statement.name not in (None, name)}
        execute = _execute(statement)
        yield step if execute is None else replace(step, actions=tuple(_actions(execute, queries.get(execute.name))))


def _execute(statement: Node) -> Node | None:
    """By itself, or in EXPLAIN ANALYZE."""
    if isinstance(statement, ast.ExplainStmt) and flag(statement.options, "analyze"):
        statement = statement.query
    return statement if isinstance(statement, ast.ExecuteStmt) else None


def _actions(execute: Node, query: Node | None) -> list[Action]:
    """As those of code that cannot be looked into, where the file does not prepare it."""
    filled = _filled_in(query, execute.params or ()) if query is not None else None
    return [Action(Kind.CODE, statement=execute)] if filled is None else actions_of(filled)


def _filled_in(query: Node, values: tuple[Node, ...]) -> Node | None:
    sql, pieces, end = RawStream()(query), [], 0
    try:
        tokens = scan(sql)
    except (parser.ParseError, UnicodeEncodeError):
        return None
    for token in tokens:
        if token.name == "PARAM":
            number = int(sql[token.start + 1 : token.end + 1])
            if number > len(values):
                return None
            pieces += [sql[end : token.start], f"({RawStream()(values[number - 1])})"]
            end = token.end + 1
    statement = single_statement("".join([*pieces, sql[end:]]))
    return None if isinstance(statement, Unparsable) else statement
