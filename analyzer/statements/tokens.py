"""PostgreSQL's tokens of a text, by pglast's scanner.

pglast turns byte offsets into characters by going through all characters beyond ASCII, from the end, for each token: of
24,000 numbers and 24,000 umlauts it takes 40 s. So it is given a text of as many characters, all of them ASCII. Its
parser does the same for each node, and needs the text as it is: ``parsing_steps`` tells beforehand.
"""

import re
from collections.abc import Iterator

import pglast
from pglast import parser

from analyzer.words.visible import BREAKS

_BEYOND = re.compile(r"[^\x00-\x7f]")
# Takes part in names as all characters beyond ASCII do (scan.l: ident_start, ident_cont), and begins no kind of string.
MASK = "q"
# Two tags that differ in characters beyond ASCII would become one.
_TAG = re.compile(r"\$[A-Za-z_0-9]*[^\x00-\x7f][A-Za-z_0-9\x80-\U0010ffff]*\$")
ENDLESS = 1 << 62
MOST_WITH_TAG = 2_000  # characters; judgement: nobody writes such tags


class TooLongWithTag(parser.ParseError):  # type: ignore[misc]
    pass


def scan(sql: str) -> list[parser.Token]:
    """Raises pglast's ParseError, as its scanner does, and UnicodeEncodeError."""
    if sql.isascii():
        return list(pglast.scan(sql))
    sql.encode()
    if _TAG.search(sql):
        if len(sql) > MOST_WITH_TAG:
            raise TooLongWithTag("the text is too long for a tag beyond ASCII", 0)
        return list(pglast.scan(sql))
    return list(_unmasked(sql, pglast.scan(_BEYOND.sub(MASK, sql))))


def has_broken_name(sql: str) -> bool:
    """Whether a name or a value goes on in the next line, which may then read as anything; False of other languages."""
    try:
        tokens = scan(sql)
    except (parser.ParseError, UnicodeEncodeError):
        return False  # Python, in which we write no line breaks into texts
    return any(BREAKS.search(sql, t.start, t.end + 1) for t in tokens if "COMMENT" not in t.name)


def parsing_steps(sql: str) -> int:
    """How many steps pglast's parser takes to turn offsets into characters, of 10 to 30 ns each."""
    if sql.isascii():
        return 0
    try:
        tokens = scan(sql)
    except TooLongWithTag:
        return ENDLESS
    except parser.ParseError:
        return 0  # the parser does not take it either
    left = sum(len(found.encode()) for found in _BEYOND.findall(sql))
    steps = at = 0
    for token in tokens:
        passed = sql[at : token.start]
        if not passed.isascii():
            left -= sum(len(found.encode()) for found in _BEYOND.findall(passed))
        at = token.start
        steps += left
    return steps


def _unmasked(sql: str, tokens: list[parser.Token]) -> Iterator[parser.Token]:
    """No keyword has characters beyond ASCII, whatever it looks like with the mask."""
    for token in tokens:
        if token.kind != "NO_KEYWORD" and not sql[token.start : token.end + 1].isascii():
            token = token._replace(name="IDENT", kind="NO_KEYWORD")
        yield token
