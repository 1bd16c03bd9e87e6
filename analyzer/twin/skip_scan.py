"""Plans that only PostgreSQL 18 makes: conditions on an index's later columns without one on the first.

From 18 on a B-tree on (a, b) answers ``b = 1`` by a look-up for each value of a (skip scan). The twin would plan that
for a server of any version. An older one can only read the whole index, which is seldom worth it: for it the next best
plan counts, so that nothing is promised that it cannot do.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from pglast import ast

from analyzer.advice.definition import IndexDefinition
from analyzer.statements.tree import Unparsable, parse

# key columns of each B-tree that has several; NULL for an expression
_KEYS = """
select c.relname, array(
    select a.attname from unnest(i.indkey::int2[]) with ordinality as k (number, place)
    left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number and k.number > 0
    where k.place <= i.indnkeyatts order by k.place
)::text[]
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join pg_am as m on m.oid = c.relam
where m.amname = 'btree' and i.indnkeyatts > 1 and c.oid >= 16384
"""
FirstColumns = dict[str, str | None]  # index name -> its first column; None: an expression


def first_columns(connection: "psycopg.Connection[Any]") -> FirstColumns:
    """Of the indexes that are there."""
    return {name: keys[0] for name, keys in connection.execute(_KEYS).fetchall()}


def first_column(definition: IndexDefinition) -> tuple[str | None] | None:
    """None where it has no second column to be read by alone."""
    if definition.method != "btree" or len(definition.columns) < 2:
        return None
    return (None if definition.columns[0].is_expression else definition.columns[0].name,)


def skip_scanned(node: Mapping[str, Any], first: Mapping[str, str | None]) -> Iterator[str]:
    """Names of the plan's indexes that are read without a condition on their first column."""
    name, condition = node.get("Index Name"), node.get("Index Cond")
    if name is not None and name in first and condition:
        columns = _index_columns(condition)
        if columns and first[name] not in columns:
            yield name
    for child in node.get("Plans", ()):
        yield from skip_scanned(child, first)


def _index_columns(condition: str) -> set[str | None]:
    """What the conditions compare, None for an expression; empty where the text is not understood.

    EXPLAIN joins conditions by AND and writes the index's column first in each.
    """
    statements = parse(f"select 1 where {condition}")
    if isinstance(statements, Unparsable):
        return set()
    where = statements[0].stmt.whereClause
    parts = where.args if isinstance(where, ast.BoolExpr) else (where,)
    return {_column(part) for part in parts}


def _column(condition: Any) -> str | None:
    at = condition
    while True:
        match at:
            case ast.A_Expr():
                at = at.lexpr
            case ast.RowExpr() if at.args:
                at = at.args[0]
            case ast.NullTest() | ast.BooleanTest() | ast.TypeCast() | ast.CollateClause():
                at = at.arg
            case ast.BoolExpr():  # NOT flag
                at = at.args[0]
            case ast.ColumnRef():
                return getattr(at.fields[-1], "sval", None)  # t.* has none
            case _:
                return None
