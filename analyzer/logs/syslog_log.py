"""The plain log as syslog wrote it: each line with its header, long ones in pieces numbered ``[3-1]``, ``[3-2]``.

The pieces of one entry follow each other, those of several processes may be mixed.
"""

import re
from collections.abc import Iterator

from analyzer.logs.entry import Entry
from analyzer.logs.reader import MOST_ENTRY_BYTES
from analyzer.logs.stderr_log import StderrReader

PIECE = re.compile(rb".{0,200}?[\w.-]+(\[\d+\]): (?:\[ID [^\]]*\] )?\[(\d+)-(\d+)\] ?(.*)", re.DOTALL)
MOST_PROCESSES = 2_000  # with an entry that may go on; judgement


class SyslogReader(StderrReader):
    def __init__(self, log_line_prefix: bytes | None = None) -> None:
        super().__init__(log_line_prefix)
        self._pieces: dict[bytes, list[bytes]] = {}  # by process

    def _end_of_whole(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b" "

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[Entry]:
        done: list[bytes] = []
        for line in data.split(b"\n"):
            found = PIECE.match(line)
            if found is None:
                continue
            process, piece = found[1], found[4].replace(b"#011", b"\t").rstrip(b"\r")
            if found[3] == b"1":
                done += self._finished(process)
                self._pieces[process] = [piece]
                if len(self._pieces) > MOST_PROCESSES:
                    done += self._finished(next(iter(self._pieces)))
            elif (pieces := self._pieces.get(process)) is not None:
                self._add(pieces, piece)
        yield from super()._entries(b"\n".join(done))

    def close(self) -> Iterator[Entry]:
        yield from super().close()
        done = [text for process in list(self._pieces) for text in self._finished(process)]
        yield from super()._entries(b"\n".join(done))

    def _add(self, pieces: list[bytes], piece: bytes) -> None:
        """A piece of the same line, or the next line: that begins with a tab, or with a field's name."""
        if sum(map(len, pieces)) > MOST_ENTRY_BYTES:
            self.cut += 1
            pieces[:] = [b""]
        is_line = piece.startswith(b"\t") or b"DETAIL:  " in piece[:300] or b"CONTEXT:  " in piece[:300]
        pieces.append(b"\n" + piece if is_line else piece)

    def _finished(self, process: bytes) -> list[bytes]:
        pieces = self._pieces.pop(process, None)
        return [b"".join(pieces)] if pieces else []
