"""What of a server's log is read next: the rest of the file that was left, those rotated away since, the one of now."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from analyzer.words.lists import some_of
from analyzer.words.sizes import size_words

CLOCK_S = 1.0  # files' times have whole seconds
FORMATS = (".csv", ".json")  # in a name; the plain log has neither
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")
MOST_NAMED = 3
DAYS = "Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?"
MONTHS = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?"
)
# what log_filename's escapes and logrotate make different from file to file
MOVING = re.compile(rf"[-._:T]?(?:[0-9]+|{DAYS}|{MONTHS}|[AP]M)")


@dataclass(frozen=True, slots=True)
class LogFile:
    name: str  # without its folder
    size_bytes: int
    written_s_ago: float


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where the log was read."""

    file: str
    offset_bytes: int
    read_s_ago: float


@dataclass(frozen=True, slots=True)
class FileRange:
    """Of one file, from where to where; ``is_whole``: nothing is added to it any more."""

    file: str
    start: int
    end: int
    is_whole: bool = False


def next_stretches(
    files: Sequence[LogFile], current: LogFile, position: Position, *, most_bytes: int, most_behind_bytes: int
) -> tuple[list[FileRange], str]:
    """Stretches by the files' names, in the order they were written, and a note where something is not read."""
    left = next((file for file in files if file.name == position.file), None)
    later = _written_since(files, current, left, position)
    packed = [file.name for file in later if file.name.endswith(COMPRESSED)]
    later = [file for file in later if file.name not in packed]
    notes = []
    if left is None:
        notes.append(f"{position.file} is gone: what may have been added to it since was not read.")
    if packed:
        names = some_of(packed, MOST_NAMED)
        notes.append(f"{names} of the log {'is' if len(packed) == 1 else 'are'} compressed and not read.")
    parts = _parts(left, later, current, position)
    behind = sum(file.size_bytes - start for file, start in parts)
    if behind > most_behind_bytes:
        notes.append(f"{size_words(behind)} of the log were passed over: more is written than is read.")
        parts = [(current, current.size_bytes)]
    return _within(parts, most_bytes), " ".join(notes)


def _written_since(
    files: Sequence[LogFile], current: LogFile, left: LogFile | None, position: Position
) -> list[LogFile]:
    """Files of the same format between the one that was left and the one of now, the oldest first; not those of other
    programs that write there.
    """
    if left is not None and left == current and left.size_bytes >= position.offset_bytes:
        return []
    if left is None or left == current:  # what was left has another name now, or none
        since = [file for file in files if file.written_s_ago <= position.read_s_ago + CLOCK_S]
    else:
        since = [file for file in files if _age(file) > _age(left)]
    named_alike = {_alike(current.name), _alike(position.file)}
    is_between = [
        file != current
        and file.written_s_ago >= current.written_s_ago
        and _format(file.name) == _format(current.name)
        and _alike(file.name) in named_alike
        for file in since
    ]
    return sorted(compress(since, is_between), key=_age)


def _age(file: LogFile) -> tuple[float, str]:
    return -file.written_s_ago, file.name


def _alike(name: str) -> str:
    """The same of all files that one log is written to or renamed to."""
    suffix = next((each for each in COMPRESSED if name.endswith(each)), "")
    return MOVING.sub("", name.removesuffix(suffix))


def _format(name: str) -> str:
    return next((each for each in FORMATS if each in name), "")


def _parts(
    left: LogFile | None, later: Sequence[LogFile], current: LogFile, position: Position
) -> list[tuple[LogFile, int]]:
    """Each file with where to begin in it."""
    starts = dict.fromkeys((*([left] if left else []), *later, current), 0)
    starts[current] = starts.pop(current)  # the last
    # of a file that is shorter than what was read of it, the beginning is new: what was read may have another name now
    read = left if left and left.size_bytes >= position.offset_bytes else None
    if read is None and left == current:
        read = next((file for file in later if file.size_bytes >= position.offset_bytes), None)
    if read is not None:
        starts[read] = position.offset_bytes
    return list(starts.items())


def _within(parts: Sequence[tuple[LogFile, int]], room: int) -> list[FileRange]:
    stretches: list[FileRange] = []
    for number, (file, start) in enumerate(parts, start=1):
        end = min(file.size_bytes, start + room)
        is_last = number == len(parts)
        if end > start or is_last:
            stretches.append(FileRange(file.name, start, end, is_whole=not is_last and end == file.size_bytes))
        if end < file.size_bytes:
            break
        room -= end - start
    return stretches
