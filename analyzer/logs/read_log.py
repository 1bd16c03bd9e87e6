"""A whole log, in blocks, into sums per statement."""

import re
from collections.abc import Iterable

from analyzer.logs.carried_log import CarriedReader
from analyzer.logs.entries import reader_for, reader_of
from analyzer.logs.reader import LogReader
from analyzer.logs.totals import LogTotals

# "duration" in languages that are not read
NOT_READ = (
    "продолжительность", "期間", "执行时间", "тривалість", "varaktighet", "실행시간", "수행시간", "ხანგრძლივობა",
    "duração",
)  # fmt: skip
EXECUTED = re.compile(
    rb"duration: [\d.]+ ms  (?:plan|statement|execute)\b" + b"|" + f"(?:{'|'.join(NOT_READ)}): [\\d.]+ ".encode()
)


class LogReading:
    """``add`` what comes, in order; ``finish`` at the end. Without ``format`` the first block tells it."""

    def __init__(
        self, log_line_prefix: str | None = None, format: str | None = None, totals: LogTotals | None = None
    ) -> None:
        """``format``: as in log_destination. ``totals``: what is added to."""
        self.totals = LogTotals() if totals is None else totals
        self.read_bytes = 0
        self.has_unread = False  # what looks like an entry, and none was read
        self._prefix = log_line_prefix.encode() if log_line_prefix is not None else None
        self._reader: LogReader | CarriedReader | None = reader_of(format, self._prefix) if format else None

    def add(self, block: bytes) -> None:
        if self._reader is None:
            self._reader = reader_for(block, self._prefix)
        for entry in self._reader.feed(block):
            self.totals.add(entry)
        self.read_bytes += len(block)
        if not self.totals.entries:
            self.has_unread = self.has_unread or EXECUTED.search(block) is not None

    def finish(self) -> LogTotals:
        for entry in self._reader.close() if self._reader else ():
            self.totals.add(entry)
        return self.totals

    @property
    def waiting_bytes(self) -> int:
        """Of an entry whose end has not come yet."""
        return len(self._reader.rest) if self._reader else 0

    @property
    def cut(self) -> int:
        return self._reader.cut if self._reader else 0


def read_log(blocks: Iterable[bytes], log_line_prefix: str | None = None) -> LogReading:
    reading = LogReading(log_line_prefix)
    for block in blocks:
        reading.add(block)
    reading.finish()
    return reading
