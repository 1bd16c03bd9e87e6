"""What stands before each entry of the plain log (``log_line_prefix``): the time and the database, where it says them.

Given, it is read as the server wrote it; else by what people use: ``user@database``, ``db=...``, and a date anywhere.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

TIME = re.compile(
    rb"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?(?: ?(UTC|GMT|Z|[+-]\d\d(?::?\d\d)?)(?!\w))?"
)
EPOCH = re.compile(rb"(?<![\d.])(1\d{9})(?:\.(\d{1,6}))?(?![\d.])")
NAMED = re.compile(rb"\b(?:db|database|dbname)=([^,\s\]]*)")
BEHIND_USER = re.compile(rb"@([\w.$-]+)")
NO_DATABASE = frozenset((b"", b"[unknown]"))

ESCAPE = re.compile(rb"%(-?\d+)?(.)", re.DOTALL)
FIELDS = {
    b"m": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+",
    b"t": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+",
    b"s": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+",
    b"n": rb"\d+\.\d{3}",
    b"p": rb"\d+", b"P": rb"\d*", b"l": rb"\d+", b"x": rb"\d+", b"Q": rb"-?\d+", b"v": rb"[\d/]*",
    b"c": rb"[0-9a-f.]+", b"e": rb"\w{5}", b"%": rb"%", b"r": rb"\S*", b"h": rb"\S*", b"L": rb"\S*",
}  # fmt: skip


def likely_database(head: bytes) -> bytes | None:
    """``db=name`` or ``user@name`` in a prefix that nobody described."""
    if b"=" in head and (found := NAMED.search(head)) is not None:
        return found[1]
    found = BEHIND_USER.search(head) if b"@" in head else None
    return found[1] if found else None


def database_pattern(log_line_prefix: bytes) -> re.Pattern[bytes] | None:
    """Group 1 is the database; None where that prefix does not say it."""
    pieces: list[bytes] = []
    end = 0
    has_database = False
    for found in ESCAPE.finditer(log_line_prefix):
        pieces.append(re.escape(log_line_prefix[end : found.start()]))
        end = found.end()
        letter = found[2]
        if letter == b"q":  # what has no session stops here
            continue
        padding = rb" *" if found[1] else b""
        if letter == b"d" and not has_database:
            has_database = True
            pieces.append(padding + rb"(.*?)" + padding)
        else:
            pieces.append(padding + FIELDS.get(letter, rb".*?") + padding)
    pieces.append(re.escape(log_line_prefix[end:]))
    return re.compile(b"".join(pieces), re.DOTALL) if has_database else None


def logged_time(when: bytes) -> datetime | None:
    """The time in a prefix or field, None where there is none. A time zone that letters alone tell counts as UTC."""
    if (found := TIME.search(when)) is None:
        if (epoch := EPOCH.search(when)) is None:
            return None
        return datetime.fromtimestamp(float(epoch[0]), UTC)
    try:
        naive = datetime.fromisoformat(f"{found[1].decode()}T{found[2].decode()}")
        fraction = (found[3] or b"").ljust(6, b"0")
        return naive.replace(microsecond=int(fraction), tzinfo=_zone(found[4]))
    except ValueError:
        return None


def _zone(name: bytes | None) -> timezone:
    if not name or name in (b"UTC", b"GMT", b"Z"):
        return UTC
    digits = name[1:].replace(b":", b"").ljust(4, b"0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-offset if name[:1] == b"-" else offset)
