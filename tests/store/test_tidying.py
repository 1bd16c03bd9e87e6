"""Sums equal what they are sums of; partitions come and go; two at once do no harm."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection, connections

from analyzer.models import LastReading, Snapshot
from analyzer.store import tidying
from analyzer.store.series import rollups, sums
from analyzer.store.series.columns import COLUMNS, INDEX, SUM_COLUMNS
from analyzer.store.series.copying import to_microseconds
from analyzer.store.series.packing import read_points
from analyzer.store.series.partitions import SERIES, drop_old, ensure_partition, ensure_partitions, partitions_of
from analyzer.store.series.rollups import roll_up
from analyzer.store.series.snapshots import write_deltas
from analyzer.store.series.spans import entry_sums
from analyzer.store.series.windows import Window
from analyzer.store.tidying import tidy_store
from tests.environment import IN_VAIN_S
from tests.store.conftest import FakeServer, make_server, remove

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
HOUR = datetime(2026, 3, 4, 22, tzinfo=UTC)


def write(server, at: datetime, values: np.ndarray) -> None:
    write_deltas(server.pk, to_microseconds(at), np.arange(1, len(values) + 1), values)
    ensure_partition("server_delta", at)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into server_delta (server_id, taken_at, interval_s) values (%s, %s, 60)", [server.pk, at]
        )
    LastReading.objects.update_or_create(server=server, defaults={"taken_at": at, "data": b""})


def random_values(random: np.random.Generator, entries: int = 40) -> np.ndarray:
    values = random.integers(0, 10**9, (entries, len(COLUMNS)))
    values[random.random(values.shape) < 0.5] = 0
    return values


def sums_of(table: str, server) -> dict[tuple[datetime, int], tuple[int, ...]]:
    chunks = sums.read(table, "server_id = %(server)s", {"server": server.pk}, SUM_COLUMNS)
    return {
        (chunk.starts_at, entry): row
        for chunk in chunks
        for entry, row in zip(
            chunk.entries.ids.tolist(),
            zip(*(chunk.column(c).tolist() for c in SUM_COLUMNS), strict=True),
            strict=True,
        )
    }


@pytest.mark.slow
def test_sums_equal_the_minutes_however_often_they_were_made(server):
    random = np.random.default_rng(3)
    expected: dict[str, dict[tuple[datetime, int], np.ndarray]] = {"statement_hour": {}, "statement_day": {}}
    for minute in range(0, 60 * 27, 7):  # over two midnights
        at = HOUR + timedelta(minutes=minute, seconds=13)
        values = random_values(random, entries=5)
        write(server, at, values)
        hour = at.replace(minute=0, second=0)
        for table, start in {"statement_hour": hour, "statement_day": hour.replace(hour=0)}.items():
            for entry, row in enumerate(values[:, : len(SUM_COLUMNS)], start=1):
                expected[table][start, entry] = expected[table].get((start, entry), 0) + row
        if minute % 3 == 0:
            roll_up(server)
            roll_up(server)
    roll_up(server)
    last = hour  # hours and days that are not over have no sums yet
    for table, rows in expected.items():
        over = {k: v for k, v in rows.items() if k[0] < (last if table == "statement_hour" else last.replace(hour=0))}
        assert sums_of(table, server) == {key: tuple(row.tolist()) for key, row in over.items()}
    assert len({day for day, _ in sums_of("statement_day", server)}) == 2


def test_interrupted_roll_up_counts_nothing_twice(server, monkeypatch):
    random = np.random.default_rng(4)
    first = random_values(random)
    write(server, HOUR + timedelta(seconds=1), first)
    write(server, HOUR + timedelta(minutes=1), np.zeros((1, len(COLUMNS)), dtype=np.int64))
    real = rollups._mark_seen

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rollups, "_mark_seen", fail)
    with pytest.raises(KeyboardInterrupt):
        roll_up(server)
    assert sums_of("statement_recent", server) == {}
    monkeypatch.setattr(rollups, "_mark_seen", real)
    roll_up(server)
    roll_up(server)
    recent = sums_of("statement_recent", server)
    assert {key[1]: row for key, row in recent.items()}[1] == tuple(first[0, : len(SUM_COLUMNS)].tolist())


def test_deviation_and_extremes_of_a_sum(server):
    """Calls of 1 and 3 ms, then of 10 and 20 ms: population deviation of all four."""
    for minute, (total_ms, deviation_ms, least, most) in enumerate([(4, 1, 1, 3), (30, 5, 0, 20)]):
        values = np.zeros((1, len(COLUMNS)), dtype=np.int64)
        values[0, INDEX["calls"]] = 2
        values[0, INDEX["total_exec_time_us"]] = total_ms * 1000
        values[0, INDEX["stddev_exec_time_us"]] = deviation_ms * 1000
        values[0, INDEX["min_exec_time_us"]] = least * 1000
        values[0, INDEX["max_exec_time_us"]] = most * 1000
        write(server, HOUR + timedelta(minutes=minute, seconds=1), values)
        roll_up(server)
    LastReading.objects.update(taken_at=HOUR + timedelta(hours=1))
    roll_up(server)
    columns = ("stddev_exec_time_us", "min_exec_time_us", "max_exec_time_us")
    (chunk,) = sums.read("statement_hour", "true", {}, sums.needed(columns))
    assert [chunk.column(c).tolist() for c in columns] == [[round(np.std([1, 3, 10, 20]) * 1000)], [1000], [20_000]]


def test_partitions_are_made_ahead_and_twice_is_fine(server):
    ensure_partitions(HOUR)
    ensure_partitions(HOUR)
    assert [start.hour for _, start in partitions_of("statement_delta")] == [22, 23, 0, 1]
    assert [name for name, _ in partitions_of("statement_day")] == ["statement_day_p202603", "statement_day_p202604"]
    assert {len(partitions_of(table)) for table in SERIES} == {2, 4}


def test_retention_drops_whole_partitions_and_nothing_younger(server, settings):
    settings.ANALYZER_KEEP_MINUTES_DAYS, settings.ANALYZER_KEEP_HOURS_DAYS = 7, 35
    settings.ANALYZER_KEEP_DAYS_DAYS = 400
    for table in SERIES:
        for days in (0, 6, 8, 9, 34, 36, 37, 390, 450):
            ensure_partition(table, HOUR - timedelta(days=days))
    drop_old(HOUR)
    ages = {t: [(HOUR.date() - start.date()).days for _, start in partitions_of(t)][::-1] for t in SERIES}
    assert ages["statement_delta"] == [0, 6]
    assert ages["statement_packed"] == ages["activity_sample"] == [0, 6]
    assert ages["statement_hour"] == ages["server_delta"] == ages["relation_sample"] == [0, 6, 8, 9, 34]
    assert max(ages["statement_day"]) >= 390
    assert len(ages["statement_day"]) == 4  # this month, the two before, 390 days ago
    assert drop_old(HOUR) == []


def test_old_snapshots_go(server):
    for days in (1, 36):
        Snapshot.objects.create(server=server, taken_at=HOUR - timedelta(days=days), statements_version="1.10")
    tidy_store(HOUR)
    assert [s.taken_at for s in Snapshot.objects.all()] == [HOUR - timedelta(days=1)]


def test_detached_partition_of_an_interrupted_run_is_used_again(server):
    write(server, HOUR, random_values(np.random.default_rng(1)))
    with connection.cursor() as cursor:
        cursor.execute("alter table statement_delta detach partition statement_delta_p2026030422")
    write(server, HOUR + timedelta(minutes=1), random_values(np.random.default_rng(2)))
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from statement_delta")
        assert cursor.fetchone() == (80,)


def test_sums_are_made_every_few_minutes_and_once_more_when_readings_stop(fake):
    fake.run(1)
    fake.read()
    fake.run(1)
    fake.read()
    assert tidy_store(fake.now).rolled_up_rows > 0
    for _ in range(2):
        fake.run(1)
        fake.read()
    assert tidy_store(fake.now).rolled_up_rows == 0
    assert tidy_store(fake.now + timedelta(minutes=5)).rolled_up_rows == 1
    assert tidy_store(fake.now + timedelta(minutes=10)).rolled_up_rows == 0


def test_entries_that_went_without_a_text_are_not_lost(fake):
    for queryid in (1, 2, 3):
        fake.run(queryid)
    fake.read()
    fake.name({1: "select 1", 3: "/* pgloupe */ select 2"})
    del fake.entries[2], fake.entries[3]
    fake.run(1)
    fake.read()
    tidy_store(fake.now)
    assert fake.entry(2).statement.text_state == "missing"
    assert list(fake.server.entries.order_by("queryid").values_list("queryid", flat=True)) == [1, 2]


def test_statements_go_when_none_of_their_figures_is_left(fake):
    for queryid in (1, 2):
        fake.run(queryid)
    fake.read()
    fake.name({1: "select 1", 2: "select a from t"})
    del fake.entries[2]
    for days, left in ((399, [1, 2]), (2, [1])):  # the first is still in pg_stat_statements
        fake.read(after_s=days * 86_400)
        tidy_store(fake.now)
        assert sorted(fake.server.entries.values_list("queryid", flat=True)) == left
    assert fake.server.statements.count() == 1


def test_reading_works_without_any_partition_made_ahead(fake):
    fake.run(1)
    fake.read()
    fake.run(1)
    assert fake.read(after_s=600).changed == 1


def total_calls(fake: FakeServer) -> int:
    """Over all levels, as a page reads them."""
    window = Window(fake.now - timedelta(days=2), fake.now + timedelta(hours=1))
    return entry_sums(fake.server, window, ("calls", "total_exec_time_us")).column("calls").sum()


@pytest.fixture
def committed(transactional_db: None):
    server = make_server("committed")
    yield FakeServer(server)
    remove(server)


@pytest.mark.slow
def test_two_at_once_do_the_work_once(committed, monkeypatch):
    """The second one comes while the first is in the middle of packing: it leaves, and no point is lost or doubled."""
    fake = committed
    fake.run(1)
    fake.read()
    for _ in range(300):
        fake.run(1, calls=2)
        fake.read()
    real, others = tidying.pack_hours, []

    def pack_while_another_comes(now: datetime) -> int:
        def other() -> None:
            try:
                others.append(tidy_store(now))
            finally:
                connections.close_all()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(IN_VAIN_S)
        return real(now)

    monkeypatch.setattr(tidying, "pack_hours", pack_while_another_comes)
    kept = tidy_store(fake.now)
    assert [k.is_busy for k in others] == [True]
    assert kept.packed_points > 0
    points = read_points(fake.server.pk, fake.now - timedelta(hours=9), fake.now, ("calls",))
    assert (len(points), points.column("calls").sum()) == (300, 600)
    monkeypatch.setattr(tidying, "pack_hours", real)
    again = tidy_store(fake.now)
    assert (again.is_busy, again.rolled_up_rows, again.packed_points) == (False, 0, 0)
    assert total_calls(fake) == 600


@pytest.mark.slow
def test_readings_go_on_while_the_store_is_tidied(committed):
    """Four threads read their servers while the store is tidied again and again: every call is counted once."""
    fakes = [FakeServer(make_server(f"s{i}"), now=committed.now) for i in range(3)]
    errors: list[BaseException] = []
    done = threading.Event()
    at_one_time = threading.Barrier(len(fakes))  # no server's clock is hours behind another's

    def read_on(fake: FakeServer) -> None:
        try:
            fake.run(1)
            fake.read()
            for _ in range(40):
                at_one_time.wait(IN_VAIN_S)
                fake.run(1, calls=3)
                fake.read(after_s=400)  # over several hours
        except BaseException as error:
            errors.append(error)
            at_one_time.abort()
        finally:
            connections.close_all()

    def keep() -> None:
        try:
            while not done.is_set():
                tidy_store(max(fake.now for fake in fakes))
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read_on, args=(fake,)) for fake in fakes]
    keeper = threading.Thread(target=keep)
    for thread in [keeper, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    keeper.join()
    assert errors == []
    now = max(fake.now for fake in fakes) + timedelta(hours=5)
    tidy_store(now)
    for fake in fakes:
        points = read_points(fake.server.pk, fake.now - timedelta(days=1), now, ("calls",))
        assert points.column("calls").sum() == 120
        fake.name({1: "select 1"})
        assert total_calls(fake) == 120
        fake.server.delete()
