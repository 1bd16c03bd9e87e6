"""A server's log as bytes -> its entries with a duration. The format is told by the first lines."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from analyzer.logs import csv_log, syslog_log
from analyzer.logs.carried_log import CarriedReader, carried_in_json, carrier_of, out_of_json
from analyzer.logs.csv_log import CsvReader
from analyzer.logs.json_log import JsonReader
from analyzer.logs.reader import LogReader
from analyzer.logs.stderr_log import SEVERITY, StderrReader
from analyzer.logs.syslog_log import SyslogReader

CHUNK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
LINES_LOOKED_AT, MORE_LINES = 50, 5_000  # the latter where the former are of no format: inside of a long entry
HEAD_BYTES = 1_000
SMALL_MEMBER_BYTES = 4_096
MOST_SMALL_MEMBERS = 1_000  # of a packed file; what rotates or packs in blocks writes larger ones


class Readable(Protocol):
    def read(self, most: int, /) -> bytes: ...


def reader_for(beginning: bytes, log_line_prefix: bytes | None = None) -> LogReader | CarriedReader:
    """The reader of the format that most of the first lines have."""
    begun = beginning.split(b"\n", MORE_LINES)[:MORE_LINES]
    lines = [line for line in begun[:LINES_LOOKED_AT] if line.strip()]
    whole = lines[:-1] or lines  # the last may be cut
    kind, bare = _kind_of(lines), None
    if kind is StderrReader and not any(map(_is_plain, lines)):
        kind = _kind_of(begun)
    if kind is StderrReader:
        bare = carrier_of(whole)
    elif kind is JsonReader and carried_in_json(whole) * 2 > len(whole):
        bare = out_of_json
    if bare is not None:
        kind = _kind_of([line for line in bare(b"\n".join(whole)).split(b"\n") if line.strip()])
    reader = kind(log_line_prefix) if issubclass(kind, StderrReader) else kind()
    return CarriedReader(bare, reader) if bare else reader


def _kind_of(lines: Sequence[bytes]) -> type[LogReader]:
    votes: dict[type[LogReader], int] = {
        JsonReader: sum(line.startswith(b'{"') for line in lines),
        CsvReader: sum(csv_log.ROW.match(line) is not None for line in lines),
        SyslogReader: sum(syslog_log.PIECE.match(line, 0, syslog_log.HEADER_BYTES) is not None for line in lines),
    }
    best = max(votes, key=lambda kind: votes[kind])
    # other programs may write to the same place, a JSON object a line
    least = len(lines) / 2 if best is SyslogReader else sum(_is_plain(line) for line in lines if line[:2] != b'{"')
    is_known = votes[best] > 0 and votes[best] >= (least if best is not CsvReader else 1)
    return best if is_known else StderrReader


def _is_plain(line: bytes) -> bool:
    return SEVERITY.search(line, 0, HEAD_BYTES) is not None


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
