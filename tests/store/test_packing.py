"""Hours become compressed columns and come back exactly; cut short, nothing has happened."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from analyzer.models import LastReading
from analyzer.store.series import packing
from analyzer.store.series.columns import COLUMNS
from analyzer.store.series.copying import from_us, to_microseconds
from analyzer.store.series.packing import decode, decode_times, encode, encode_times, pack_hour, pack_hours, read_points
from analyzer.store.series.partitions import drop_partition, partitions_of
from analyzer.store.series.rollups import roll_up
from analyzer.store.series.snapshots import write_deltas
from tests.store.conftest import make_server

HOUR = datetime(2026, 3, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 0, 0], [1], [0, 255, 256], [2**16, 2**24 - 1], [2**62, 1], list(range(3000)), [7] * 2000,
    ],
)  # fmt: skip
def test_numbers_come_back(numbers):
    array = np.array(numbers, dtype=np.int64)
    np.testing.assert_array_equal(decode(encode(array), len(array)), array)


@pytest.mark.parametrize("seed", range(8))
def test_random_numbers_of_every_width_come_back(seed):
    random = np.random.default_rng(seed)
    array = random.integers(0, 2 ** random.integers(1, 63), 1 + int(random.integers(0, 5000)))
    array[random.random(len(array)) < 0.5] = 0
    np.testing.assert_array_equal(decode(encode(array), len(array)), array)


def test_all_zero_takes_no_room():
    assert encode(np.zeros(1000, dtype=np.int64)) is None


def test_times_come_back():
    offsets = np.array([12_000_001, 72_500_000, 12_000_001, 3_599_999_999], dtype=np.int64)
    np.testing.assert_array_equal(decode_times(encode_times(offsets), 4), offsets)


def fill(server, entries: int = 300, intervals: int = 20, hour: datetime = HOUR, seed: int = 1) -> dict:
    """Random deltas of an hour, as keep_reading writes them, and rolled up: (entry, time) -> COLUMNS."""
    random = np.random.default_rng(seed)
    written = {}
    for i in range(intervals):
        at = to_microseconds(hour) + i * 170_000_000 + int(random.integers(0, 1_000_000))
        ids = np.sort(random.choice(np.arange(10**10, 10**10 + entries), entries * 2 // 3, replace=False))
        values = random.integers(0, 2 ** random.integers(1, 50, len(COLUMNS)), (len(ids), len(COLUMNS)))
        values[random.random(values.shape) < 0.6] = 0
        values[:, 2] = 1
        write_deltas(server.pk, at, ids, values)
        written |= {(e, at): tuple(row) for e, row in zip(ids.tolist(), values.tolist(), strict=True)}
    LastReading.objects.update_or_create(server=server, defaults={"taken_at": hour + timedelta(hours=1), "data": b""})
    roll_up(server)
    return written


def read_back(server, **more) -> dict:
    points = read_points(server.pk, HOUR - timedelta(hours=9), HOUR + timedelta(hours=9), COLUMNS, **more)
    keys = zip(points.entry_ids.tolist(), points.taken_at_us.tolist(), strict=True)
    found = dict(zip(keys, map(tuple, points.values.tolist()), strict=True))
    assert len(found) == len(points)
    return found


@pytest.mark.postgres
@pytest.mark.django_db
class TestHours:
    def test_every_counter_comes_back_exactly(self, server):
        written = fill(server)
        assert read_back(server) == written
        (name, start), *_ = partitions_of("statement_delta")
        assert pack_hour(name, start) == len(written)
        assert read_back(server) == written
        assert count(name) == 0
        assert count("statement_packed") > 1  # several chunks

    def test_some_entries_and_some_columns(self, server):
        written = fill(server)
        pack_hour(*partitions_of("statement_delta")[0])
        wanted = [10**10 + 5, 10**10 + 299, 77]
        assert read_back(server, entry_ids=wanted) == {k: v for k, v in written.items() if k[0] in wanted}
        points = read_points(server.pk, HOUR, HOUR + timedelta(hours=1), ("rows", "wal_bytes"))
        assert sorted(points.column("wal_bytes").tolist()) == sorted(
            v[COLUMNS.index("wal_bytes")] for v in written.values()
        )

    def test_a_span_inside_the_hour(self, server):
        written = fill(server)
        pack_hour(*partitions_of("statement_delta")[0])
        start, end = HOUR + timedelta(minutes=5), HOUR + timedelta(minutes=20)
        points = read_points(server.pk, start, end, ("calls",))
        assert len(points) == len([at for _, at in written if start < from_us(at) <= end])

    def test_interrupted_packing_leaves_everything_as_it_was(self, server, monkeypatch):
        written = fill(server)
        (name, start), *_ = partitions_of("statement_delta")
        real, calls = packing.write_chunks, []

        def fails_half_way(*args: object) -> None:
            calls.append(args)
            if len(calls) == 2:
                raise KeyboardInterrupt
            real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(packing, "ENTRIES_AT_ONCE", 100)
        monkeypatch.setattr(packing, "write_chunks", fails_half_way)
        with pytest.raises(KeyboardInterrupt):
            pack_hour(name, start)
        assert (count("statement_packed"), count(name)) == (0, len(written))
        monkeypatch.setattr(packing, "write_chunks", real)
        pack_hour(name, start)
        assert read_back(server) == written

    def test_packing_twice_does_nothing_more(self, server):
        written = fill(server)
        now = HOUR + timedelta(hours=4)
        assert pack_hours(now) == len(written)
        assert pack_hours(now) == 0
        assert read_back(server) == written
        assert partitions_of("statement_delta") == []

    def test_recent_hours_stay_fresh(self, server):
        fill(server)
        assert pack_hours(HOUR + timedelta(hours=2, minutes=59)) == 0
        assert count("statement_delta") > 0

    def test_late_rows_join_their_packed_hour(self, server):
        written = fill(server, intervals=5)
        pack_hours(HOUR + timedelta(hours=4))
        late = to_microseconds(HOUR + timedelta(minutes=55))
        values = np.zeros((1, len(COLUMNS)), dtype=np.int64)
        values[0, 2] = 9
        write_deltas(server.pk, late, np.array([10**10 + 1]), values)
        expected = written | {(10**10 + 1, late): tuple(values[0].tolist())}
        assert read_back(server) == expected
        assert pack_hours(HOUR + timedelta(hours=4)) == 1
        assert read_back(server) == expected

    def test_hour_that_is_not_in_the_sums_yet_is_not_packed(self, server):
        fill(server)
        with connection.cursor() as cursor:
            cursor.execute("update rolled_up set taken_at = %s", [HOUR + timedelta(minutes=10)])
        assert pack_hours(HOUR + timedelta(hours=4)) == 0
        assert count("statement_packed") == 0

    def test_rows_of_a_deleted_server_hold_nothing_up(self, server):
        written = fill(server, intervals=4)
        gone = make_server("gone")
        fill(gone, intervals=4)
        with connection.cursor() as cursor:
            cursor.execute("update rolled_up set taken_at = %s where server_id = %s", [HOUR, gone.pk])
        gone.delete()
        assert pack_hours(HOUR + timedelta(hours=4)) == len(written)
        assert read_back(server) == written

    def test_rows_that_come_while_their_hour_goes_are_kept(self, server):
        fill(server, intervals=2)
        (name, start), *_ = partitions_of("statement_delta")
        drop_partition("statement_delta", name, only_empty=True)
        assert partitions_of("statement_delta") == [(name, start)]
        assert count("statement_delta") == 400

    def test_servers_are_kept_apart(self, server):
        other = make_server("other")
        written, others = fill(server, seed=1, intervals=4), fill(other, seed=2, intervals=4)
        pack_hours(HOUR + timedelta(hours=4))
        assert read_back(server) == written
        assert read_back(other) == others


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {table}")
        return int(cursor.fetchone()[0])
