"""Lines of a plan's text that a terminal broke at its last column, put together again.

A terminal breaks where the line is full: inside a number, a name or a literal, and the rest begins at the left. So
the pieces belong together as they stand, without a space. A mail or an editor breaks between words instead, and takes
the space away. The two are told apart by a break that no mail makes; where none is, the lines are left as they are, and
whoever reads them refuses what has two readings.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.plans.node_line import NODE_FIGURES
from analyzer.plans.plain_lines import ARROW, FIGURES
from analyzer.plans.table_cells import Line
from analyzer.plans.text_footer import FOOTER

NARROWEST = 30  # columns: a plan's lines are longer, a narrower window is none
BEGINS = re.compile(rf"\s*(?:{ARROW}\s+\S|[A-Z][\w /-]*:(?:\s|$)|(?:InitPlan|SubPlan) \w+|CTE \S)")
INDENTED = re.compile(rf"\s\s+(?:{ARROW}|[A-Z])")  # as every line of a plan but its top
NUMBER_BROKEN = (re.compile(r"[=. ]\d*[\d.]$"), re.compile(r"^[\d.]+[ .)k,]"))
FIGURES_LENGTH = 400  # characters: a node's figures are shorter
MOST_OF_FIGURES = 10  # pieces that a node's line may be in
BEGINNING = 300  # characters: enough to tell what a line is


@dataclass(frozen=True, slots=True)
class _Broken:
    """A line and the pieces behind it."""

    line: Line
    pieces: tuple[str, ...]


def unwrapped(lines: Sequence[Line]) -> list[Line]:
    """The lines as they were before a terminal broke them, if one did."""
    texts = [line.text for line in lines if line.text.strip()]
    if not any(FIGURES.search(text) for text in texts):
        return list(lines)
    width = max(map(len, texts))
    if width < NARROWEST:
        return list(lines)
    joined = list(_broken(lines, width))
    if not any(each.pieces and _was_a_terminal(each) for each in joined):
        return list(lines)
    return [Line(each.line.number, each.line.text + "".join(each.pieces)) for each in joined]


def width_of(lines: Sequence[Line]) -> int:
    """The longest line's: where one that is shorter breaks off, no terminal broke it."""
    return max((len(line.text.rstrip()) for line in lines), default=0)


def _broken(lines: Sequence[Line], width: int) -> Iterator[_Broken]:
    at = 0
    while at < len(lines):
        line = lines[at]
        pieces: list[str] = []
        last, beginning = line.text, line.text[:BEGINNING]
        at += 1
        while len(last) == width and at < len(lines) and _goes_on(beginning, lines[at].text):
            last = lines[at].text
            pieces.append(last)
            beginning = (beginning + last)[:BEGINNING]
            at += 1
        yield _Broken(line, tuple(pieces))


def _goes_on(beginning: str, following: str) -> bool:
    """Whether a full line needs the next one: that one begins nothing, or this one begins nothing itself."""
    if not following.strip() or INDENTED.match(following):
        return False
    if not _begins(following):
        return True
    return not _begins(beginning) and not FIGURES.search(following)


def _begins(text: str) -> bool:
    stripped = text.strip()
    return BEGINS.match(text) is not None or FOOTER.fullmatch(stripped) is not None or _is_top(stripped)


def _is_top(stripped: str) -> bool:
    """A node's line without an arrow: ``Limit  (cost=...``; a piece of one begins otherwise, or in lower case."""
    return re.match(r"[A-Z][\w \".()]*?  \((?:cost=|actual |never)", stripped) is not None


def _was_a_terminal(broken: _Broken) -> bool:
    """Whether one of the breaks is none that a mail makes: behind a space, inside a number or a node's figures."""
    before = broken.line.text
    for piece in broken.pieces:
        if not piece.startswith(" "):
            if before.endswith(" ") and before.strip():
                return True
            if not before.endswith(" ") and _is_number(before, piece):
                return True
        before = before[-FIGURES_LENGTH:] + piece
    line, pieces = broken.line.text, broken.pieces[:MOST_OF_FIGURES]
    return _has_figures(line + "".join(pieces)) and not _has_figures(" ".join((line, *pieces)))


def _is_number(before: str, piece: str) -> bool:
    return all(side.search(text) for side, text in zip(NUMBER_BROKEN, (before, piece), strict=True))


def _has_figures(text: str) -> bool:
    return NODE_FIGURES.search(text.rstrip()[-FIGURES_LENGTH:]) is not None
