"""A bar on the terminal that says how much of a file has been read; nothing where there is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from analyzer.logs.entries import Readable
from analyzer.words.sizes import size_words

WIDTH = 30
APART_S = 0.2


class _Watched:
    def __init__(self, file: Readable, size_bytes: int | None, terminal: TextIO) -> None:
        self._file, self._size_bytes, self._terminal = file, size_bytes, terminal
        self._read_bytes = 0
        self._shown_at = 0.0

    def read(self, most: int, /) -> bytes:
        block = self._file.read(most)
        self._read_bytes += len(block)
        if time.monotonic() - self._shown_at >= APART_S:
            self._shown_at = time.monotonic()
            self._terminal.write(f"\r{bar(self._read_bytes, self._size_bytes)}")
            self._terminal.flush()
        return block


def bar(read_bytes: int, size_bytes: int | None) -> str:
    """``#####.....  50 %  512 MB of 1 GB``; without a size what was read."""
    if not size_bytes:
        return f"{size_words(read_bytes)} read"
    share = min(1.0, read_bytes / size_bytes)
    filled = round(share * WIDTH)
    return f"{'#' * filled}{'.' * (WIDTH - filled)} {share:4.0%}  {size_words(read_bytes)} of {size_words(size_bytes)} "


@contextmanager
def progress(file: Readable, size_bytes: int | None, terminal: TextIO) -> Iterator[Readable]:
    """``file`` such that reading it moves the bar, which goes at the end."""
    if not terminal.isatty():
        yield file
        return
    yield _Watched(file, size_bytes, terminal)
    terminal.write("\r\x1b[K")
    terminal.flush()
