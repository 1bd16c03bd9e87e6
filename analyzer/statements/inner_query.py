"""The query that a utility statement runs, taken out of its text: of a cursor, CREATE TABLE AS, COPY, PREPARE, EXPLAIN.

PostgreSQL plans that query, so it is planned and advised on here too. Its text is cut out where the parser sees it, and
must then be the same tree as inside the utility.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pglast import ast, enums, parser

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.parse import parse_statement
from analyzer.statements.tokens import scan
from analyzer.statements.tree import Node, Unparsable, fresh_parse, parse, single_statement

QUERIES = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
BEGINS_A_QUERY = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE_P", "MERGE", "ASCII_40"})
MOST_BEGINNINGS = 40  # judgement: what stands before a query are names, a few options and columns
COUNTS_EVERY_QUERY = 180_000  # server_version_num
LONGEST_OF_MANY = 4_000  # characters: thousands of texts of 100 kB would fill the memory


@dataclass(frozen=True, slots=True)
class InnerQuery:
    """``wrapped_in``: PostgreSQL's words for the utility. ``runs``: False where it is planned and not executed.

    ``cursor``: the name under which a cursor's rows are fetched; the time of a cursor's query is that of its FETCHes.
    """

    sql: str
    wrapped_in: str
    runs: bool = True
    cursor: str | None = None


def inner_query(sql: str | None) -> InnerQuery | None:
    """None for a text that is a query itself, or holds none; one that EXPLAIN hides in another utility counts too."""
    if not sql:
        return None
    return _of_short(sql) if len(sql) <= LONGEST_OF_MANY else _of_long(sql)


def _inner_query(sql: str) -> InnerQuery | None:
    node = single_statement(sql)
    if isinstance(node, Unparsable):
        return None
    if isinstance(node, ast.SelectStmt):
        without = _without_into(sql, node) if node.intoClause is not None else None
        return InnerQuery(without, "SELECT INTO") if without else None
    wrapped_in, inner, runs = _wrapped(node)
    if inner is None:
        return None
    if not isinstance(inner, QUERIES) or getattr(inner, "intoClause", None) is not None:
        text = _cut_out(sql, inner)
        below = inner_query(text)
        return InnerQuery(below.sql, wrapped_in, runs and below.runs) if below else None
    text = _cut_out(sql, inner)
    cursor = node.portalname if isinstance(node, ast.DeclareCursorStmt) else None
    return InnerQuery(text, wrapped_in, runs, cursor) if text else None


_of_short = lru_cache(maxsize=4096)(_inner_query)
_of_long = lru_cache(maxsize=32)(_inner_query)


def _wrapped(node: Node) -> tuple[str, Node | None, bool]:
    match node:
        case ast.DeclareCursorStmt():
            return "DECLARE CURSOR", node.query, True
        case ast.CreateTableAsStmt():
            is_view = node.objtype == enums.ObjectType.OBJECT_MATVIEW
            return "CREATE MATERIALIZED VIEW" if is_view else "CREATE TABLE AS", node.query, not node.into.skipData
        case ast.CopyStmt():
            return "COPY", node.query, True
        case ast.PrepareStmt():
            return "PREPARE", node.query, True  # pg_stat_statements counts its EXECUTEs under this text
        case ast.ExplainStmt():
            return "EXPLAIN", node.query, any(_is_on(o) for o in node.options or () if o.defname == "analyze")
    return "", None, False


def _is_on(option: Node) -> bool:
    value = option.arg
    if value is None:
        return True
    text = getattr(value, "sval", None)
    return str(text if text is not None else getattr(value, "ival", "")).lower() in ("true", "on", "1")


def _cut_out(sql: str, inner: Node) -> str | None:
    """The part of the text that is this tree."""
    for text in _parts(sql):
        statements = parse(text)
        if not isinstance(statements, Unparsable) and len(statements) == 1 and statements[0].stmt == inner:
            return text
    return None


def _parts(sql: str) -> Iterator[str]:
    """What the query may be: from a word that begins one to the end, to WITH [NO] DATA or to a closing parenthesis."""
    try:
        tokens = [t for t in scan(sql) if t.name not in ("C_COMMENT", "SQL_COMMENT")]
    except parser.ParseError:
        return
    while tokens and tokens[-1].name == "ASCII_59":
        tokens.pop()
    last = tokens[-1] if tokens else None
    ends = {len(tokens)}
    if last is not None and last.name == "DATA_P":
        ends.add(len(tokens) - (3 if tokens[-2].name == "NO" else 2))
    beginnings = [at for at, token in enumerate(tokens) if at and _begins(token)][:MOST_BEGINNINGS]
    for at in beginnings:
        closing = _closing(tokens, at - 1) if tokens[at - 1].name == "ASCII_40" else None
        for end in sorted({*ends, *([closing] if closing else [])}):
            if end > at:
                yield sql[tokens[at].start : tokens[end - 1].end + 1]


def _begins(token: parser.Token) -> bool:
    """An opening parenthesis too; words with a meaning of their own elsewhere are told by what is parsed."""
    return token.name in BEGINS_A_QUERY or token.name in ("DECLARE", "CREATE", "EXECUTE", "WITH_LA")


def _closing(tokens: list[parser.Token], opening: int) -> int | None:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += (tokens[at].name == "ASCII_40") - (tokens[at].name == "ASCII_41")
        if depth == 0:
            return at
    return None


def _without_into(sql: str, select: Node) -> str | None:
    """``select ... into [temp] [table] name from ...`` without its INTO."""
    try:
        tokens = [t for t in scan(sql) if t.name not in ("C_COMMENT", "SQL_COMMENT")]
    except parser.ParseError:
        return None
    name = next((i for i, t in enumerate(tokens) if t.start >= select.intoClause.rel.location), None)
    if name is None:
        return None
    start = next((i for i in range(name, -1, -1) if tokens[i].name == "INTO"), None)
    end = name + 1
    while end + 1 < len(tokens) and tokens[end].name == "ASCII_46":
        end += 2
    if start is None:
        return None
    text = sql[: tokens[start].start] + sql[tokens[end - 1].end + 1 :]
    statements, wanted = fresh_parse(text), fresh_parse(sql)
    if isinstance(statements, Unparsable) or isinstance(wanted, Unparsable) or len(statements) != 1:
        return None
    wanted[0].stmt.intoClause = None
    return text.strip() if statements[0].stmt == wanted[0].stmt else None


def planned_query(sql: str, facts: SchemaFacts | None = None) -> str | None:
    """What EXPLAIN takes of a text: itself, the query inside it, or a materialized view's definition.

    None where it holds no query, and for a REFRESH of a view whose definition ``facts`` do not tell.
    """
    view = refreshed_view(sql)
    if view is not None:
        table = facts.find_table(view[1], view[0] or None) if facts else None
        return table.view_sql if table else None
    inner = inner_query(sql)
    if inner is not None:
        return inner.sql
    node = single_statement(sql)
    return sql if isinstance(node, QUERIES) and getattr(node, "intoClause", None) is None else None


def counted_text(sql: str | None, version_num: int, *, is_toplevel: bool) -> str | None:
    """What an entry of pg_stat_statements counts, which keeps the text of the whole utility for the query inside it.

    With ``track = all`` PostgreSQL 18 counts that query by itself, for every utility that ran the same; older ones that
    of EXPLAIN alone (tried on 13 to 18).
    """
    inner = None if is_toplevel else inner_query(sql)
    is_query = inner is not None and (version_num >= COUNTS_EVERY_QUERY or inner.wrapped_in == "EXPLAIN")
    return inner.sql if inner is not None and is_query else sql


def planned_kind(sql: str) -> str:
    """As ``parse_statement`` names it; of a utility that runs a query, that query's kind."""
    inner = inner_query(sql)
    if refreshed_view(sql) is not None:
        return "select"
    return parse_statement(inner.sql if inner is not None and inner.runs else sql).kind


def refreshed_view(sql: str | None) -> tuple[str, str] | None:
    """Schema or "" and name of the materialized view that a REFRESH reads anew."""
    node = single_statement(sql)
    if not isinstance(node, ast.RefreshMatViewStmt) or node.skipData:
        return None
    return node.relation.schemaname or "", node.relation.relname


def fetched_cursor(sql: str | None) -> str | None:
    """The name of the cursor that a FETCH or MOVE reads from."""
    node = single_statement(sql)
    return node.portalname if isinstance(node, ast.FetchStmt) else None
