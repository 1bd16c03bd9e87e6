"""The log as comma-separated values (``csvlog``): rows whose quoted fields may hold line breaks."""

import re
from collections.abc import Iterator

from analyzer.logs.entry import MILLISECONDS, WORDS, LogEntry, kind_of
from analyzer.logs.languages import in_english
from analyzer.logs.reader import MOST_ENTRY_BYTES, LogReader

# A quote inside a field is doubled, so that no field's text can begin such a message.
DURATION = re.compile(
    rb',00000,"duration: ' + MILLISECONDS + rb" ms(?:" + WORDS + rb')?[ \n]?([^"]*+(?:""[^"]*+)*+)"'
    rb'(?:,"([^"]*+(?:""[^"]*+)*+)")?'
)
QUOTED = rb'(?:"([^"]*+(?:""[^"]*+)*+)")?'
ROW = re.compile(rb"(\d{4}-\d\d-\d\d [^,\n\"]*)," + QUOTED + b"," + QUOTED + rb",\d*,")
BEGINS = re.compile(b"^" + ROW.pattern, re.MULTILINE)


class CsvReader(LogReader):
    """``_has_begun``: a row has; what a log that was cut off begins with tells nothing of the quotes behind it."""

    def __init__(self) -> None:
        super().__init__()
        self._has_begun = False

    def feed(self, block: bytes) -> Iterator[LogEntry]:
        if not self._has_begun:
            begins = BEGINS.search(self.rest + block)
            self._has_begun = begins is not None
            block = (self.rest + block)[begins.start() if begins else -MOST_ENTRY_BYTES :]
            self.rest = b""
            if begins is None:
                self.rest = block.rpartition(b"\n")[2]
                return
        yield from super().feed(block)

    def _end_of_whole(self, data: bytes) -> int:
        """Behind the last line break that stands in no quotes."""
        end = data.rfind(b"\n")
        quotes = data.count(b'"', 0, end + 1)
        searched = len(self.rest)  # in which every line break stands in quotes
        while end >= searched and quotes % 2:
            before = data.rfind(b"\n", 0, data.rfind(b'"', 0, end))  # up to that quote all stand in the same ones
            quotes -= data.count(b'"', before + 1, end + 1)
            end = before
        return end + 1 if end >= searched else 0

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b'"'  # inside of quotes

    def _closed(self, data: bytes) -> bytes:
        return data.rstrip(b'"') + b'"'

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]:
        data = data.replace(b"\r\n", b"\n") if b"\r\n" in data else data  # as Windows writes it
        data = in_english(data)
        at, search = 0, DURATION.search
        while (match := search(data, at)) is not None:
            at = match.end()
            kind = kind_of(match[2])
            if kind is None:
                continue
            row = ROW.match(data, data.rfind(b"\n", 0, match.start()) + 1)
            text, detail = match[3], match[4] or b""
            if b'""' in text:
                text = text.replace(b'""', b'"')
            if b'""' in detail:
                detail = detail.replace(b'""', b'"')
            when, database = (row[1], row[3]) if row else (b"", None)
            yield LogEntry(kind, float(match[1]), text, detail, when, database or None, is_cut)
