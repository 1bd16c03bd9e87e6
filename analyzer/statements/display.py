"""Statements as people read them. sqlparse only lays text out; it decides nothing."""

from functools import lru_cache

import sqlparse
from pglast import parser
from sqlparse.exceptions import SQLParseError

from analyzer.statements.tokens import scan

# sqlparse's grouping is superlinear: longer texts are cut before.
MAX_FORMATTED_CHARACTERS = 20_000
SHORT_TARGET_LIST = 30  # characters: "COUNT(*) AS total" says something


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
    """The text on one line of at most ``width`` characters.

    Where it is longer, the columns a SELECT returns give way first: they say least about it, and ORMs list
    them all. Then the end is cut, with an ellipsis.
    """
    text = " ".join(sql[:MAX_FORMATTED_CHARACTERS].split())
    if len(text) > width:
        text = _with_short_target_list(text)
    return text if len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"


@lru_cache(maxsize=4096)
def _with_short_target_list(text: str) -> str:
    """``SELECT … FROM``: what stands between a leading SELECT and its FROM is left out, unless it is short."""
    try:
        tokens = scan(text)
    except (parser.ParseError, parser.Error, UnicodeEncodeError):
        return text
    if not tokens or tokens[0].name != "SELECT":
        return text
    depth = 0
    for token in tokens:
        character = text[token.start]
        depth += (character == "(") - (character == ")") if token.start == token.end else 0
        if depth == 0 and token.name == "FROM":
            listed = text[tokens[0].end + 1 : token.start].strip()
            return text if len(listed) <= SHORT_TARGET_LIST else f"{text[: tokens[0].end + 1]} … {text[token.start :]}"
    return text
