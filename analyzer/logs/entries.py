"""A server's log as bytes -> its entries with a duration. The format is told by the first lines."""

import zlib
from collections.abc import Iterator
from typing import Protocol

from analyzer.logs import csv_log, syslog_log
from analyzer.logs.carried_log import CarriedReader, carrier_of
from analyzer.logs.csv_log import CsvReader
from analyzer.logs.json_log import JsonReader
from analyzer.logs.reader import LogReader
from analyzer.logs.stderr_log import StderrReader
from analyzer.logs.syslog_log import SyslogReader

CHUNK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
LINES_LOOKED_AT = 50
SMALL_MEMBER_BYTES = 4_096
MOST_SMALL_MEMBERS = 1_000  # of a packed file; what rotates or packs in blocks writes larger ones


class Readable(Protocol):
    def read(self, most: int, /) -> bytes: ...


def reader_for(beginning: bytes, log_line_prefix: bytes | None = None) -> LogReader:
    """The reader of the format that most of the first lines have."""
    lines = [line for line in beginning.split(b"\n")[:LINES_LOOKED_AT] if line.strip()]
    votes = {
        JsonReader: sum(line.startswith(b'{"') for line in lines),
        CsvReader: sum(csv_log.ROW.match(line) is not None for line in lines),
        SyslogReader: sum(syslog_log.PIECE.match(line, 0, syslog_log.HEADER_BYTES) is not None for line in lines),
    }
    best = max(votes, key=lambda kind: votes[kind])
    if not votes[best] or (best is SyslogReader and votes[best] * 2 < len(lines)):
        carrier = carrier_of(lines[:-1])  # the last may be cut
        return CarriedReader(carrier, log_line_prefix) if carrier else StderrReader(log_line_prefix)
    return SyslogReader(log_line_prefix) if best is SyslogReader else best()


def reader_of(format: str, log_line_prefix: bytes | None) -> LogReader:
    """``format``: as log_destination has it."""
    if format == "jsonlog":
        return JsonReader()
    return CsvReader() if format == "csvlog" else StderrReader(log_line_prefix)


def blocks_of(file: Readable) -> Iterator[bytes]:
    """The file's bytes, unpacked where gzip packed them; the members of one that was added to follow each other."""
    block = file.read(CHUNK_BYTES)
    if not block.startswith(GZIP):
        while block:
            yield block
            block = file.read(CHUNK_BYTES)
        return
    unpacker, size, small = zlib.decompressobj(wbits=31), 0, 0
    while block:
        try:
            unpacked = unpacker.decompress(block, CHUNK_BYTES)
        except zlib.error:
            return  # damaged from here on
        size += len(unpacked)
        if unpacked:
            yield unpacked
        block = unpacker.unconsumed_tail
        if unpacker.eof:
            small += size < SMALL_MEMBER_BYTES
            if small > MOST_SMALL_MEMBERS:
                return
            block, unpacker, size = unpacker.unused_data.lstrip(b"\0"), zlib.decompressobj(wbits=31), 0
        block = block or file.read(CHUNK_BYTES)
