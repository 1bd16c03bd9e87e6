"""A statement's identity: the same on every server, whatever its literals.

pg_stat_statements' queryid differs between servers and versions; libpg_query's fingerprint is made from the
parse tree without its constants, so ``x = 5``, ``x = $1`` and, in lists, ``IN ($1, $2)`` and ``IN ($1 /*,
... */)`` agree.
"""

from functools import lru_cache

import pglast
from pglast import parser

from analyzer.statements.parse import parse_statement
from analyzer.statements.secrets import redact_sql
from analyzer.statements.tree import MAX_SQL_BYTES

LONGEST_KEPT = 4_000  # characters: thousands of texts of 100 kB would fill the memory


def fingerprint(sql: str | None) -> str | None:
    """16 hexadecimal digits; None for a text that is missing, cut short or not PostgreSQL's."""
    if not sql or "\0" in sql or len(sql) > MAX_SQL_BYTES:
        return None
    return _fingerprint_cached(sql) if len(sql) <= LONGEST_KEPT else _fingerprint(sql)


def _fingerprint(sql: str) -> str | None:
    if parse_statement(sql).kind == "utility":
        # utilities keep their strings in the fingerprint: a password must not leave a trace, not even hashed
        redacted = redact_sql(sql)
        if redacted is None:
            return None
        sql = redacted
    try:
        found: str = pglast.fingerprint(sql)
    except (parser.ParseError, UnicodeEncodeError):
        return None
    return None if found == NOTHING else found


_fingerprint_cached = lru_cache(maxsize=8192)(_fingerprint)

# what a text without any statement gives
NOTHING: str = pglast.fingerprint("")
