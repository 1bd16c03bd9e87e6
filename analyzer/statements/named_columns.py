"""Which columns that hold nothing the statements on their table name: what would fail without them."""

import re
from collections.abc import Iterable

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.parse import parse_statement
from analyzer.statements.set_columns import with_same_rows


def empty_columns(facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """By the table's qualified name, the columns in which ANALYZE saw nothing but NULL."""
    empty = {table.qualified_name: frozenset(c.name for c in table.columns if c.null_frac == 1) for table in facts}
    return {name: columns for name, columns in empty.items() if columns}


def empty_columns_named(texts: Iterable[str], facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """Those whose name stands anywhere in a statement on their table, or on one that has rows in common with it."""
    empty = empty_columns(facts)
    names = {name for columns in empty.values() for name in columns}
    if not names:
        return {}
    word = re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in sorted(names))})(?!\w)", re.IGNORECASE)
    named: dict[str, frozenset[str]] = {}
    for sql in texts:
        words = {match.casefold() for match in word.findall(sql)}
        for reference in parse_statement(sql).tables if words else ():
            for read in facts.tables_read(reference.name, reference.schema):
                for table in (read, *with_same_rows(read, facts)):
                    known, columns = named.get(table.qualified_name, frozenset()), empty.get(table.qualified_name, ())
                    named[table.qualified_name] = known | {name for name in columns if name.casefold() in words}
    return {table: columns for table, columns in named.items() if columns}
