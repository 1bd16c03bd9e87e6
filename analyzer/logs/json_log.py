"""The log with a JSON object a line (``jsonlog``, PostgreSQL 15 and later)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from analyzer.logs.entry import MILLISECONDS, WORDS, LogEntry, kind_of
from analyzer.logs.reader import LogReader

# A quote inside a text has a backslash before it, so that no text can begin such a message.
MESSAGE = b'"message":"duration: '
DURATION = re.compile(rb"duration: " + MILLISECONDS + rb" ms(?:" + WORDS + rb")?[ \n]?", re.DOTALL)


class JsonReader(LogReader):
    def _end_of_whole(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b" "

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]:
        at = data.find(MESSAGE)
        while at >= 0:
            start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
            end = len(data) if end < 0 else end
            try:
                entry = json.loads(data[start:end])
            except (ValueError, RecursionError):
                entry = None
            if isinstance(entry, dict) and (read := _read(entry)) is not None:
                yield read
            at = data.find(MESSAGE, end)


def _read(entry: dict[str, Any]) -> LogEntry | None:
    message = _bytes(entry, "message")
    match = DURATION.match(message)
    kind = kind_of(match[2]) if match else None
    if match is None or kind is None:
        return None
    database = _bytes(entry, "dbname") or None
    text = message[match.end() :]
    return LogEntry(kind, float(match[1]), text, _bytes(entry, "detail"), _bytes(entry, "timestamp"), database)


def _bytes(entry: dict[str, Any], key: str) -> bytes:
    value = entry.get(key)
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""
