"""The cells of a table that holds a plan, where the table names its column beside each of them, or is of HTML.

That is psql's ``\\x`` in every border and format, and what ``\\pset format html`` or a page's source has.
"""

import html
import re
from collections.abc import Callable
from typing import NamedTuple

BAR = "|│║┃"
RECORD = re.compile(r"[+─-╿]?[-─-╿]\[ \w+ \d+ \][-+─-╿]*|\* Record \d+")  # psql's \x
RULE_CHARACTERS = frozenset("-+|=:*. \t") | {chr(code) for code in range(0x2500, 0x2580)}
CONTINUED = re.compile(r"(?<!\s)\s*[+↵]\s*$")  # psql's mark of a cell that goes on in the next line
PLAN_TEXT = re.compile(
    r'"(?:Plan|Node Type)"|<(?:\w+:)?explain\b|^[ \t]*(?:- +)?Plan:[ \t\r]*$|\(cost=|\(actual ', re.MULTILINE
)
COLUMN = re.compile(r"query[ _]?plan|plan(?:_?text|_?json)?|explain.*", re.IGNORECASE)
NAMED = re.compile(rf"[{BAR}\s]*QUERY PLAN(?: ?[{BAR},] ?|\s)(?=\S|\s+\S)")
CELL = re.compile(r"<t[dh]\b[^<>]*>", re.IGNORECASE)
CELL_END = re.compile(r"</t[dh]\s*+>", re.IGNORECASE)
BREAK = re.compile(r"<br ?/?>\n?", re.IGNORECASE)
HEADING = re.compile(r"(?:QUERY PLAN|\w+ \d+)\s*")
ENTITY = re.compile("&(?:gt|lt|quot|amp|apos|nbsp|#(?:39|34|160|x27|x22|xa0));", re.IGNORECASE)
_SPACE = r"&(?:amp;)*(?:nbsp|#160);"
ESCAPED_ARROW = re.compile(
    rf"(?:[^\w&<>]|<[a-z/][^<>]*>|{_SPACE}|&(?:amp;)*gt;)*-&(?:amp;)*gt;(?:\s|{_SPACE})+"
    r"[A-Z].*\((?:cost=|actual |never )"
)
PAGE_TAG = re.compile(r"</?(?:pre|code|p|div|span|br)\b[^<>]*>", re.IGNORECASE)
TAGGED_TOP = re.compile(r"\s*(?:<(?:pre|code|p|div|span)\b[^<>]*>\s*)+[A-Z][^<>]*\((?:cost=|actual )", re.IGNORECASE)
OUTER_TAGS = re.compile(rf"^\s*(?:{PAGE_TAG.pattern}\s*)+|(?<![>\s])(?:\s*+{PAGE_TAG.pattern})++\s*+$", re.IGNORECASE)
ONE_CELL = re.compile(r'"?\s*(?:[\[{<]|- Plan:|Plan:)')


class LoggedPlanText(NamedTuple):
    """What a server's log says of a plan beside it."""

    duration_ms: float | None = None
    query_text: str | None = None
    parameters: str | None = None


class Line(NamedTuple):
    number: int  # in the file, from 1
    text: str
    logged: LoggedPlanText | None = None  # of the plan that begins behind this line, which is empty


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
    cell = CELL.search(text)
    while cell is not None and (end := CELL_END.search(text, cell.end())) is not None:
        at += text.count("\n", counted, cell.end())
        counted = cell.end()
        content = html.unescape(BREAK.sub("\n", text[cell.end() : end.start()])).replace("\u00a0", " ")
        cell = CELL.search(text, end.end())
        if not HEADING.fullmatch(content):
            number = lines[min(at, len(lines) - 1)].number
            rows += [Line(number, each) for each in content.split("\n")]
    return rows or lines


def out_of_page(lines: list[Line], arrow: re.Pattern[str]) -> list[Line]:
    """Without a page's source around them, where all of the plan's arrows are escaped."""
    is_escaped = any(ESCAPED_ARROW.match(line.text) for line in lines)
    if not is_escaped or any(arrow.match(line.text) for line in lines):
        if any(TAGGED_TOP.match(line.text) for line in lines):
            return [line._replace(text=OUTER_TAGS.sub("", line.text)) for line in lines]
        return lines
    return [line._replace(text=_out_of_source(line.text)) for line in lines]


def _out_of_source(text: str) -> str:
    """Where comparisons stand as they are, the arrow alone was escaped."""
    text = PAGE_TAG.sub("", text)
    return text.replace("-&gt;", "->", 1) if set("<>") & set(text) else unescaped(text)


def unescaped(text: str) -> str:
    return ENTITY.sub(lambda entity: html.unescape(entity[0]).replace("\u00a0", " "), text)
