"""What of a log is read next, whatever became of its files since the last time."""

import pytest

from analyzer.logs.rotation import LogFile, Position, next_stretches

MB = 1 << 20
MOST = 16 * MB
READ_S_AGO = 60.0


@pytest.mark.parametrize(
    ("left", "files", "expected", "note"),
    [
        # name: size, written seconds ago; the last one is written to now
        (("a", 5), {"a": (9, 0)}, [("a", 5, 9, False)], ""),
        (("a", 5), {"a": (3, 0)}, [("a", 0, 3, False)], ""),  # truncated and written anew
        (("a", 5), {"x": (7, 50), "a": (9, 0)}, [("a", 5, 9, False)], ""),  # a file that another program writes
        (("a", 5), {"a": (9, 40), "b": (2, 0)}, [("a", 5, 9, True), ("b", 0, 2, False)], ""),
        (("a", 5), {"old": (8, 90), "a": (9, 40), "c": (4, 30), "b": (3, 20), "d": (2, 0)},
         [("a", 5, 9, True), ("c", 0, 4, True), ("b", 0, 3, True), ("d", 0, 2, False)], ""),
        (("a", 9), {"a": (9, 40), "b": (0, 30), "c": (0, 30), "d": (0, 30)}, [("d", 0, 0, False)], ""),
        (("a.csv", 9), {"a.csv": (9, 40), "b": (3, 40), "b.csv": (3, 30), "b.json": (3, 30), "c.csv": (1, 0)},
         [("b.csv", 0, 3, True), ("c.csv", 0, 1, False)], ""),
        (("a", 9), {"a": (9, 40), "b.gz": (3, 30), "c": (1, 0)}, [("c", 0, 1, False)],
         "b.gz of the log is compressed and not read."),
        (("a", 5), {"old": (8, 90), "b": (3, 40), "c": (2, 0)}, [("b", 0, 3, True), ("c", 0, 2, False)],
         "a is gone: what may have been added to it since was not read."),
        (("a", 5), {"a.2": (9, 90), "a.1": (7, 40), "a": (2, 0)}, [("a.1", 5, 7, True), ("a", 0, 2, False)], ""),
        (("a", 0), {"a": (20 * MB, 9), "b": (2, 0)}, [("a", 0, MOST, False)], ""),  # some of it now, some later
        (("a", 0), {"a": (12 * MB, 9), "b": (12 * MB, 5), "c": (1, 0)},
         [("a", 0, 12 * MB, True), ("b", 0, 4 * MB, False)], ""),
        (("b", 4 * MB), {"a": (12 * MB, 65), "b": (12 * MB, 61), "c": (1, 0)},  # and the others later still
         [("b", 4 * MB, 12 * MB, True), ("c", 0, 1, False)], ""),
        (("a", 0), {"a": (900 * MB, 9), "b": (7, 0)}, [("b", 7, 7, False)],
         "900 MB of the log were passed over: more is written than is read."),
    ],
)  # fmt: skip
def test_what_is_read_next(
    left: tuple[str, int],
    files: dict[str, tuple[int, float]],
    expected: list[tuple[str, int, int, bool]],
    note: str,
) -> None:
    listed = [LogFile(name, size, written_s_ago) for name, (size, written_s_ago) in files.items()]
    stretches, said = next_stretches(
        listed[::-1], listed[-1], Position(*left, READ_S_AGO), most_bytes=MOST, most_behind_bytes=16 * MOST
    )
    assert [(s.file, s.start, s.end, s.is_whole) for s in stretches] == expected
    assert said == note
