"""Variables of a function in the text of a statement that ran inside it, as parameters.

pg_stat_statements (track = all) keeps such a statement as the function has it: ``where cust = c`` or ``= new.cust``,
where c is the function's own. No server plans that alone. What is no column of any table or subquery that the statement
reads can only be such a variable, since the statement ran.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.names import table_references
from analyzer.statements.tree import Node, Unparsable, fresh_parse, name_parts, walk

# every table has them: the manual, "System Columns"
SYSTEM_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax", "oid"})


def with_parameters(sql: str, facts: SchemaFacts) -> str:
    """The text with ``$n`` for each variable; as it is where it has none, or where not all its tables are known."""
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return sql
    root = statements[0].stmt
    if any(isinstance(node, ast.CTESearchClause | ast.CTECycleClause) for node in walk(root)):
        return sql  # they name columns of their own
    tables = [facts.find_table(r.relname, r.schemaname or None) for r in table_references(root)]
    columns: set[str] = set(SYSTEM_COLUMNS)
    for table in tables:
        if table is None:
            return sql
        columns.update(column.name for column in table.columns)
    sources = set(_named(root))
    number = max((n.number for n in walk(root) if isinstance(n, ast.ParamRef)), default=0)
    numbers: dict[tuple[str, ...], int] = {}
    replaced: list[tuple[int, int, int]] = []  # from, to, number
    for node in walk(root):
        if not isinstance(node, ast.ColumnRef):
            continue
        parts = name_parts(node.fields)
        if len(parts) != len(node.fields) or parts[0] in sources or (len(parts) == 1 and parts[0] in columns):
            continue
        if parts not in numbers:
            numbers[parts] = number = number + 1
        end = _end(sql, node.location, parts)
        if end is None:
            return sql
        replaced.append((node.location, end, numbers[parts]))
    text = sql
    for start, end, n in sorted(replaced, reverse=True):
        text = f"{text[:start]}${n}{text[end:]}"
    return sql if isinstance(fresh_parse(text), Unparsable) else text


def _named(root: Node) -> Iterator[str]:
    """Names that a column, or what stands before its dot, may have by this text: tables, aliases, outputs."""
    for node in walk(root):
        match node:
            case ast.RangeVar():
                yield node.relname
                yield from [node.schemaname] if node.schemaname else []
            case ast.Alias():
                yield node.aliasname
                yield from name_parts(node.colnames)
            case ast.ResTarget():
                yield from [node.name] if node.name else []
            case ast.CommonTableExpr():
                yield node.ctename
                yield from name_parts(node.aliascolnames)
            case ast.FuncCall():
                yield from name_parts(node.funcname)  # in FROM without an alias it is known by its own name
            case ast.ColumnDef():
                yield node.colname


def _end(sql: str, start: int, parts: tuple[str, ...]) -> int | None:
    """Where a name that is written plainly ends; None of one that is quoted or written otherwise."""
    written = ".".join(parts)
    return start + len(written) if sql[start : start + len(written)].lower() == written else None
