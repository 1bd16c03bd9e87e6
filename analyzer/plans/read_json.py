"""From what people and drivers hand over to the plain JSON value of an EXPLAIN.

Takes the JSON as text or bytes, as psycopg's already decoded value, as psql prints it (header, ``+`` at line
ends, ``(1 row)``) and as tools export it (``[{"QUERY PLAN": ...}]``); and the text format.
"""

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from analyzer.plans.node import PlanError
from analyzer.plans.read_text import looks_like_text, read_text

PSQL_CONTINUED = re.compile(r"\s*\+\s*$", re.MULTILINE)
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
SPACE = re.compile(r"[ \t\n\r]*")
WORDS = {"true": True, "false": False, "null": None}
HOW_TO = "run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output"


def read_json(source: object) -> Any:
    """The value EXPLAIN's JSON stands for; PlanError with one sentence when it is none."""
    if isinstance(source, bytes | bytearray | memoryview):
        try:
            source = bytes(source).decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            raise PlanError(f"The plan is not UTF-8 text (byte {problem.start}); {HOW_TO}.") from problem
    value = _unwrap(_loads(source) if isinstance(source, str) else source)
    if not isinstance(value, list | dict):
        raise PlanError(f"The plan is {_kind(value)} where a JSON array or object was expected; {HOW_TO}.")
    return value


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
    return value


def _loads(text: str) -> object:
    text = text.lstrip("\ufeff")
    if looks_like_text(text):
        return read_text(text)
    if text.lstrip().startswith('"'):  # the text once more quoted as JSON
        try:
            inner = json.loads(text)
        except ValueError as problem:
            raise PlanError(_where(problem, text)) from problem
        return _loads(inner) if inner.lstrip()[:1] in ("[", "{") else inner
    start = min((i for i in (text.find("["), text.find("{")) if i >= 0), default=-1)
    if start < 0:
        raise PlanError(f"There is no JSON in the plan; {HOW_TO}." if text.strip() else f"The plan is empty; {HOW_TO}.")
    before = text[:start].strip()
    if before and not re.fullmatch(r"(QUERY PLAN)?[\s|+-]*", before):
        raise PlanError(f"The plan does not start with JSON; {HOW_TO}.")
    body = text[start:]
    if before or text.rstrip().endswith(")"):  # as psql prints it
        body = re.sub(r"\(\d+ rows?\)\s*$", "", PSQL_CONTINUED.sub("", body)).strip()
    try:
        return json.loads(body)
    except RecursionError:
        return _loads_deep(body)
    except ValueError as problem:
        raise PlanError(_where(problem, body)) from problem


def _where(problem: ValueError, text: str) -> str:
    if isinstance(problem, json.JSONDecodeError):
        if problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated"):
            return f"The plan's JSON ends too early (line {problem.lineno}): it seems cut off; {HOW_TO}."
        return f"The plan is not JSON at line {problem.lineno}, column {problem.colno}: {problem.msg}."
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
