"""An existing index as the definition it was made from, read from pg_get_indexdef by PostgreSQL's parser."""

import re

from pglast import ast, enums

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import quote_identifier, quote_literal
from analyzer.statements.tree import Node, Unparsable, name_parts, single_statement, written

PLAIN_VALUE = re.compile(r"[a-z_]+|[0-9]+(\.[0-9]+)?")  # on, auto, 70: the same without quotes


def definition_of(index: IndexFacts, table: TableFacts) -> IndexDefinition | None:
    """None where the index has what IndexDefinition cannot say (a collation, a tablespace, NULLS NOT DISTINCT), or an
    expression that cannot be written."""
    node = single_statement(index.definition)
    if isinstance(node, Unparsable) or not isinstance(node, ast.IndexStmt):
        return None
    return definition_from(node, table)


def definition_from(node: Node, table: TableFacts) -> IndexDefinition | None:
    """What a CREATE INDEX statement (IndexStmt) says; None as for ``definition_of``."""
    if node.tableSpace or node.nulls_not_distinct:
        return None
    columns = [_column(element) for element in node.indexParams or ()]
    storage = [_storage(option) for option in node.options or ()]
    where = written(node.whereClause) if node.whereClause is not None else None
    if any(part is None for part in (*columns, *storage)) or (where is None) != (node.whereClause is None):
        return None
    return IndexDefinition(
        table,
        tuple(c for c in columns if c is not None),
        quote_identifier(node.accessMethod or "btree"),
        tuple(element.name for element in node.indexIncludingParams or ()),
        where,
        bool(node.unique),
        ", ".join(s for s in storage if s is not None) or None,
    )


def _column(element: Node) -> IndexColumn | None:
    if element.collation or element.opclassopts:
        return None
    opclass = ".".join(map(quote_identifier, name_parts(element.opclass))) or None
    descending = element.ordering == enums.SortByDir.SORTBY_DESC
    nulls = {
        enums.SortByNulls.SORTBY_NULLS_FIRST: True,
        enums.SortByNulls.SORTBY_NULLS_LAST: False,
    }.get(element.nulls_ordering)
    if element.expr is not None:
        text = written(element.expr)
        return None if text is None else IndexColumn(text, descending, nulls, opclass, is_expression=True)
    return IndexColumn(element.name, descending, nulls, opclass)


def _storage(option: Node) -> str | None:
    value, name = option.arg, quote_identifier(option.defname)
    if isinstance(value, ast.String):
        return f"{name} = {value.sval if PLAIN_VALUE.fullmatch(value.sval) else quote_literal(value.sval)}"
    if isinstance(value, ast.Integer):
        return f"{name} = {value.ival}"
    if isinstance(value, ast.Float):
        return f"{name} = {value.fval}"
    return None
