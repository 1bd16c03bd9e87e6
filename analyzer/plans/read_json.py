"""JSON documents out of lines: one or several, with words between them, nested as deep as they may be.

What is no JSON may be what Python prints (``read_loose``).
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from analyzer.plans.node import PlanError
from analyzer.plans.read_loose import STARTS, NoReading, loose_value
from analyzer.plans.table_cells import Line

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
SPACE = re.compile(r"[ \t\n\r]*")
WORDS = {"true": True, "false": False, "null": None}
HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"


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
            value, end = _value(decoder, text, begin)
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


def _value(decoder: json.JSONDecoder, text: str, begin: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, begin)
    except RecursionError:
        return _deep_value(text, begin)


def _where(problem: ValueError, text: str, lines: Sequence[Line] = ()) -> str:
    """``lines``: those of the file that ``text`` was made of, where it was."""
    if isinstance(problem, json.JSONDecodeError):
        line = lines[problem.lineno - 1].number if problem.lineno <= len(lines) else problem.lineno
        if problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated"):
            return f"The plan's JSON ends too early (line {line}): it seems cut off; {HOW_TO}."
        return f"The plan is not JSON at line {line}, column {problem.colno}: {problem.msg}."
    return f"The plan is not JSON: {problem}."


def loads_deep(text: str) -> object:
    """What ``json.loads`` reads, without recursion, for plans nested deeper than Python's stack."""
    value, at = _deep_value(text, 0)
    end = SPACE.match(text, at)
    if end and end.end() != len(text):
        raise PlanError(_where(json.JSONDecodeError("Extra data", text, end.end()), text))
    return value


def _deep_value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends."""
    root: list[Any] = []
    stack: list[list[Any] | dict[str, Any]] = [root]
    keys: list[str] = []  # of the objects on the stack, each waiting for its value

    def skip() -> int:
        match = SPACE.match(text, at)
        return match.end() if match else at

    def fail(message: str) -> PlanError:
        return PlanError(_where(json.JSONDecodeError(message, text, at), text))

    def key_at(position: int) -> int:
        nonlocal at
        at = position
        at = skip()
        if text[at : at + 1] != '"':
            raise fail("Expecting property name enclosed in double quotes")
        try:
            key, at = scanstring(text, at + 1)
        except ValueError as problem:
            raise PlanError(_where(problem, text)) from problem
        at = skip()
        if text[at : at + 1] != ":":
            raise fail("Expecting ':' delimiter")
        keys.append(key)
        return at + 1

    def put(value: Any) -> None:
        top = stack[-1]
        if isinstance(top, list):
            top.append(value)
        else:
            top[keys.pop()] = value

    while True:
        at = skip()
        char = text[at : at + 1]
        opened = False
        if char in ("[", "{") and char:
            container: list[Any] | dict[str, Any] = [] if char == "[" else {}
            put(container)
            at += 1
            at = skip()
            if text[at : at + 1] == ("]" if char == "[" else "}"):
                at += 1
            else:
                stack.append(container)
                opened = True
                if char == "{":
                    at = key_at(at)
        elif char == '"':
            try:
                value, at = scanstring(text, at + 1)
            except ValueError as problem:
                raise PlanError(_where(problem, text)) from problem
            put(value)
        elif (word := next((w for w in WORDS if text.startswith(w, at)), None)) is not None:
            put(WORDS[word])
            at += len(word)
        elif (number := NUMBER.match(text, at)) is not None:
            put(float(number[0]) if number[1] or number[2] else int(number[0]))
            at = number.end()
        else:
            raise fail("Expecting value")
        while not opened:  # close what ends here, or go on to the next member
            if len(stack) == 1:
                return root[0], at
            at = skip()
            top, char = stack[-1], text[at : at + 1]
            if char == ",":
                at = key_at(at + 1) if isinstance(top, dict) else at + 1
                break
            if char != ("]" if isinstance(top, list) else "}"):
                raise fail("Expecting ',' delimiter")
            stack.pop()
            at += 1


def kind_of(value: object) -> str:
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
