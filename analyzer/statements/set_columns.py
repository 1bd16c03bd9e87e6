"""Which columns an UPDATE sets: those that an index may have to follow."""

from collections.abc import Iterable

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.tree import Unparsable, single_statement


def columns_set(texts: Iterable[str], facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """By the table's qualified name, of UPDATEs and of INSERTs with ON CONFLICT DO UPDATE among these."""
    columns: dict[str, frozenset[str]] = {}
    for sql in texts:
        node = single_statement(sql)
        if isinstance(node, Unparsable):
            continue
        if isinstance(node, ast.InsertStmt) and node.onConflictClause is not None:
            targets = node.onConflictClause.targetList
        elif isinstance(node, ast.UpdateStmt):
            targets = node.targetList
        else:
            continue
        table = facts.find_table(node.relation.relname, node.relation.schemaname)
        if table is not None:
            named = {target.name for target in targets or () if target.name}
            columns[table.qualified_name] = columns.get(table.qualified_name, frozenset()) | named
    return columns
