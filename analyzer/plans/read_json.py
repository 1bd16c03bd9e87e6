"""JSON documents out of lines: one or several, with words between them.

What is nested deeper than Python's decoder goes, and what Python prints that is no JSON, is read by ``read_loose``.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from analyzer.plans.node import PlanError
from analyzer.plans.read_loose import STARTS, NoReading, loose_value
from analyzer.plans.table_cells import Line

HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"
TOO_DEEP = "The plan's JSON is nested too deep to say where it is none; give what EXPLAIN prints as text instead."


def json_documents(lines: Sequence[Line], only_words: Callable[[Sequence[Line]], None]) -> list[Any]:
    """The values of which each begins at the beginning of a line; what stands between must pass ``only_words``."""
    text = "\n".join(line.text.rstrip() for line in lines)
    ends = [0]  # where each line begins in the text
    for line in lines:
        ends.append(ends[-1] + len(line.text.rstrip()) + 1)
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    at = start = 0
    while True:
        start = next((i for i in range(at, len(lines)) if starts(lines[i].text)), len(lines))
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


def starts(text: str) -> bool:
    """Whether a line begins a value, in JSON or as Python prints it."""
    return text.lstrip()[:1] in ("[", "{") or STARTS.match(text) is not None


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
    return f"The plan is not JSON: {problem}."


def kind_of(value: object) -> str:
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
