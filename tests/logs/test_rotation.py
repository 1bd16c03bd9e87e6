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
        (("l1", 5), {"l1": (9, 0)}, [("l1", 5, 9, False)], ""),
        (("l1", 5), {"l1": (3, 0)}, [("l1", 0, 3, False)], ""),  # truncated and written anew
        (("l1", 5), {"x": (7, 50), "l1": (9, 0)}, [("l1", 5, 9, False)], ""),  # a file that another program writes
        (("l1", 5), {"l1": (9, 40), "l2": (2, 0)}, [("l1", 5, 9, True), ("l2", 0, 2, False)], ""),
        (("l1", 5), {"l0": (8, 90), "l1": (9, 40), "l3": (4, 30), "l2": (3, 20), "l4": (2, 0)},
         [("l1", 5, 9, True), ("l3", 0, 4, True), ("l2", 0, 3, True), ("l4", 0, 2, False)], ""),
        (("l1", 9), {"l1": (9, 40), "l2": (0, 30), "l3": (0, 30), "l4": (0, 30)}, [("l4", 0, 0, False)], ""),
        (("l1.csv", 9), {"l1.csv": (9, 40), "l2": (3, 40), "l2.csv": (3, 30), "l2.json": (3, 30), "l3.csv": (1, 0)},
         [("l2.csv", 0, 3, True), ("l3.csv", 0, 1, False)], ""),
        (("l1", 9), {"l1": (9, 40), "l2.gz": (3, 30), "l3": (1, 0)}, [("l3", 0, 1, False)],
         "l2.gz of the log is compressed and not read."),
        (("l1", 5), {"l0": (8, 90), "l2": (3, 40), "l3": (2, 0)}, [("l2", 0, 3, True), ("l3", 0, 2, False)],
         "l1 is gone: what may have been added to it since was not read."),
        (("l1", 5), {"l1.2": (9, 90), "l1.1": (7, 40), "l1": (2, 0)}, [("l1.1", 5, 7, True), ("l1", 0, 2, False)], ""),
        (("l1", 0), {"l1": (20 * MB, 9), "l2": (2, 0)}, [("l1", 0, MOST, False)], ""),  # some of it now, some later
        (("l1", 0), {"l1": (12 * MB, 9), "l2": (12 * MB, 5), "l3": (1, 0)},
         [("l1", 0, 12 * MB, True), ("l2", 0, 4 * MB, False)], ""),
        (("l2", 4 * MB), {"l1": (12 * MB, 65), "l2": (12 * MB, 61), "l3": (1, 0)},  # and the others later still
         [("l2", 4 * MB, 12 * MB, True), ("l3", 0, 1, False)], ""),
        (("l1", 0), {"l1": (900 * MB, 9), "l2": (7, 0)}, [("l2", 7, 7, False)],
         "900 MB of the log were passed over: more is written than is read."),
        # those of other programs are not the log, whatever they were written
        (("pg.log", 5), {"cron.log": (9, 40), "pg.conf.bak": (9, 30), "pgbouncer.log": (9, 20), "pg.log": (3, 0)},
         [("pg.log", 0, 3, False)], ""),
        (("pg-Mon.log", 5), {"pg-Mon.log": (9, 50), "cron.log": (9, 40), "cron.log.1.gz": (9, 40),
          "pg-Tue.log": (7, 30), "pg.log.bak": (9, 20), "pg-Wednesday.log": (2, 0)},
         [("pg-Mon.log", 5, 9, True), ("pg-Tue.log", 0, 7, True), ("pg-Wednesday.log", 0, 2, False)], ""),
        (("pg.log", 5), {"cron.log": (9, 50), "pg.log.1": (7, 40), "pg.log": (2, 0)},
         [("pg.log.1", 5, 7, True), ("pg.log", 0, 2, False)], ""),
        (("pg-16-2026-11-30_0900.log", 5), {"pg-16-2026-11-30_0900.log": (9, 50), "up.sh": (9, 40),
          "pg-16-2026-11-30_1000.log": (7, 30), "pg-16-2026-Dec-01_12PM.log": (2, 0)},
         [("pg-16-2026-11-30_0900.log", 5, 9, True), ("pg-16-2026-11-30_1000.log", 0, 7, True),
          ("pg-16-2026-Dec-01_12PM.log", 0, 2, False)], ""),
        (("old.log", 5), {"old.log": (9, 50), "old.log.1": (9, 60), "new-1.log": (7, 30), "new-2.log": (2, 0)},
         [("old.log", 5, 9, True), ("new-1.log", 0, 7, True), ("new-2.log", 0, 2, False)], ""),  # log_filename changed
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
