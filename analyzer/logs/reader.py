"""What the readers of all formats share: blocks of bytes in, entries out, a block and an entry in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from analyzer.logs.entry import LogEntry

# A plan of 10,000 nodes comes to 5 MB.
MOST_ENTRY_BYTES = 8_000_000


class LogReader(ABC):
    """``rest``: given so far, of an entry whose end has not come yet. ``cut``: entries that were too long."""

    def __init__(self) -> None:
        self.rest = b""
        self.cut = 0
        self._is_in_cut = False

    def feed(self, block: bytes) -> Iterator[LogEntry]:
        """Entries that end within what was given so far. To be gone through before more is given."""
        data = self.rest + block
        end = self._end_of_whole(data)
        if end == 0 and len(data) > MOST_ENTRY_BYTES:
            is_beginning, self._is_in_cut = not self._is_in_cut, True
            self.rest = self._what_remains_of_cut(data)
            if is_beginning:
                self.cut += 1
                yield from self._entries(self._closed(data), is_cut=True)
            return
        self._is_in_cut = self._is_in_cut and end == 0
        self.rest = data[end:]
        yield from self._entries(data[:end])

    def close(self) -> Iterator[LogEntry]:
        """What the end of the log ends."""
        data, self.rest = self.rest, b""
        if data:
            yield from self._entries(data)

    def _closed(self, data: bytes) -> bytes:
        """The beginning of an entry that is too long, such that it can be read."""
        return data

    @abstractmethod
    def _what_remains_of_cut(self, data: bytes) -> bytes:
        """What stands for the part of an entry that was given, so that the rest of it is passed over."""

    @abstractmethod
    def _end_of_whole(self, data: bytes) -> int:
        """Where the last entry begins of which more may come."""

    @abstractmethod
    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]: ...
