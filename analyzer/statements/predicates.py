"""What every query block asks of each base table, and which column each parameter meets.

Subqueries, CTEs, LATERAL, UNION, EXISTS, and the targets of UPDATE, DELETE and MERGE are followed. A
condition on a plain subquery's output column is given to the base table below it, as the planner does.
"""

from dataclasses import replace

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import PATTERNS, ParameterUse, QueryBlock
from analyzer.statements.reader import BlockReader
from analyzer.statements.tree import Node, Unparsable, name_parts, single_statement, walk


def query_blocks(sql: str, facts: SchemaFacts | None = None) -> list[QueryBlock]:
    """Every block of the statement, outermost first; empty where the text is not one plannable statement."""
    return list(_read(sql, facts)[0])


def searches_texts(sql: str, facts: SchemaFacts | None = None) -> bool:
    """Whether it looks for pieces inside texts: how many match the planner can only guess."""
    predicates = (p for block in query_blocks(sql, facts) for use in block.tables for p in use.predicates)
    return any(p.operator in PATTERNS for p in predicates)


def parameter_columns(sql: str, facts: SchemaFacts | None = None) -> dict[int, ParameterUse]:
    """For each ``$n`` of the statement what it is compared with, by number."""
    return dict(_read(sql, facts)[1])


def _read(sql: str, facts: SchemaFacts | None) -> tuple[tuple[QueryBlock, ...], dict[int, ParameterUse]]:
    statement = single_statement(sql)
    if isinstance(statement, Unparsable):
        return (), {}
    if isinstance(statement, (ast.ExplainStmt, ast.DeclareCursorStmt)):
        statement = statement.query
    if not isinstance(statement, (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
        return (), {}
    reader = BlockReader(facts)
    try:
        reader.statement(statement, None, {}, "statement")
    except RecursionError:
        return (), {}
    _note_other_parameters(statement, reader.parameters)
    return tuple(b.done() for b in reader.blocks), dict(sorted(reader.parameters.items()))


def _note_other_parameters(statement: Node, parameters: dict[int, ParameterUse]) -> None:
    """Parameters that meet no column, and the casts written around all of them."""
    for node in walk(statement):
        if isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.ParamRef):
            known = parameters.get(node.arg.number) or ParameterUse(node.arg.number)
            array = "[]" if node.typeName.arrayBounds else ""
            type_name = name_parts(node.typeName.names)[-1] + array
            parameters[known.number] = replace(known, type_name=type_name)
        elif isinstance(node, ast.ParamRef) and node.number not in parameters:
            parameters[node.number] = ParameterUse(node.number)


__all__ = ["ParameterUse", "QueryBlock", "parameter_columns", "query_blocks"]
