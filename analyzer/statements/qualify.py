"""Writes the schemas of tables, types and functions into a text, so that they do not depend on a search_path.

The text stays as it is otherwise, character by character: schemas are put in where the parser saw the names. The result
is parsed again and must be the same tree but for the schemas.
"""

from collections.abc import Mapping

from pglast import ast

from analyzer.statements.names import table_references
from analyzer.statements.tree import Unparsable, fresh_parse, name_parts, walk


def qualified_sql(
    sql: str, tables: Mapping[str, str], types: Mapping[str, str], functions: Mapping[str, str] | None = None
) -> str | None:
    """``tables``, ``types``, ``functions``: name -> schema, of those without one. None where that cannot be done."""
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return None
    root = statements[0].stmt
    insertions: dict[int, str] = {}
    for relation in table_references(root):
        schema = tables.get(relation.relname)
        if relation.schemaname or schema is None:
            continue
        relation.schemaname = schema
        insertions[relation.location] = schema
    for node in walk(root):
        if isinstance(node, ast.TypeName) and len(name_parts(node.names)) == 1:
            schema = types.get(node.names[0].sval)
            if schema is not None:
                node.names = (ast.String(sval=schema), *node.names)
                insertions[node.location] = schema
        elif isinstance(node, ast.FuncCall) and len(node.funcname) == 1:
            schema = (functions or {}).get(node.funcname[0].sval)
            if schema is not None:
                node.funcname = (ast.String(sval=schema), *node.funcname)
                insertions[node.location] = schema
    pieces, end = [], 0
    for at in sorted(insertions):
        pieces += [sql[end:at], quoted(insertions[at]), "."]
        end = at
    text = "".join([*pieces, sql[end:]])
    again = fresh_parse(text)
    if isinstance(again, Unparsable) or len(again) != 1 or again[0].stmt != root:
        return None
    return text


def quoted(name: str) -> str:
    """An identifier for SQL: always quoted, so any name is right."""
    return '"' + name.replace('"', '""') + '"'
