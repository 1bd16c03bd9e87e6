"""The plain log as syslog wrote it: each line with its header, long ones in pieces numbered ``[3-1]``, ``[3-2]``.

The pieces of one entry follow each other, those of several processes may be mixed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.logs import reader
from analyzer.logs.entry import LogEntry
from analyzer.logs.stderr_log import StderrReader

PIECE = re.compile(rb".{0,300}?[\w.-](\[\d+\]): (?:\[ID [^\]]*\] )?\[(\d+)-(\d+)\] ?", re.DOTALL)  # its text is behind
# of an entry that has a duration
FIELDS = (
    *(f"{name}:  ".encode() for name in ("DETAIL", "CONTEXT", "LOCATION", "DÉTAIL", "DETALLE", "DETTAGLI")),
    b"D\xc9TAIL:  ",  # as LATIN1 has it
)
HEADER_BYTES = 400
MOST_PROCESSES = 2_000  # with an entry that may go on; judgement
MOST_WAITING_BYTES = 64_000_000  # of their pieces together
PIECE_BYTES = 50  # that a piece takes beside its text


@dataclass(slots=True)
class _Unfinished:
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes) -> int:
        """How many bytes it takes."""
        self.pieces.append(piece)
        self.size += len(piece) + PIECE_BYTES
        return len(piece) + PIECE_BYTES


class SyslogReader(StderrReader):
    def __init__(self, log_line_prefix: bytes | None = None) -> None:
        super().__init__(log_line_prefix)
        self._pieces: dict[bytes, _Unfinished] = {}  # by process
        self._waiting_bytes = 0

    def _end_of_whole(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b" "

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]:
        done: list[bytes] = []
        for line in data.split(b"\n"):
            match = PIECE.match(line, 0, HEADER_BYTES)
            if match is None:
                continue
            process, piece = match[1], line[match.end() :].replace(b"#011", b"\t").rstrip(b"\r")
            if match[3] == b"1":
                done += self._finished(process)
                self._pieces[process] = _Unfinished()
                self._waiting_bytes += self._pieces[process].add(piece)
            elif (unfinished := self._pieces.get(process)) is not None:
                self._add(unfinished, piece)
            while len(self._pieces) > MOST_PROCESSES or self._waiting_bytes > MOST_WAITING_BYTES:
                done += self._finished(next(iter(self._pieces)))
        yield from super()._entries(b"\n".join(done))

    def close(self) -> Iterator[LogEntry]:
        yield from super().close()
        done = [text for process in list(self._pieces) for text in self._finished(process)]
        yield from super()._entries(b"\n".join(done))

    def _add(self, unfinished: _Unfinished, piece: bytes) -> None:
        """A piece of the same line, or the next line: that begins with a tab, or with a field's name."""
        if unfinished.size > reader.MOST_ENTRY_BYTES:
            self.cut += 1
            self._waiting_bytes -= unfinished.size
            unfinished.pieces, unfinished.size = [], 0
        is_line = piece.startswith(b"\t") or any(field in piece[:300] for field in FIELDS)
        self._waiting_bytes += unfinished.add(b"\n" + piece if is_line else piece)

    def _finished(self, process: bytes) -> list[bytes]:
        unfinished = self._pieces.pop(process, None)
        if unfinished is None:
            return []
        self._waiting_bytes -= unfinished.size
        return [b"".join(unfinished.pieces)]
