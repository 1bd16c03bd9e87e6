"""The cells of a table that holds a plan, where the table names its column beside each of them, or is of HTML.

That is psql's ``\\x`` in every border and format, and what ``\\pset format html`` or a page's source has.
"""

import html
import re
from collections.abc import Callable
from typing import NamedTuple

BAR = "|│║┃"
NAMED = re.compile(rf"[{BAR}\s]*QUERY PLAN(?: ?[{BAR},] ?|\s)(?=\S|\s+\S)")
CELL = re.compile(r"<t[dh]\b[^>]*>(.*?)</t[dh]\s*>", re.DOTALL | re.IGNORECASE)
BREAK = re.compile(r"<br ?/?>\n?", re.IGNORECASE)
HEADING = re.compile(r"(?:QUERY PLAN|\w+ \d+)\s*")
ONE_CELL = re.compile(r'"?\s*(?:[\[{<]|- Plan:|Plan:)')


class Line(NamedTuple):
    number: int  # in the file, from 1
    text: str


def without_column_name(lines: list[Line], matters: Callable[[Line], bool]) -> list[Line]:
    """``QUERY PLAN | Sort ...``: the name before each row, or before the first line of the only one."""
    first = next((i for i, line in enumerate(lines) if matters(line)), None)
    match = NAMED.match(lines[first].text) if first is not None else None
    if first is None or not match:
        return lines
    width = match.end()

    def is_named(text: str) -> bool:
        return NAMED.match(text) is not None or not text[:width].strip(f"{BAR}: ")

    if all(is_named(line.text) for line in lines[first:] if matters(line)):
        return [
            *lines[:first],
            *(Line(line.number, line.text[width:]) if matters(line) else line for line in lines[first:]),
        ]
    rest = lines[first].text[width:]
    if ONE_CELL.match(rest):  # of psql's unaligned and CSV formats
        return [*lines[:first], Line(lines[first].number, rest), *lines[first + 1 :]]
    return lines


def out_of_html(lines: list[Line]) -> list[Line]:
    """Each line of each cell of a table in HTML."""
    if not any("<td" in line.text for line in lines):
        return lines
    text = "\n".join(line.text for line in lines)
    rows: list[Line] = []
    at = counted = 0
    for cell in CELL.finditer(text):
        at += text.count("\n", counted, cell.start(1))
        counted = cell.start(1)
        content = html.unescape(BREAK.sub("\n", cell[1])).replace("\u00a0", " ")
        if not HEADING.fullmatch(content):
            number = lines[min(at, len(lines) - 1)].number
            rows += [Line(number, each) for each in content.split("\n")]
    return rows or lines
