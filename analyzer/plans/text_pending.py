"""A property of EXPLAIN's text format over several lines, and the readings of it where it is not known how it broke."""

import re
from dataclasses import dataclass
from typing import Any

from analyzer.plans.conditions import read_condition
from analyzer.plans.text_values import LISTS, split_list

BRACKET_OR_QUOTE = re.compile(r"""['"()\[\]]""")


@dataclass
class Pending:
    """A property whose brackets or quotes are still open at the line's end.

    ``pieces``: of its value, each with what is before it: a space, a line break, or "" where a terminal may have broken
    the line and taken no space away.
    """

    node: dict[str, Any]
    key: str
    pieces: list[tuple[str, str]]
    number: int
    depth: int = 0  # of brackets, behind the last piece
    quote: str = ""  # that is open there

    def add(self, joint: str, text: str) -> None:
        self.pieces.append((joint, text))
        self.depth, self.quote = _open_behind(text, self.depth, self.quote)

    @property
    def is_unfinished(self) -> bool:
        return bool(self.quote) or self.is_in_brackets

    @property
    def is_in_brackets(self) -> bool:
        """Or behind a comma."""
        return not self.quote and (self.depth > 0 or self.pieces[-1][1].rstrip().endswith(","))

    def reading(self, unsure: str) -> str:
        """``unsure``: what is between pieces where it is not known."""
        first, *others = self.pieces
        return first[1] + "".join((joint or unsure) + text for joint, text in others)

    def only_reading(self) -> str | None:
        """Broken between words or within one: the one that is an expression; None where both are, or neither."""
        if len(self.pieces) == 1:
            return self.pieces[0][1]
        spaced, glued = self.reading(" "), self.reading("")
        if spaced == glued:
            return spaced
        readings = [text for text in (spaced, glued) if _is_expression(self.key, text)]
        return readings[0] if len(readings) == 1 else None


def _is_expression(key: str, text: str) -> bool:
    parts = split_list(text) if key in LISTS else [text]
    return all(read_condition(part) is not None for part in parts)


def _open_behind(text: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets and which quote are open behind the text."""
    for match in BRACKET_OR_QUOTE.finditer(text):
        char = match[0]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += 1 if char in "([" else -1
    return depth, quote
