"""Statements written otherwise that give the same rows, NULLs and duplicates included, and can be planned better.

One module a kind. Each changes the parse tree and is offered only where the schema proves that nothing else changes;
what comes out is parsed again. A text that holds a WITH query is left alone: its names hide those of tables.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pglast import ast
from pglast.stream import RawStream

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.count_exists import count_to_exists
from analyzer.statements.equivalents.not_in import not_in_to_not_exists
from analyzer.statements.tree import Unparsable, fresh_parse, walk

Change = Callable[[ast.SelectStmt, SchemaFacts], bool]
NOT_IN, COUNT = "NOT IN as NOT EXISTS", "count(*) as EXISTS"
KINDS: dict[str, Change] = {NOT_IN: not_in_to_not_exists, COUNT: count_to_exists}


@dataclass(frozen=True, slots=True)
class Equivalent:
    kind: str
    sql: str


def equivalents(sql: str, facts: SchemaFacts) -> tuple[Equivalent, ...]:
    """One for each kind that changes something; () for more than one statement, or one that is no SELECT."""
    return tuple(found for kind in KINDS if (found := equivalent(kind, sql, facts)) is not None)


def equivalent(kind: str, sql: str, facts: SchemaFacts) -> Equivalent | None:
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return None
    statement = statements[0].stmt
    if not isinstance(statement, ast.SelectStmt):
        return None
    nodes = list(walk((statement,)))
    if any(isinstance(node, ast.WithClause) for node in nodes):
        return None
    changed = [KINDS[kind](node, facts) for node in nodes if isinstance(node, ast.SelectStmt)]
    if not any(changed):
        return None
    written = RawStream()(statement)
    return None if isinstance(fresh_parse(written), Unparsable) else Equivalent(kind, written)
