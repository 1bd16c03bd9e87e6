"""JSON documents out of lines: one or several, with words between them.

They are read as deep as Python's decoder goes: 450 nodes one below the other, of which a real statement has far fewer.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from analyzer.plans.node import PlanError
from analyzer.plans.table_cells import Line

HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"
TOO_DEEP = "The plan's JSON is nested deeper than Python's decoder goes; give what EXPLAIN prints as text instead."


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
        start = next((i for i in range(at, len(lines)) if lines[i].text.lstrip()[:1] in ("[", "{")), len(lines))
        only_words(lines[at:start])
        if start == len(lines):
            return documents
        begin = ends[start] + len(lines[start].text) - len(lines[start].text.lstrip())
        try:
            value, end = decoder.raw_decode(text, begin)
        except RecursionError:
            raise PlanError(TOO_DEEP) from None
        except ValueError as problem:
            raise PlanError(_where(problem, text, lines)) from problem
        line_end = text.find("\n", end)
        if text[end : line_end if line_end >= 0 else len(text)].strip():
            raise PlanError(_where(json.JSONDecodeError("Extra data", text, end), text, lines))
        documents.append(value)
        at = bisect_right(ends, end - 1)


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
