"""Which columns recorded statements name: what fails when one of them is dropped."""

from collections.abc import Iterable, Iterator

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.predicates import query_blocks
from analyzer.statements.set_columns import columns_set, with_same_rows
from analyzer.statements.tree import Unparsable, single_statement, walk


def columns_named(texts: Iterable[str], facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """By the table's qualified name: what they read, compare, insert or set, as ``columns_set`` tells tables apart.
    A ``*`` names none.
    """
    listed = list(texts)
    columns = columns_set(listed, facts)
    for sql in listed:
        for name, schema, names in (*_read(sql, facts), *_inserted(sql)):
            for named in facts.tables_read(name, schema) if names else ():
                for table in with_same_rows(named, facts):
                    columns[table.qualified_name] = columns.get(table.qualified_name, frozenset()) | names
    return columns


def _read(sql: str, facts: SchemaFacts) -> Iterator[tuple[str, str, frozenset[str]]]:
    for block in query_blocks(sql, facts):
        for use in block.tables:
            names = use.used | (use.selected or frozenset()) | {p.column for p in use.predicates}
            yield use.name, use.schema or "", frozenset(names)


def _inserted(sql: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    statement = single_statement(sql)
    for node in walk(None if isinstance(statement, Unparsable) else statement):
        if isinstance(node, ast.InsertStmt):
            names = frozenset(target.name for target in node.cols or () if target.name)
            yield node.relation.relname, node.relation.schemaname or "", names
