"""Which columns that hold nothing the statements on their table name: what would fail without them."""

import re
from collections.abc import Iterable, Iterator

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.parse import TableName, parse_statement
from analyzer.statements.set_columns import with_same_rows
from analyzer.statements.tree import Unparsable, single_statement, walk

INSERT = re.compile(r"\binsert\b", re.IGNORECASE)


def empty_columns(facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """By the table's qualified name, the columns in which ANALYZE saw nothing but NULL."""
    empty = {table.qualified_name: frozenset(c.name for c in table.columns if c.null_frac == 1) for table in facts}
    return {name: columns for name, columns in empty.items() if columns}


def empty_columns_named(texts: Iterable[str], facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """Those whose name stands anywhere in a statement on their table, or on one that has rows in common with it; all of
    a table that an INSERT fills by place alone. Of a table that no SELECT reads there is no entry: what its code names
    is not known.
    """
    empty = empty_columns(facts)
    names = {name for columns in empty.values() for name in columns}
    if not names:
        return {}
    spelled = {name.replace('"', '""') for name in names}
    word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(spelled)))})(?!\w)", re.IGNORECASE)
    named: dict[str, frozenset[str]] = {}
    read_tables: set[str] = set()
    for sql in texts:
        words = {match.replace('""', '"').casefold() for match in word.findall(sql)}
        by_place = set(_filled_by_place(sql)) if INSERT.search(sql) else set()
        statement = parse_statement(sql)
        for reference in statement.tables:
            is_filled = reference in by_place
            for read in facts.tables_read(reference.name, reference.schema):
                for table in (read, *with_same_rows(read, facts)):
                    known, columns = named.get(table.qualified_name, frozenset()), empty.get(table.qualified_name, ())
                    also = {name for name in columns if is_filled or name.casefold() in words}
                    named[table.qualified_name] = known | also
                    if statement.kind == "select":
                        read_tables.add(table.qualified_name)
    return {table: columns for table, columns in named.items() if table in read_tables & empty.keys()}


def _filled_by_place(sql: str) -> Iterator[TableName]:
    """By an INSERT that names no columns: without one of them its values have no place, or another one."""
    statement = single_statement(sql)
    for node in () if isinstance(statement, Unparsable) else walk(statement):
        if isinstance(node, ast.InsertStmt) and not node.cols and node.selectStmt is not None:
            yield TableName(node.relation.schemaname or "", node.relation.relname)
