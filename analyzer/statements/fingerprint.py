"""A statement's identity: the same on every server, whatever its literals; other tables make another statement.

pg_stat_statements' queryid differs between servers and versions; libpg_query's fingerprint is made from the parse tree
without its constants, so ``x = 5``, ``x = $1`` and, in lists, ``IN ($1, $2)`` and ``IN ($1 /*, ... */)`` agree. It also
leaves out schemas and runs of digits in the names of tables, so that ``auth.users`` and ``users``, ``log_2025`` and
``log_2026`` would be one: where a text has such names, a mark made of all its tables stands behind a hyphen. What has
the same digits before the hyphen is the same statement on other tables.

A query inside a utility (``inner_query``) gives the identity: cursors' names and the constants that older servers keep
in utilities do not matter.
"""

import hashlib
import re
from functools import lru_cache

import pglast
from pglast import ast, parser

from analyzer.errors import costing_only
from analyzer.statements.inner_query import fetched_cursor, inner_query
from analyzer.statements.parse import parse_statement
from analyzer.statements.secrets import redact_sql
from analyzer.statements.tree import MAX_SQL_BYTES, Unparsable, single_statement

# libpg_query's fingerprint counts "metrics_1" and "metrics_2" as two, "metrics_11" and "metrics_12" as one (tried)
DIGITS = re.compile(r"[0-9]{2}")
# what numbers a cursor: Django's thread and counter, SQLAlchemy's hexadecimal address
NUMBERING = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")
BEFORE_TABLES = "-"

LONGEST_KEPT = 4_000  # characters: thousands of texts of 100 kB would fill the memory


def fingerprint(sql: str | None) -> str | None:
    """16 hexadecimal digits, with 8 more behind a hyphen where they alone do not tell the tables; None for a text that
    is missing, cut short or not PostgreSQL's.
    """
    if not sql or "\0" in sql or len(sql) > MAX_SQL_BYTES:
        return None
    return _fingerprint_cached(sql) if len(sql) <= LONGEST_KEPT else _fingerprint(sql)


def fingerprint_of_seen(sql: str | None) -> str | None:
    """As ``fingerprint`` of a text among others that sessions ran: None also of one that pgLoupe fails at."""
    with costing_only("of a session", {}):
        return fingerprint(sql)
    return None


def shape_of(fingerprint: str) -> str:
    """What statements that differ in their tables alone have in common."""
    return fingerprint.partition(BEFORE_TABLES)[0]


def _fingerprint(sql: str) -> str | None:
    shape, mark = _shape(sql), _mark(sql)
    return f"{shape}{BEFORE_TABLES}{mark}" if shape and mark else shape


def _shape(sql: str) -> str | None:
    inner = inner_query(sql)
    if inner is not None:
        below = _shape(inner.sql)
        return _hash(f"{inner.wrapped_in} {below}", 16) if below else None
    cursor = fetched_cursor(sql)
    if cursor is not None:
        return _hash(f"FETCH {NUMBERING.sub('0', cursor)}", 16)
    if parse_statement(sql).kind == "utility":
        # utilities keep their strings in the fingerprint: a password must not leave a trace, not even hashed
        redacted = redact_sql(sql)
        if redacted is None:
            return None
        sql = redacted
    try:
        digest: str = pglast.fingerprint(sql)
    except (parser.ParseError, UnicodeEncodeError):
        return None
    return None if digest == NOTHING else digest


def _mark(sql: str) -> str | None:
    """Of the tables named; None where the shape tells them. A temporary table that is made does not count: its name is
    often made up for the occasion.
    """
    names = {(table.schema, table.name) for table in parse_statement(sql).tables} - {_temporary_target(sql)}
    if not any(schema or DIGITS.search(name) for schema, name in names):
        return None
    # a NUL stands in no name, so that no two lists of names give one text
    return _hash("\n".join(f"{schema}\0{name}" for schema, name in sorted(names)), 8)


def _temporary_target(sql: str) -> tuple[str, str] | None:
    node = single_statement(sql)
    into = None if isinstance(node, Unparsable) else getattr(node, "into", None) or getattr(node, "intoClause", None)
    if not isinstance(into, ast.IntoClause) or into.rel.relpersistence != "t":
        return None
    return into.rel.schemaname or "", into.rel.relname


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:digits]


_fingerprint_cached = lru_cache(maxsize=8192)(_fingerprint)

# what a text without any statement gives
NOTHING: str = pglast.fingerprint("")
