"""The plain log with what a carrier writes before every line: journald, Kubernetes' and Docker's logs."""

import re
from collections.abc import Iterator

from analyzer.logs import reader
from analyzer.logs.entry import LogEntry
from analyzer.logs.stderr_log import StderrReader

CARRIERS = (
    re.compile(rb"^[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ [\w./@-]+\[\d+\]: ", re.MULTILINE),  # journalctl
    re.compile(rb"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?", re.MULTILINE),
    re.compile(rb"^[\w.-]+ +\| ", re.MULTILINE),  # docker compose
)


def carrier_of(lines: list[bytes]) -> re.Pattern[bytes] | None:
    """What stands before all of these lines; None where they are as the server wrote them."""
    for carrier in CARRIERS:
        if lines and all(carrier.match(line) for line in lines):
            return carrier
    return None


class CarriedReader(StderrReader):
    def __init__(self, carrier: re.Pattern[bytes], log_line_prefix: bytes | None = None) -> None:
        super().__init__(log_line_prefix)
        self._carrier = carrier
        self._line = b""  # whose end has not come yet
        self._is_in_long_line = False

    def feed(self, block: bytes) -> Iterator[LogEntry]:
        begun, data = b"", self._line + block
        if self._is_in_long_line:
            end = data.find(b"\n") + 1 or len(data)
            begun, data = data[:end], data[end:]
            self._is_in_long_line = not begun.endswith(b"\n")
        end = data.rfind(b"\n") + 1
        self._line = data[end:]
        lines = begun + self._carrier.sub(b"", data[:end])
        if len(self._line) > reader.MOST_ENTRY_BYTES:  # what has been read of it is cut as any entry is
            lines += self._carrier.sub(b"", self._line)
            self._line, self._is_in_long_line = b"", True
        yield from super().feed(lines)

    def close(self) -> Iterator[LogEntry]:
        yield from super().feed(self._carrier.sub(b"", self._line))
        self._line = b""
        yield from super().close()
