"""From what people and drivers hand over to the plain JSON value of an EXPLAIN.

Takes the JSON as text or bytes, as psycopg's already decoded value, as tools export it (``[{"QUERY PLAN": ...}]``),
and the text format; both as they stand in a terminal, a mail, a table or a log (``plain_lines``).
"""

import json
import re
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from analyzer.plans.node import PlanError
from analyzer.plans.plain_lines import FIGURES, LOGGED_PLAN, Line, plain_lines
from analyzer.plans.read_text import PART, read_text

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
SPACE = re.compile(r"[ \t\n\r]*")
WORDS = {"true": True, "false": False, "null": None}
HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"


def read_json(source: object) -> Any:
    """The value EXPLAIN's JSON stands for; PlanError with one sentence when it is none."""
    if isinstance(source, bytes | bytearray | memoryview):
        source = _decoded(bytes(source))
    value = _unwrap(_loads(source) if isinstance(source, str) else source)
    if not isinstance(value, list | dict):
        raise PlanError(f"The plan is {_kind(value)} where a JSON array or object was expected; {HOW_TO}.")
    return value


def _decoded(data: bytes) -> str:
    """UTF-8, or what PowerShell's ``>`` writes."""
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data[:2]:
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        name = encoding.removesuffix("-sig").upper()
        raise PlanError(f"The plan is not {name} text (byte {problem.start}); {HOW_TO}.") from problem


def _unwrap(value: object) -> object:
    """Out of a tool's export: ``[{"QUERY PLAN": plan or its text}]``."""
    for _ in range(3):
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict | list | str):
            inner: object = value[0]
        else:
            inner = value
        if isinstance(inner, dict) and "QUERY PLAN" in inner and "Plan" not in inner:
            value = inner["QUERY PLAN"]
        elif isinstance(inner, list):
            value = inner
        if isinstance(value, str):
            value = _loads(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) and set(row) == {"QUERY PLAN"} for row in value):
        return _loads("\n".join(str(row["QUERY PLAN"]) for row in value))  # the text format, a line a row
    return value


def _loads(text: str) -> object:
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise PlanError(f"The plan is empty; {HOW_TO}.")
    if text.startswith("{") and (logged := _out_of_jsonlog(text)) is not None:
        text = logged
    try:
        value = json.loads(text)
    except RecursionError:
        return _loads_deep(text.strip())
    except ValueError:
        pass
    else:  # the text may be once more quoted as JSON
        return _loads(value) if isinstance(value, str) and value.lstrip()[:1] in ("[", "{") else value
    if found := re.search(r"<explain\b|^\s*(?:- )?(?:Plan|\"Plan\"): *$", text, re.MULTILINE):
        name = "XML" if "<" in found[0] else "YAML"
        raise PlanError(f"The plan is {name}, which is not read; {HOW_TO}.")
    lines = plain_lines(text)
    start = next((i for i, line in enumerate(lines) if line.text.lstrip()[:1] in ("[", "{")), None)
    if start is None or any(FIGURES.search(line.text) for line in lines[:start]):
        plans = read_text(lines)
        if not plans:
            raise PlanError(f"There is no plan in it; {HOW_TO}.")
        return plans
    return _documents(lines, start)


def _documents(lines: Sequence[Line], start: int) -> object:
    """The JSON values that begin at ``start`` and after it, each at the beginning of a line, with words between."""
    found: list[Any] = []
    at = 0
    while start < len(lines):
        _only_words(lines[at:start])
        body = [line.text.rstrip().rstrip("+↵") for line in lines[start:]]
        text = "\n".join(body)
        indent = len(text) - len(text.lstrip())
        try:
            value, end = json.JSONDecoder().raw_decode(text, indent)
        except RecursionError:
            value, end = _loads_deep(text.strip()), len(text)
        except ValueError as problem:
            raise PlanError(_where(problem, text, lines[start:])) from problem
        rest = text[end:].split("\n", 1)[0]
        if rest.strip():
            raise PlanError(_where(json.JSONDecodeError("Extra data", text, end), text, lines[start:]))
        found.append(value)
        at = start + text.count("\n", 0, end) + 1
        start = next((i for i in range(at, len(lines)) if lines[i].text.lstrip()[:1] in ("[", "{")), len(lines))
    _only_words(lines[at:])
    if len(found) == 1:
        return found[0]
    entries = [_unwrap(value) for value in found]
    return [plan for entry in entries for plan in (entry if isinstance(entry, list) else [entry])]


def _only_words(lines: Sequence[Line]) -> None:
    """Refuses what looks like a part of a plan outside of the JSON."""
    for line in lines:
        if FIGURES.search(line.text) or PART.search(line.text.strip()) or re.search(r'["{}\[\]]', line.text):
            raise PlanError(f"Line {line.number} belongs to no JSON value; {HOW_TO}.")


def _out_of_jsonlog(text: str) -> str | None:
    """The plans in the server's jsonlog, an object a line, as its plain log has them; None where it is no such log."""
    messages = []
    for line in text.splitlines():
        try:
            entry = json.loads(line or "null")
        except (ValueError, RecursionError):
            return None
        message = entry.get("message") if isinstance(entry, dict) else None
        if entry is not None and not isinstance(message, str):
            return None
        if message and LOGGED_PLAN.search(message):
            messages.append(message.replace("\n", "\n\t"))
    return "\n".join(messages)


def _where(problem: ValueError, text: str, lines: Sequence[Line] = ()) -> str:
    """``lines``: those of the file that ``text`` was made of, where it was."""
    if isinstance(problem, json.JSONDecodeError):
        line = lines[problem.lineno - 1].number if problem.lineno <= len(lines) else problem.lineno
        if problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated"):
            return f"The plan's JSON ends too early (line {line}): it seems cut off; {HOW_TO}."
        return f"The plan is not JSON at line {line}, column {problem.colno}: {problem.msg}."
    return f"The plan is not JSON: {problem}."


def _loads_deep(text: str) -> object:
    """What ``json.loads`` reads, without recursion, for plans nested deeper than Python's stack."""
    root: list[Any] = []
    stack: list[list[Any] | dict[str, Any]] = [root]
    keys: list[str] = []  # of the objects on the stack, each waiting for its value
    at = 0

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
            at = skip()
            if len(stack) == 1:
                if at != len(text):
                    raise fail("Extra data")
                return root[0]
            top, char = stack[-1], text[at : at + 1]
            if char == ",":
                at = key_at(at + 1) if isinstance(top, dict) else at + 1
                break
            if char != ("]" if isinstance(top, list) else "}"):
                raise fail("Expecting ',' delimiter")
            stack.pop()
            at += 1


def _kind(value: object) -> str:
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
