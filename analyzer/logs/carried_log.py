"""The log with what a carrier writes around every line: journald, Kubernetes' and Docker's logs, collectors."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from analyzer.logs import reader
from analyzer.logs.entry import LogEntry
from analyzer.logs.reader import LogReader
from analyzer.plans.carried import carried_text

CARRIERS = (
    re.compile(rb"^[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ [\w./@-]+\[\d+\]: ", re.MULTILINE),  # journalctl
    re.compile(rb"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?", re.MULTILINE),
    re.compile(rb"^[\w.-]+ +\| ", re.MULTILINE),  # docker compose
)
Bare = Callable[[bytes], bytes]


def carrier_of(lines: list[bytes]) -> Bare | None:
    """What makes lines bare of what stands around all of these; None where they are as the server wrote them."""
    for carrier in CARRIERS:
        if lines and all(carrier.match(line) for line in lines):
            return partial(carrier.sub, b"")
    return None


def carried_in_json(lines: list[bytes]) -> int:
    """How many of the lines are an object with a line of a log in it."""
    return sum(line.startswith(b"{") and carried_text(line) is not None for line in lines)


def out_of_json(lines: bytes) -> bytes:
    """``lines``: whole ones; one that is no such object is left out."""
    texts = (carried_text(line) for line in lines.split(b"\n") if line.strip())
    return "".join(text for text in texts if text).encode("utf-8", "replace")


class CarriedReader:
    """Gives ``inner`` the lines that ``bare`` makes of whole ones."""

    def __init__(self, bare: Bare, inner: LogReader) -> None:
        self._bare, self._inner = bare, inner
        self._line = b""  # whose end has not come yet
        self._is_in_long_line = False

    @property
    def rest(self) -> bytes:
        return self._inner.rest

    @property
    def cut(self) -> int:
        return self._inner.cut

    def feed(self, block: bytes) -> Iterator[LogEntry]:
        begun, data = b"", self._line + block
        if self._is_in_long_line:
            end = data.find(b"\n") + 1 or len(data)
            begun, data = data[:end], data[end:]
            self._is_in_long_line = not begun.endswith(b"\n")
        end = data.rfind(b"\n") + 1
        self._line = data[end:]
        lines = begun + self._bare(data[:end])
        if len(self._line) > reader.MOST_ENTRY_BYTES:  # what has been read of it is cut as any entry is
            lines += self._bare(self._line)
            self._line, self._is_in_long_line = b"", True
        yield from self._inner.feed(lines)

    def close(self) -> Iterator[LogEntry]:
        yield from self._inner.feed(self._bare(self._line))
        self._line = b""
        yield from self._inner.close()
