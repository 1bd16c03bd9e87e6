"""Statements as people read them. sqlparse only lays text out; it decides nothing."""

from functools import lru_cache

import sqlparse
from sqlparse.exceptions import SQLParseError

# sqlparse's grouping is superlinear: longer texts are cut before.
MAX_FORMATTED_CHARACTERS = 20_000


@lru_cache(maxsize=512)
def display_sql(sql: str) -> str:
    """The text indented, keywords upper-cased; what is beyond 20,000 characters is left out and said so."""
    head, rest = sql[:MAX_FORMATTED_CHARACTERS], len(sql) - MAX_FORMATTED_CHARACTERS
    try:
        laid_out: str = sqlparse.format(head, reindent=True, keyword_case="upper", indent_width=2).strip()
    except (SQLParseError, RecursionError):
        laid_out = head
    return f"{laid_out}\n-- ... and {rest:,} more characters" if rest > 0 else laid_out


def one_line(sql: str, width: int = 120) -> str:
    """The text on one line of at most ``width`` characters, the end cut with an ellipsis."""
    text = " ".join(sql[: width * 8].split())
    return text if len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"
