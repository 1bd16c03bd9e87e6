"""The log with a JSON object a line (``jsonlog``, PostgreSQL 15 and later)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from analyzer.logs.entry import MILLISECONDS, WORDS, LogEntry, kind_of
from analyzer.logs.languages import in_english
from analyzer.logs.reader import LogReader

# A quote inside a text has a backslash before it, so that no text can begin such a message.
MESSAGE = re.compile(rb'"message"\s*+:\s*+"duration: ')
DURATION = re.compile(rb"duration: " + MILLISECONDS + rb" ms(?:" + WORDS + rb")?[ \n]?", re.DOTALL)


class JsonReader(LogReader):
    def _end_of_whole(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b" "

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]:
        data, at = in_english(data), 0
        while (match := MESSAGE.search(data, at)) is not None:
            start, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
            at = len(data) if end < 0 else end
            try:
                entry = json.loads(data[start:at])
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and (read := _read(entry)) is not None:
                yield read


def _read(entry: dict[str, Any]) -> LogEntry | None:
    """Of jsonlog's entry, or of one inside of a collector's: CloudNativePG's ``record`` has csvlog's names."""
    logged, message = entry, _bytes(entry, "message")
    if not message:
        logged = next((part for part in entry.values() if isinstance(part, dict) and "message" in part), entry)
        message = _bytes(logged, "message")
    match = DURATION.match(message)
    kind = kind_of(match[2]) if match else None
    if match is None or kind is None:
        return None
    database = _bytes(logged, "dbname") or _bytes(logged, "database_name") or None
    when = _bytes(logged, "timestamp") or _bytes(logged, "log_time")
    text = message[match.end() :]
    return LogEntry(kind, float(match[1]), text, _bytes(logged, "detail"), when, database)


def _bytes(entry: dict[str, Any], key: str) -> bytes:
    value = entry.get(key)
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""
