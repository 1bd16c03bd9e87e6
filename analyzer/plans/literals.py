"""Finds literals in the expressions EXPLAIN prints, and in SQL beside them (Query Text, Remote SQL).

A scanner, not a parser: expressions in plans are no SQL that a parser takes (``(InitPlan 1).col1``,
``hashed SubPlan 1``). It reads strings in every quoting, numbers and comments, and steps over identifiers,
parameters, type names with their modifiers, and the numbers of subplans. What does not end (a text cut off)
counts as a literal to its end.
"""

import re
from collections.abc import Callable

from analyzer.statements.time_calls import TIME_PARTS

WORD = re.compile(r"[^\W\d][\w$]*")
STRING = re.compile(r"'(?:[^']|'')*(?:'|\Z)")
ESCAPE_STRING = re.compile(r"'(?:[^'\\]|''|\\.|\\\Z)*(?:'|\Z)", re.DOTALL)
QUOTED_NAME = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')
DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
PARAMETER = re.compile(r"\$\d+")
NUMBER = re.compile(
    r"0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*(?:\.(?:\d[\d_]*)?)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?"
)
COMMENT_EDGE = re.compile(r"/\*|\*/")
MODIFIER = re.compile(r"\s*\(\s*[\w.\s,]*\)")
NUMERIC_MODIFIER = re.compile(r"\s*\(\s*\d+\s*(?:,\s*-?\d+\s*)?\)")
DIMENSION = re.compile(r"\s*\[\d*\]")
# what may follow a type's first word: timestamp(3) without time zone, interval day to second(3)
MORE_OF_TYPE = re.compile(
    r"\s+(?:varying|precision|with(?:out)? time zone"
    r"|(?:year|month|day|hour|minute|second)(?: to (?:month|hour|minute|second))?)\b"
)
GOES_ON = re.compile(r"[\s(\[]")  # a type's name, perhaps
CAST = re.compile(r"\s*::\s*")
# the first argument of these is a word of PostgreSQL's own, or none that it takes
PART_OF_TIME = re.compile(r"(?<![\w$\".])(?:pg_catalog\.)?(?:date_trunc|date_part|extract)\(\s*\Z", re.IGNORECASE)
QUOTED_PARTS = frozenset(f"'{part}'" for part in TIME_PARTS)
TYPES_WITH_MODIFIER = frozenset((
    "numeric", "decimal", "dec", "varchar", "bpchar", "char", "character", "varying", "bit", "varbit",
    "time", "timetz", "timestamp", "timestamptz", "interval", "float", "nchar", "second",
))  # fmt: skip
# Operators, brackets and names up to what may begin a literal, a comment or a cast, or may change how one is read.
PLAIN = re.compile(
    r"(?:[\s()\[\]{},;=<>+*%!~|&^@#?]++|-(?!-)|/(?!\*)|:(?!:)|\.(?!\d)"
    rf"|(?!(?:{'|'.join(sorted(TYPES_WITH_MODIFIER))}|subplan|initplan)(?![\w$]))[^\W\d][\w$]*+(?!'|&'))++",
    re.IGNORECASE,
)
STRING_PREFIXES = {"e": ESCAPE_STRING, "b": STRING, "x": STRING, "n": STRING}


def masked_string(literal: str) -> str:
    """``'?'``; a wildcard at either end stays (``'%?'``): it decides which index can serve a pattern."""
    body = literal[literal.find("'") + 1 :].removesuffix("'")
    first = "%" if body.startswith("%") else ""
    last = "%" if len(body) > 1 and body.endswith("%") else ""
    return f"'{first}?{last}'"


def replace_literals(
    text: str,
    *,
    string: Callable[[str], str] = masked_string,
    number: str = "?",
    comment: str = "/* ? */",
    drop_casts: bool = False,
    keep_parts: bool = False,
) -> str:
    """``text`` with every literal replaced. ``drop_casts``: also the cast behind one (``'5'::integer``).

    ``keep_parts``: but for the part of a time that a function is asked for (``date_trunc('month', t)``).
    """
    out: list[str] = []
    at, end = 0, len(text)
    previous = ""  # the word before, if only spaces lie between

    def literal(to: int, replacement: str | None = None) -> int:
        out.append(string(text[at:to]) if replacement is None else replacement)
        while drop_casts and (cast := CAST.match(text, to)):
            to = _type_end(text, cast.end())
        return to

    while at < end:
        char = text[at]
        if plain := PLAIN.match(text, at):
            out.append(plain[0])
            at = plain.end()
            if plain[0].isspace():
                continue
        elif char == "'":
            to = _matched(STRING, text, at)
            is_part = keep_parts and text[at:to].lower() in QUOTED_PARTS
            is_part = is_part and PART_OF_TIME.search("".join(out[-1:])[-40:]) is not None
            at = literal(to, text[at:to] if is_part else None)
        elif char == '"':
            to = _matched(QUOTED_NAME, text, at)
            out.append(text[at:to])
            at = to
        elif char == "$" and (opening := DOLLAR.match(text, at)):
            closing = text.find(opening[0], opening.end())
            at = literal(end if closing < 0 else closing + len(opening[0]))
        elif char == "$" and (parameter := PARAMETER.match(text, at)):
            out.append(parameter[0])
            at = parameter.end()
        elif text.startswith("/*", at):
            out.append(comment)
            at = _comment_end(text, at)
        elif text.startswith("--", at):
            out.append(comment)
            newline = text.find("\n", at)
            at = end if newline < 0 else newline
        elif text.startswith("::", at):
            to = _type_end(text, _matched(CAST, text, at))
            out.append(text[at:to])
            at = to
        elif (char.isdigit() or char == ".") and (digits := NUMBER.match(text, at)):
            if previous in ("SubPlan", "InitPlan"):
                out.append(digits[0])
                at = digits.end()
            else:
                at = literal(digits.end(), number)
        elif word := WORD.match(text, at):
            to = word.end()
            prefixed = STRING_PREFIXES.get(word[0].lower()) if text[to : to + 1] == "'" else None
            if prefixed:
                at = literal(_matched(prefixed, text, to))
                previous = ""
                continue
            if word[0].lower() == "u" and text[to : to + 2] == "&'":
                at = literal(_matched(STRING, text, to + 1))
                previous = ""
                continue
            if word[0].lower() in TYPES_WITH_MODIFIER and (modifier := NUMERIC_MODIFIER.match(text, to)):
                to = modifier.end()
            out.append(text[at:to])
            at, previous = to, word[0]
            continue
        else:
            out.append(char)
            at += 1
            if char.isspace():
                continue
        previous = ""
    return "".join(out)


def without_casts_of(mark: re.Pattern[str], text: str) -> str:
    """``text`` without the casts that follow a ``mark``: ``(?)::numeric(10,2)`` -> ``(?)``."""
    at = 0
    while match := mark.search(text, at):
        at = match.end()
        while cast := CAST.match(text, at):
            text = text[:at] + text[_type_end(text, cast.end()) :]
    return text


def _matched(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else len(text)


def _comment_end(text: str, at: int) -> int:
    """Comments nest in PostgreSQL."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _type_end(text: str, at: int) -> int:
    """The end of the type name here: ``pg_catalog."char"``, ``numeric(10,2)[]``, ``bit varying(5)``."""
    while name := QUOTED_NAME.match(text, at) or WORD.match(text, at):
        at = name.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    else:
        return at
    while GOES_ON.match(text, at) and (part := _part_of_type(text, at)):
        at = part.end()
    return at


def _part_of_type(text: str, at: int) -> re.Match[str] | None:
    return MORE_OF_TYPE.match(text, at) or MODIFIER.match(text, at) or DIMENSION.match(text, at)
