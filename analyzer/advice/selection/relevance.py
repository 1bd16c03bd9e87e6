"""Which indexes a statement's plan can depend on. What cannot be told from the text counts as every index."""

from collections.abc import Sequence

from pglast import ast

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import Query
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.parse import is_system_table, parse_statement
from analyzer.statements.tree import Unparsable, column_names, parse, walk

SKIP_SCAN_VERSION_NUM = 180_000


def oids_upwards(table: TableFacts, facts: SchemaFacts) -> list[int]:
    """Its own and those of the partitioned tables above it, the outermost last."""
    oids, above = [table.oid], table.parent_oid
    while above is not None and above not in oids:
        oids.append(above)
        known = facts.table(above)
        above = known.parent_oid if known is not None else None
    return oids


def root_oid(table: TableFacts, facts: SchemaFacts) -> int:
    """The outermost partitioned table above ``table``, or itself: a plan on one can read the parts of the other."""
    return oids_upwards(table, facts)[-1]


def tables_read(query: Query, facts: SchemaFacts) -> frozenset[int] | None:
    """Root oids of the tables the statement names and of those that inherit from them; None where it names a view or
    something unknown."""
    return tables_of_text(query.sql, facts)


def tables_of_text(sql: str, facts: SchemaFacts) -> frozenset[int] | None:
    """As ``tables_read``; None also of a text that cannot be parsed."""
    oids: set[int] = set()
    parsed = parse_statement(sql)
    if not parsed.is_plannable:
        return None
    for name in parsed.tables:
        if is_system_table(str(name)):
            continue
        table = facts.find_table(name.name, name.schema or None)
        if table is None or table.kind == "v":
            return None
        oids |= {root_oid(each, facts) for each in (table, *facts.heirs(table))}
    return frozenset(oids)


def columns_named(query: Query) -> frozenset[str] | None:
    """Names of columns anywhere in the statement, of whatever table; None where a view or NATURAL JOIN hides some."""
    statements = parse(query.sql)
    if isinstance(statements, Unparsable):
        return None
    names = set(column_names(statements[0]))
    for node in walk(statements[0]):
        if isinstance(node, ast.JoinExpr):
            if node.isNatural:
                return None
            names |= {name.sval for name in node.usingClause or ()}
    return frozenset(names)


def indexes_by_query(
    queries: Sequence[Query], definitions: Sequence[IndexDefinition], facts: SchemaFacts
) -> tuple[list[int], list[frozenset[int] | None]]:
    """For each query the mask of the indexes that it could use, and the root oids of its tables.

    An index serves a statement that names its first column (from 18 on another one is enough: skip scan). Planning with
    all others in sight, too, would take several times as long.
    """
    roots = [root_oid(d.table, facts) for d in definitions]
    keys = [_key_columns(d, facts) for d in definitions]
    masks, tables = [], []
    for query in queries:
        read = tables_read(query, facts)
        named = columns_named(query) if read is not None else None
        mask = 0
        for number, (root, columns) in enumerate(zip(roots, keys, strict=True)):
            if read is None or (root in read and (named is None or not columns or columns & named)):
                mask |= 1 << number
        tables.append(read)
        masks.append(mask)
    return masks, tables


def _key_columns(definition: IndexDefinition, facts: SchemaFacts) -> frozenset[str]:
    """One of them has to be named; empty where none has to."""
    is_any_enough = definition.method != "btree" or facts.server_version_num >= SKIP_SCAN_VERSION_NUM
    names: set[str] = set()
    for column in definition.columns if is_any_enough else definition.columns[:1]:
        if not column.is_expression:
            names.add(column.name)
            continue
        statements = parse(f"select {column.name}")
        if isinstance(statements, Unparsable):
            return frozenset()
        names |= set(column_names(statements[0]))
    return frozenset(names)
