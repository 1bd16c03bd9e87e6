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
FIRST_YEAR = 2000  # what is before is no time of a run, and may not be one in every time zone
NO_DATABASE = frozenset((b"", b"[unknown]"))

ESCAPE = re.compile(rb"%(-?\d+)?(.)", re.DOTALL)
ZONE = rb" (?:(?!UNTIL)\S)++"
# UNTIL: the text of the prefix that comes next. None of them goes back: ten in a row would take n to the power of ten.
FIELDS = {
    b"m": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}" + ZONE,
    b"t": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d" + ZONE,
    b"s": rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d" + ZONE,
    b"n": rb"\d++\.\d{3}",
    b"p": rb"\d++", b"P": rb"\d*+", b"l": rb"\d++", b"x": rb"\d++", b"Q": rb"-?\d++", b"v": rb"[\d/]*+",
    b"c": rb"[0-9a-f.]++", b"e": rb"\w{5}", b"r": rb"(?:\[local\]|[^\s(]*+\(\d++\))?+",
    b"h": rb"(?:(?!UNTIL)\S)*+", b"L": rb"(?:(?!UNTIL)\S)*+",
}  # fmt: skip
ANYTHING = rb"(?:(?!UNTIL).)*+"
MOST_PREFIX = 200  # characters
TOO_LONG = f"The log_line_prefix is longer than {MOST_PREFIX} characters: leave it out, or give a part."
TOLD_BY_BYTES = 16  # of the text behind a field: each byte of a line is compared with all of them
MOST_HEAD_BYTES = 1_000  # of a line, in which the prefix ends


def likely_database(head: bytes) -> bytes | None:
    """``db=name`` or ``user@name`` in a prefix that nobody described."""
    if b"=" in head and (match := NAMED.search(head)) is not None:
        return match[1]
    match = BEHIND_USER.search(head) if b"@" in head else None
    return match[1] if match else None


def database_pattern(log_line_prefix: bytes) -> re.Pattern[bytes] | None:
    """Group 1 is the database, padded or not; None where that prefix does not say it, or not where it ends."""
    begins, fields = _fields(log_line_prefix)
    letters = [letter for letter, _, _ in fields]
    at = letters.index(b"d") if b"d" in letters else len(fields)
    if at == len(fields) or not fields[at][2]:
        return None
    pieces = [re.escape(begins)]
    for number, (letter, padding, text) in enumerate(fields[: at + 1]):
        until = next(following for _, _, following in fields[number:] if following)
        pattern = (ANYTHING if number == at else FIELDS.get(letter, ANYTHING)).replace(
            b"UNTIL", re.escape(until[:TOLD_BY_BYTES])
        )
        pieces.append(rb" *+" if padding else b"")
        pieces.append(b"(" + pattern + b")" if number == at else pattern)
        pieces.append(rb" *+" + re.escape(text.lstrip(b" ")) if padding else re.escape(text))
    return re.compile(b"".join(pieces), re.DOTALL)


def letters(log_line_prefix: bytes) -> set[bytes]:
    return {letter for letter, _, _ in _fields(log_line_prefix)[1]}


def _fields(log_line_prefix: bytes) -> tuple[bytes, list[tuple[bytes, bytes, bytes]]]:
    """The text it begins with; each field's letter and padding, and the text behind it."""
    texts, escapes, end = [b""], list[tuple[bytes, bytes]](), 0
    for escape in ESCAPE.finditer(log_line_prefix):
        texts[-1] += log_line_prefix[end : escape.start()]
        end, letter = escape.end(), escape[2]
        if letter == b"%":
            texts[-1] += b"%"
        elif letter != b"q":  # what has no session stops there
            escapes.append((letter, escape[1] or b""))
            texts.append(b"")
    texts[-1] += log_line_prefix[end:]
    return texts[0], [(letter, padding, text) for (letter, padding), text in zip(escapes, texts[1:], strict=True)]


def logged_time(when: bytes) -> datetime | None:
    """The time in a prefix or field, None where there is none. A time zone that letters alone tell counts as UTC."""
    if (match := TIME.search(when)) is None:
        if (epoch := EPOCH.search(when)) is None:
            return None
        return datetime.fromtimestamp(float(epoch[0]), UTC)
    try:
        naive = datetime.fromisoformat(f"{match[1].decode()}T{match[2].decode()}")
        if naive.year < FIRST_YEAR:
            return None
        fraction = (match[3] or b"").ljust(6, b"0")
        return naive.replace(microsecond=int(fraction), tzinfo=_zone(match[4]))
    except ValueError:
        return None


def _zone(name: bytes | None) -> timezone:
    if not name or name in (b"UTC", b"GMT", b"Z"):
        return UTC
    digits = name[1:].replace(b":", b"").ljust(4, b"0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-offset if name[:1] == b"-" else offset)
