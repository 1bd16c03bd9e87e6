"""JSON documents out of lines: one or several, with words between them.

What is nested deeper than Python's decoder goes, and what Python prints that is no JSON, is read by ``read_loose``.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from analyzer.plans.exports import found_in, is_row
from analyzer.plans.node import PlanError
from analyzer.plans.read_loose import STARTS, NoReading, loose_value
from analyzer.plans.table_cells import Line

HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"
MOST_TRIES = 5  # judgement: lists that SQL breaks over lines; each may be read to the end of the text
TOO_DEEP = "The plan's JSON is nested too deep to say where it is none; give what EXPLAIN prints as text instead."


def json_documents(lines: Sequence[Line], only_words: Callable[[Sequence[Line]], None]) -> list[Any]:
    """The values of which each begins at the beginning of a line; what stands between must pass ``only_words``."""
    text = "\n".join(line.text.rstrip() for line in lines)
    ends = [0]  # where each line begins in the text
    for line in lines:
        ends.append(ends[-1] + len(line.text.rstrip()) + 1)
    begins = value_lines(lines)
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    at = start = 0
    while True:
        start = next((i for i in range(at, len(lines)) if begins(i)), len(lines))
        only_words(lines[at:start])
        if start == len(lines):
            return documents
        begin = ends[start] + len(lines[start].text) - len(lines[start].text.lstrip())
        try:
            value, end = decoder.raw_decode(text, begin)
        except RecursionError:
            value, end = deep_value(text, begin)
        except ValueError as problem:
            try:
                value, end = loose_value(text, begin)
            except NoReading:
                raise PlanError(_where(problem, text, lines)) from problem
        line_end = text.find("\n", end)
        if text[end : line_end if line_end >= 0 else len(text)].strip():
            raise PlanError(_where(json.JSONDecodeError("Extra data", text, end), text, lines))
        documents.append(value)
        at = bisect_right(ends, end - 1)


def value_lines(lines: Sequence[Line]) -> Callable[[int], bool]:
    """Whether the line of that number begins a value, in JSON or as Python prints it.

    A round bracket does where rows of a plan are in it and nothing stands behind: else it is a list in SQL.
    """
    text = "\n".join(line.text for line in lines) if any(line.text.lstrip()[:1] == "(" for line in lines) else ""
    ends = list(accumulate((len(line.text) + 1 for line in lines), initial=0))
    tries = iter(range(MOST_TRIES))

    def holds_rows(at: int) -> bool:
        begin, end = ends[at] + len(lines[at].text) - len(lines[at].text.lstrip()), ends[at + 1] - 1
        try:
            value, behind = loose_value(text, begin, end)
        except NoReading:
            if next(tries, None) is None:
                return False
            try:
                value, behind = loose_value(text, begin)
            except NoReading:
                return False
            end = text.find("\n", behind)
        if text[behind : end if end >= 0 else len(text)].strip():
            return False
        return bool((isinstance(value, list) and is_row(value)) or found_in(value))

    @cache
    def begins(at: int) -> bool:
        first = lines[at].text.lstrip()[:1]
        if first != "(" or STARTS.match(lines[at].text) is None:
            return first in ("[", "{") or STARTS.match(lines[at].text) is not None
        return holds_rows(at)

    return begins


def deep_value(text: str, begin: int) -> tuple[Any, int]:
    """The value that begins there, however deep, and where it ends."""
    try:
        return loose_value(text, begin)
    except NoReading:
        raise PlanError(TOO_DEEP) from None


def _where(problem: ValueError, text: str, lines: Sequence[Line] = ()) -> str:
    """``lines``: those of the file that ``text`` was made of, where it was."""
    if isinstance(problem, json.JSONDecodeError):
        line = lines[problem.lineno - 1].number if problem.lineno <= len(lines) else problem.lineno
        if problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated"):
            return f"The plan's JSON ends too early (line {line}): it seems cut off; {HOW_TO}."
        return f"The plan is not JSON at line {line}, column {problem.colno}: {problem.msg}."
    return "The plan's JSON holds a number of more digits than are read."  # the only other that json raises


def kind_of(value: object) -> str:
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
