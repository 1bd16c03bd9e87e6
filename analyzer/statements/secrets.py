"""What of a statement's text may be stored: no literal, no comment.

pg_stat_statements replaces constants by ``$1`` in what it plans, but keeps utility statements as they came:
``ALTER ROLE ... PASSWORD 'x'`` in clear on 13 to 18 (tried). Texts of pg_stat_activity and of logs are raw.
Comments go too: sqlcommenter's tags name requests and traces; the harmless ones are read by ``comment_tags``.
"""

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from urllib.parse import unquote

import pglast
from pglast import ast, parser

from analyzer.statements.tokens import scan
from analyzer.statements.tree import MAX_SQL_BYTES, Unparsable, parse

STRING_TOKENS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST"})
NUMBER_TOKENS = frozenset({"ICONST", "FCONST"})
COMMENT_TOKENS = frozenset({"C_COMMENT", "SQL_COMMENT"})
HIDDEN_STRING, HIDDEN_NUMBER = "'***'", "0"
MOST_COLUMNS = 1664  # of a result: PostgreSQL's MaxTupleAttributeNumber
IN_LISTS = frozenset({"ASCII_44", "ASCII_46", "IDENT", "ASC", "DESC", "NULLS_P", "NULLS_LA", "FIRST_P", "LAST_P"})
# what a client made of a password before it sent it: as secret as one, but nobody reads the password from it
HASHED, HIDDEN_HASH = re.compile(r"'(?:SCRAM-SHA-256\$|md5[0-9a-f]{32}'$|hash \*{3}'$)"), "'hash ***'"
# a connection string with a password, of a subscription or of dblink: which of all strings hidden are one can be said
CONNECTION = re.compile(r"(?:[eE]?'|\$\w*\$)\s*(?:\w+\s*=|postgres(?:ql)?://)")
WITH_PASSWORD = re.compile(r"\b(?:ssl)?password\s*=\s*(?:''|\\')?[^\s'&\\]|://[^\s/@:]*:[^\s/@]+@", re.IGNORECASE)
HIDDEN_CONNECTION = "'password=***'"
# names of options and settings whose values are secrets
SECRET_NAME = re.compile(r"passw(?:or)?d|secret", re.IGNORECASE)
# PostgreSQL 18's mark for a list it shortened; without it the list would look as if it had one element
LIST_MARK = "/*, ... */"
MAY_HOLD = re.compile(
    r"passw|secret|://|\b(?:role|user|group|mapping|server|subscription|foreign|wrapper|database|system|program)\b",
    re.IGNORECASE,
)
# in the body of a function
IN_CODE = re.compile(
    rf"\b(?:passw(?:or)?d|secret)\s*(?:to\s|=|\|\|)?\s*\\?'{{1,2}}[^'\s,);]|{WITH_PASSWORD.pattern}", re.IGNORECASE
)
# tags that name code, not a person, a request or a trace
KEPT_TAGS = frozenset({
    "route", "controller", "action", "job", "task", "framework", "application", "db_driver",
    "file", "line", "source_location",
})  # fmt: skip
RELEASE_TAGS = frozenset({"release", "version"})  # which build of the code sent it
PLANNED = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
# numbers here are type lengths, defaults and bounds, not somebody's data
DDL_WITH_NUMBERS = (ast.CreateStmt, ast.AlterTableStmt, ast.IndexStmt)

ROLES = (ast.CreateRoleStmt, ast.AlterRoleStmt)
# the value is kept as it came, a name without quotes too: ALTER ROLE app SET app.key = hunter2
SETTINGS = (ast.AlterRoleSetStmt, ast.AlterDatabaseSetStmt, ast.AlterSystemStmt)
# whose strings may all be secrets
HOLDERS = (
    *ROLES, ast.CreateUserMappingStmt, ast.AlterUserMappingStmt, ast.CreateForeignServerStmt,
    ast.AlterForeignServerStmt, ast.CreateForeignTableStmt, ast.CreateFdwStmt, ast.AlterFdwStmt,
    ast.CreateSubscriptionStmt, ast.AlterSubscriptionStmt,
)  # fmt: skip
PLAIN_VALUES = frozenset({"DEFAULT", "ON", "TRUE_P", "FALSE_P", "ASCII_44"})


def redact_sql(sql: str | None) -> str | None:
    """The text without literals and comments, or None where that cannot be made sure.

    Constants of planned statements become ``$n``, numbered after those present, as pg_stat_statements would;
    other strings (passwords, connection strings, function bodies) become ``'***'``, those of hashed
    passwords ``'hash ***'``, those of connections with a password ``'password=***'``. ``$1`` stays.
    """
    if sql is None or "\0" in sql or len(sql) > MAX_SQL_BYTES:
        return None
    if sql.startswith("<insufficient privilege>"):
        return None
    bare = _without_comments(sql)
    if bare is None:
        return None
    written = parse(bare)
    if not isinstance(written, Unparsable) and any(isinstance(s.stmt, SETTINGS) for s in written):
        return _without_values(bare)
    if isinstance(written, Unparsable) or any(isinstance(s.stmt, ROLES) for s in written):
        return _without_literals(bare, numbers=True)  # the normaliser makes $1 of a password and of its hash alike
    if not all(isinstance(s.stmt, PLANNED) for s in written) and _opens_another(bare):
        return _without_literals(bare, numbers=True)
    try:
        normalized: str = pglast.normalize(bare)
    except (parser.ParseError, parser.Error):
        # the normaliser puts $1 where the grammar wants a string (DO, NOTIFY, ...)
        return _without_literals(bare, numbers=True)
    statements = parse(normalized)
    if isinstance(statements, Unparsable):
        return _without_literals(bare, numbers=True)
    plain = all(isinstance(s.stmt, (*PLANNED, *DDL_WITH_NUMBERS)) for s in statements)
    return _without_literals(normalized, numbers=not plain)


def without_secrets(sql: str) -> str:
    """Of a text of ours to be shown: all of it, but for strings that are, or may hold, a password."""
    if MAY_HOLD.search(sql) is None:
        return sql
    written = parse(sql)
    nodes = [] if isinstance(written, Unparsable) else [s.stmt for s in written]
    if any(isinstance(node, SETTINGS) or _sets_secret(node) for node in nodes):
        return _without_values(sql) or HIDDEN_STRING
    if any(isinstance(node, HOLDERS) or getattr(node, "is_program", False) for node in nodes):
        return _without_literals(sql, numbers=False) or HIDDEN_STRING
    if SECRET_NAME.search(sql) is None and "://" not in sql:
        return sql
    tokens = _tokens(sql)
    if tokens is None:
        return HIDDEN_STRING
    return _replace(sql, [(t, _hidden(_text(sql, t))) for t in _secrets(sql, tokens)])


def _secrets(sql: str, tokens: list[parser.Token]) -> Iterator[parser.Token]:
    """Connection strings with a password, bodies of code that write one, and set_config('app.password', 'x')."""
    name = ""  # of a setting: the string before a comma
    for token in tokens:
        text, is_string = _text(sql, token), token.name in STRING_TOKENS
        if is_string and (_is_connection(text) or IN_CODE.search(text) or SECRET_NAME.search(name)):
            yield token
        name = text if is_string else name if text == "," else ""


def _sets_secret(node: ast.Node) -> bool:
    return isinstance(node, ast.VariableSetStmt) and SECRET_NAME.search(node.name or "") is not None


def may_hold_secret(redacted: str) -> bool:
    """Whether a string was hidden in a text that says so of itself: a reason to look closer."""
    return "***" in redacted and SECRET_NAME.search(redacted) is not None


def comment_tags(sql: str | None, kept: Collection[str] = KEPT_TAGS) -> dict[str, str]:
    """sqlcommenter's (and marginalia's) tags that say which code sent the statement.

    pg_stat_statements keeps the first caller's comment only: there, they name one caller of perhaps many.
    """
    tags: dict[str, str] = {}
    if sql is None or "/*" not in sql or "\0" in sql:
        return tags
    for token in _tokens(sql) or ():
        if token.name != "C_COMMENT":
            continue
        for part in sql[token.start + 2 : token.end - 1].split(","):
            key, separator, value = part.strip().partition("=")
            if not separator:
                key, separator, value = part.strip().partition(":")
            key = unquote(key.strip())
            if key in kept:
                # no text of PostgreSQL holds a NUL, which "%00" would become
                tags[key] = unquote(value.strip().strip("'")).replace("\\'", "'").replace("\0", "")[:200]
    return tags


def _tokens(sql: str) -> list[parser.Token] | None:
    try:
        return scan(sql)
    except (parser.ParseError, parser.Error, UnicodeEncodeError):
        return None


def _without_comments(sql: str) -> str | None:
    tokens = _tokens(sql)
    if tokens is None:
        return _readable_head(sql)
    if any(t.name == "SCONST" and sql[t.start] == "'" and _text(sql, t).endswith("\\'") for t in tokens):
        return None  # with standard_conforming_strings off the literal goes on behind that quote
    return _replace(sql, [(t, " ") for t in tokens if t.name in COMMENT_TOKENS and _text(sql, t) != LIST_MARK])


def _readable_head(sql: str) -> str | None:
    """A cut text up to the literal or comment in which it was cut; None where a backslash makes that
    doubtful.
    """
    if "\\" in sql:
        return None
    try:
        scan(sql)
    except parser.ParseError as error:
        at = getattr(error, "location", None)
        at = at if isinstance(at, int) else (error.args[1] if len(error.args) > 1 else None)
    except (parser.Error, UnicodeEncodeError):
        return None
    else:
        return None
    if not isinstance(at, int) or not 0 < at < len(sql):
        return None
    head = sql[:at].rstrip()
    return _without_comments(head) if _tokens(head) is not None else None


def _without_literals(sql: str, *, numbers: bool) -> str | None:
    tokens = _tokens(sql)
    if tokens is None:
        return None
    hidden = [(t, _hidden(_text(sql, t))) for t in tokens if t.name in STRING_TOKENS]
    if numbers:
        kept = _positions(sql, tokens)
        hidden += [(t, HIDDEN_NUMBER) for t in tokens if t.name in NUMBER_TOKENS and t.start not in kept]
    return _replace(sql, sorted(hidden, key=lambda pair: pair[0].start))


def _without_values(sql: str) -> str | None:
    """Of statements that set settings: what stands behind TO or =, but for words that are no data."""
    tokens = _tokens(sql)
    if tokens is None:
        return None
    hidden, is_value = [], False
    for token in tokens:
        if token.name == "ASCII_59":
            is_value = False
        elif is_value and token.name not in PLAIN_VALUES and _text(sql, token).lower() != "off":
            hidden.append((token, HIDDEN_STRING))
        elif token.name in ("TO", "ASCII_61"):
            is_value = True
    return _replace(sql, hidden)


def _hidden(literal: str) -> str:
    if HASHED.match(literal):
        return HIDDEN_HASH
    return HIDDEN_CONNECTION if _is_connection(literal) else HIDDEN_STRING


def _is_connection(literal: str) -> bool:
    return CONNECTION.match(literal) is not None and WITH_PASSWORD.search(literal) is not None


def _opens_another(sql: str) -> bool:
    """Whether it holds a connection string with a password, of which the normaliser would make ``$1``."""
    if SECRET_NAME.search(sql) is None and "://" not in sql:
        return False
    return any(t.name in STRING_TOKENS and _is_connection(_text(sql, t)) for t in _tokens(sql) or ())


def _positions(sql: str, tokens: list[parser.Token]) -> set[int]:
    """Where the text counts columns (``GROUP BY 1``): no data, and without them the query is another or none."""
    found: set[int] = set()
    depth, lists = 0, set[int]()  # parentheses open, and in which of them a list of GROUP BY or ORDER BY goes on
    for before, token in pairwise(tokens):
        if token.name == "ASCII_40":
            depth += 1
        elif token.name == "ASCII_41":
            lists.discard(depth)
            depth -= 1
        elif token.name == "BY":
            lists.add(depth)
        elif depth in lists and token.name == "ICONST":
            is_alone = before.name in ("BY", "ASCII_44")
            if is_alone and _text(sql, token).isdigit() and int(_text(sql, token)) <= MOST_COLUMNS:
                found.add(token.start)
        elif token.name not in IN_LISTS:
            lists.discard(depth)
    return found


def _text(sql: str, token: parser.Token) -> str:
    return sql[token.start : token.end + 1]


def _replace(sql: str, replacements: list[tuple[parser.Token, str]]) -> str:
    if not replacements:
        return sql.strip()
    pieces, end = [], 0
    for token, text in replacements:
        pieces += [sql[end : token.start], text]
        end = token.end + 1
    pieces.append(sql[end:])
    return "".join(pieces).strip()
