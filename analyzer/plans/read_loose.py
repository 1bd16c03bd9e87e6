"""Values that are almost JSON: as Python prints rows, and JSON with a comma too many.

``[('Sort  (cost=...)',), ('  ->  ...',)]``, ``[{'Plan': {...}}]``, ``[<Record QUERY PLAN='...'>]``, ``Row(...)``,
strings that pprint broke. Read without recursion and in linear time; nothing is evaluated. Others have no reading.
"""

import ast
import json
import re
import sys
from dataclasses import dataclass, field
from typing import Any

SKIPPED = re.compile(r"\s+")
TOKEN = re.compile(
    r"""(?P<text>'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")"""
    r"""|(?P<open>[\[{(]|<Record\s(?=\S)|(?:datetime\.\w+|[A-Z]\w*)\()"""
    r"""|(?P<close>[\]})>])|(?P<mark>[,:])|(?P<name>[A-Za-z_][\w ]*)="""
    r"""|(?P<number>-?(?:0|[1-9]\d{0,999})(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.])|(?P<word>\w+)"""
)
WORDS = {"None": None, "True": True, "False": False, "null": None, "true": True, "false": False}
CLOSES = {"[": "]", "{": "}", "<": ">"}
NOTHING = object()
MOST_PIECES = 1_000  # of one string; judgement: pprint's lines have 80 characters
# a line that begins such a value: the text format has none like it
STARTS = re.compile(r"""\s*+(?:(?:[\[({]\s*+)++['"]|(?:\[\s*+)?<Record\s|\[\s*+\w++\(\w*+=?[\[{'"])""")


class NoReading(ValueError):
    """The text is none of these."""


@dataclass(slots=True)
class _Open:
    """A bracket: its members, of an object keys and values in turn; ``marks``: the commas and colons so far."""

    closes: str
    members: list[Any] = field(default_factory=list)
    marks: str = ""
    is_waiting: bool = True  # for a member
    pieces: int = 0  # of the last one

    def add(self, value: Any, *, is_text: bool = False) -> None:
        if not self.is_waiting:
            last = self.members[-1]
            self.pieces += 1
            if not is_text or not isinstance(last, str) or self.pieces > MOST_PIECES:
                raise NoReading
            self.members[-1] = last + value  # pprint breaks a long string
            return
        self.pieces = 0
        self.members.append(value)
        self.is_waiting = False

    def mark(self, mark: str) -> None:
        is_key = self.closes == "}" and len(self.members) % 2
        if self.is_waiting or (mark == ":") != bool(is_key):
            raise NoReading
        self.marks += mark
        self.is_waiting = True

    def value(self) -> Any:
        if self.is_waiting and self.marks[-1:] not in ("", ","):
            raise NoReading
        if self.closes == "}":
            if len(self.members) % 2 or any(not isinstance(key, str) for key in self.members[::2]):
                raise NoReading
            return dict(zip(self.members[::2], self.members[1::2], strict=True))
        is_in_brackets = self.closes == ")" and len(self.members) == 1 and not self.marks
        return self.members[0] if is_in_brackets else self.members


def quoted_text(text: str) -> str | None:
    """What the one string stands for that the text is, in one line with its line breaks escaped; else None."""
    text = text.strip()
    token = TOKEN.fullmatch(text) if text[:1] == "'" and "\\n" in text else None
    if token is None or token["text"] is None:
        return None
    try:
        return _unquoted(text)
    except NoReading:
        return None


def loose_value(text: str, at: int, end: int = sys.maxsize) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends, before ``end``. Raises NoReading."""
    stack = [_Open("")]
    is_python = False
    while True:
        if space := SKIPPED.match(text, at, end):
            at = space.end()
        token = TOKEN.match(text, at, end)
        if token is None:
            raise NoReading
        at = token.end()
        top = stack[-1]
        if (opened := token["open"]) is not None:
            if not top.is_waiting:
                raise NoReading
            is_python = is_python or opened not in "[{"
            stack.append(_Open(CLOSES.get(opened[0], ")")))
        elif (closed := token["close"]) is not None:
            if closed != top.closes:
                raise NoReading
            stack.pop()
            stack[-1].add(top.value())
        elif (mark := token["mark"]) is not None:
            top.mark(mark)
        elif (text_token := token["text"]) is not None:
            is_python = is_python or text_token[0] == "'"
            if not top.is_waiting and not is_python:
                raise NoReading
            top.add(_unquoted(text_token), is_text=True)
        elif token["name"] is not None:
            if top.closes not in (")", ">") or not top.is_waiting:
                raise NoReading
        else:
            top.add(_scalar(token))
        if len(stack) == 1 and not stack[0].is_waiting:
            return stack[0].members[0], at


def _scalar(token: re.Match[str]) -> Any:
    if (number := token["number"]) is not None:
        return float(number) if set(number) & set(".eE") else int(number)
    value = WORDS.get(token["word"], NOTHING)
    if value is NOTHING:
        raise NoReading
    return value


def _unquoted(token: str) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        value = json.loads(token, strict=False) if token[0] == '"' else ast.literal_eval(token)
    except (ValueError, SyntaxError):
        value = _as_python(token)
    if not isinstance(value, str):
        raise NoReading
    return value


def _as_python(token: str) -> object:
    try:
        return ast.literal_eval(token)
    except (ValueError, SyntaxError):
        raise NoReading from None
