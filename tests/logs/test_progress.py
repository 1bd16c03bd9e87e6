"""The bar is for terminals, and goes when the file is read."""

import io

from analyzer.management.progress import bar, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is_and_a_pipe_nothing() -> None:
    for stream, seen in ((Terminal(), True), (io.StringIO(), False)):
        with progress(io.BytesIO(b"x" * 2048), 2048, stream) as file:
            assert file.read(1024) == b"x" * 1024
        assert ("50%  1 kB of 2 kB" in stream.getvalue()) is seen
        assert stream.getvalue().endswith("\r\x1b[K") is seen


def test_a_bar_without_a_size_says_what_was_read() -> None:
    assert bar(2048, None) == "2 kB read"
    assert bar(512, 1024).startswith("#" * 15 + "." * 15)
