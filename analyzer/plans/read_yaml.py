"""EXPLAIN (FORMAT YAML) to the values that its JSON format would hold.

PostgreSQL writes mappings, lists and scalars in blocks, nothing else; programs that write a plan anew fold long lines
and quote less. That much is read here, line by line in linear time at any depth. YAML's parsers either recurse (a plan
may be deeper than Python's stack), stop at 1,000 levels or take minutes for 10 MB, and all of them read anchors, with
which a small file stands for an endless one: those are refused.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from analyzer.plans.fields import LISTS
from analyzer.plans.node import PlanError
from analyzer.plans.table_cells import Line

STARTS = re.compile(r"\s*(?:- +)?(?:[\"']?Plan[\"']?:|[\"']?Query Text[\"']?: +[\"'|>])\s*")
KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{}&*!|>%@`#,-][^:#]*?)\s*:(?:\s+(.*)|\s*)$""")
QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?""", re.DOTALL)
BLOCK = re.compile(r"([|>])([-+]?)")
INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,30})")
DECIMAL = re.compile(r"-?\d{1,30}\.\d{0,30}(?:[eE][-+]?\d{1,3})?|-?\d{1,30}[eE][-+]?\d{1,3}")
WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
FORBIDDEN = re.compile(r"[&*!]\S|%[A-Z]")
ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
           "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}  # fmt: skip


class _Reader:
    """``stack`` holds each open container with the column of its members; ``waiting`` the key whose value is below."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.stack: list[tuple[int, dict[str, Any] | list[Any]]] = []
        self.waiting: tuple[dict[str, Any] | list[Any], str | None] | None = None

    def put(self, value: Any) -> None:
        """Under the key that waits."""
        assert self.waiting is not None
        container, key = self.waiting
        if isinstance(container, list):
            container.append(value)
        else:
            container[key or ""] = value
        self.waiting = None

    def give_up_waiting(self) -> None:
        """The key had nothing below it: PostgreSQL's empty list."""
        if self.waiting:
            self.put([] if self.waiting[1] in LISTS else None)

    def open(self, column: int, container: dict[str, Any] | list[Any]) -> None:
        if self.waiting:
            self.put(container)
        else:
            self.documents.append(container)
        self.stack.append((column, container))


def read_yaml(lines: Sequence[Line]) -> tuple[list[Any], int]:
    """The documents that begin in the first line, and how many lines they take."""
    reader, at = _Reader(), 0
    while at < len(lines):
        text = lines[at].text.rstrip()
        content = text.lstrip(" ")
        if not content or content in ("---", "...") or content.startswith("#"):
            at += 1
            continue
        column = len(text) - len(content)
        if content.startswith("\t"):
            raise _fail(lines[at], "is indented by a tab, which YAML does not allow")
        if reader.stack and column < reader.stack[0][0] + 1 and not _is_member(content):
            break  # words behind the plan
        at = _read_line(reader, lines, at, column, content)
    reader.give_up_waiting()
    return reader.documents, at


def _is_member(content: str) -> bool:
    return content == "-" or content.startswith("- ") or KEY.fullmatch(content) is not None


def _fail(line: Line, why: str) -> PlanError:
    return PlanError(f"Line {line.number} {why}; give EXPLAIN's output whole and unchanged, best as FORMAT JSON.")


def _read_line(reader: _Reader, lines: Sequence[Line], at: int, column: int, content: str) -> int:
    """Takes the line at ``at`` and those its value goes on in; returns the next one."""
    line = lines[at]
    is_item = content == "-" or content.startswith("- ")
    _find_container(reader, line, column, content, is_item=is_item)
    container = reader.stack[-1][1]
    while is_item:
        assert isinstance(container, list)
        reader.waiting = (container, None)
        rest = content[1:].lstrip(" ")
        column += len(content) - len(rest)
        content = rest
        is_item = content == "-" or content.startswith("- ")
        if is_item or KEY.fullmatch(content):
            container = [] if is_item else {}
            reader.open(column, container)
        elif not content:
            return at + 1
        else:
            value, at = _scalar(lines, at, reader.stack[-1][0], content)
            reader.put(value)
            return at
    match = KEY.fullmatch(content)
    if not match or not isinstance(container, dict):
        raise _fail(line, "is no line of a plan in YAML")
    key = _unquoted(match[1], line)
    if key in container:
        if len(reader.stack) > 1:
            raise _fail(line, f"says {key} a second time")
        reader.stack.clear()  # auto_explain's next plan
        reader.open(column, container := {})
    reader.waiting = (container, key)
    rest = (match[2] or "").strip()
    if not rest or rest.startswith("#"):
        return at + 1
    value, at = _scalar(lines, at, column, rest)
    reader.put(value)
    return at


def _find_container(reader: _Reader, line: Line, column: int, content: str, *, is_item: bool) -> None:
    """Closes what ends before ``column``, and opens what begins there."""
    stack = reader.stack
    if not stack:
        reader.open(column, [] if is_item else {})
        return
    if reader.waiting:
        owner = stack[-1][0]
        if column > owner or (column == owner and is_item and isinstance(stack[-1][1], dict)):
            reader.open(column, [] if is_item else {})
            return
        reader.give_up_waiting()
    while stack and (stack[-1][0] > column or (stack[-1][0] == column and is_item != isinstance(stack[-1][1], list))):
        stack.pop()
    if not stack:
        reader.open(column, [] if is_item else {})
    elif stack[-1][0] != column:
        raise _fail(line, "is indented like none of the lines around it")


def _scalar(lines: Sequence[Line], at: int, owner: int, text: str) -> tuple[Any, int]:
    """The value that begins with ``text`` in line ``at``, of a member at column ``owner``; and the next line."""
    line = lines[at]
    if FORBIDDEN.match(text):
        raise _fail(line, "has an anchor, an alias, a tag or a directive of YAML, which no plan has")
    at += 1
    if block := BLOCK.fullmatch(text):
        return _block(lines, at, owner, is_folded=block[1] == ">", chomps=block[2])
    if text[0] in "\"'":
        pieces = [text]
        is_open = not _closes(text[0], text[1:])
        while is_open and at < len(lines):
            piece = lines[at].text.strip()
            if piece and len(lines[at].text) - len(lines[at].text.lstrip(" ")) <= owner:
                break
            if pieces[-1].endswith("\\") and text[0] == '"':
                pieces[-1] = pieces[-1][:-1]
                pieces.append(piece)
            else:
                pieces.append(f" {piece}" if piece else "\n")
            is_open = not _closes(text[0], piece)
            at += 1
        match = QUOTED.fullmatch("".join(pieces))
        if not match:
            raise _fail(line, "has a quote that is never closed, or is broken")
        return _unquoted(match[1], line), at
    if text[0] in "[{":
        try:
            return json.loads(text), at
        except (ValueError, RecursionError):
            raise _fail(line, "is no line of a plan in YAML") from None
    pieces = [text.split(" #", 1)[0].rstrip()]
    while at < len(lines):
        piece = lines[at].text.strip()
        if not piece or len(lines[at].text) - len(lines[at].text.lstrip(" ")) <= owner or piece.startswith(("- ", "#")):
            break
        if KEY.fullmatch(piece) and not re.search(r"[(,]$", pieces[-1]):
            break
        pieces.append(piece)
        at += 1
    return _plain(" ".join(pieces)), at


def _closes(quote: str, piece: str) -> bool:
    """Whether the quote ends in this piece of its text."""
    if quote == "'":
        return piece.count("'") % 2 == 1
    return '"' in re.sub(r"\\.", "", piece)


def _block(lines: Sequence[Line], at: int, owner: int, *, is_folded: bool, chomps: str) -> tuple[str, int]:
    """Of ``|`` and ``>``: the lines that are indented deeper."""
    taken: list[str] = []
    indent: int | None = None
    while at < len(lines):
        text = lines[at].text.rstrip()
        column = len(text) - len(text.lstrip(" "))
        if text and column <= owner:
            break
        indent = column if indent is None and text else indent
        taken.append(text[indent or 0 :])
        at += 1
    while taken and not taken[-1]:
        taken.pop()
    return (" " if is_folded else "\n").join(taken) + ("" if chomps == "-" else "\n"), at


def _plain(text: str) -> Any:
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if DECIMAL.fullmatch(text) else WORDS.get(text, text)


def _unquoted(text: str, line: Line) -> str:
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text[:1] != '"':
        return text
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        value = re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", _escaped, text[1:-1])
    if not isinstance(value, str):
        raise _fail(line, "is no line of a plan in YAML")
    return value


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:], 16)) if int(code[1:], 16) < 0x110000 else "?"
    return ESCAPES.get(code, code)
