"""Clocks that are wrong, and outages: which samples count, where they stand, and what is said."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from analyzer.models import Database, LastReading, Snapshot
from analyzer.monitored.readings import ActivityRow
from analyzer.store.series import clock, long_intervals
from analyzer.store.series.activity import keep_activity
from analyzer.store.series.rollups import rolled_up_to
from analyzer.store.series.snapshots import keep_reading
from analyzer.store.series.totals import statement_totals
from analyzer.store.series.windows import Window
from analyzer.store.tidying import tidy_store

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
HOUR = timedelta(hours=1)


def minutes(fake, n, calls=1):
    for _ in range(n):
        fake.run(1, calls=calls)
        assert fake.read().gap_reason == ""


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, timedelta(seconds=-1), timedelta(days=-400)])
def test_a_servers_clock_that_jumps_costs_no_sample(fake, fresh_rows, jump):
    fake.run(1)
    fake.read()
    minutes(fake, 2)
    fake.ahead = jump
    minutes(fake, 2)
    fake.ahead = timedelta(0)
    minutes(fake, 2)
    assert fresh_rows("calls", "taken_at") == [(1, fake.now - timedelta(minutes=5 - i)) for i in range(6)]
    assert {s.interval_s for s in Snapshot.objects.all()} == {None, 60}


def test_a_servers_clock_that_is_always_wrong_moves_no_figure(fake, fresh_rows):
    fake.ahead = -5 * HOUR
    fake.run(1)
    fake.read()
    minutes(fake, 3)
    page = statement_totals(fake.server, Window.last("1h", fake.now))
    assert (page.covered_s, fresh_rows("taken_at")[-1]) == (180, (fake.now,))


def test_an_evicted_entry_is_told_by_stats_since_though_the_servers_clock_went_back(fake, fresh_rows):
    fake.version = "1.11"
    fake.run(1)
    fake.run(2)
    fake.since = {1: fake.now, 2: fake.now}
    fake.read()
    fake.ahead = -2 * HOUR
    fake.since[1] = fake.now - 2 * HOUR
    fake.entries[1] = {"calls": 50, "total_exec_time_ms": 50}
    fake.run(2)
    assert fake.read().snapshot.evicted_entries == 1
    assert fresh_rows("entry_id", "calls") == [(fake.entry(2).pk, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("back_s", [7200, 90, 1])
def test_the_stores_clock_that_goes_back_is_one_gap_and_sampling_goes_on(fake, fresh_rows, back_s):
    fake.run(1)
    fake.read()
    minutes(fake, 200)
    tidy_store(fake.now)
    fake.run(1)
    kept = fake.read(after_s=60 - back_s)
    if back_s < 60:  # within an interval nobody can tell
        assert (kept.gap_reason, kept.snapshot.interval_s) == ("", 60 - back_s)
        return
    assert kept.gap_reason == f"pgLoupe's clock went back by {'2 hours' if back_s == 7200 else '90 s'}"
    assert LastReading.objects.get().taken_at == fake.now
    minutes(fake, 10, calls=5)
    tidy_store(fake.now)
    assert rolled_up_to(fake.server) == fake.now
    assert max(at for (at,) in fresh_rows("taken_at")) == fake.now
    fake.name({1: "select 1"})
    page = statement_totals(fake.server, Window(fake.now - 6 * HOUR, fake.now))
    before = 200 - (60 if back_s == 90 else 7140) // 60 - (1 if back_s == 90 else 0)
    assert page.covered_s / 60 == pytest.approx(before + 10, abs=1)
    assert page.rows[0].calls == page.covered_s / 60 - 10 + 50


def test_the_stores_clock_that_goes_ahead_is_said(fake):
    fake.run(1)
    fake.read()
    fake.ahead = -2 * HOUR
    assert fake.read(after_s=7260).gap_reason == "pgLoupe's clock went ahead: 2 hours by it, 60 s by the server's"


def test_a_reading_that_comes_late_is_ignored_and_so_is_the_same_again(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.run(1)
    late = fake.reading()
    fake.run(1)
    assert fake.read(after_s=90).changed == 1
    kept = keep_reading(fake.server, late, taken_at=fake.now - timedelta(seconds=30))
    assert (kept.snapshot, kept.gap_reason) == (None, "not newer than the last reading")
    assert fake.read(after_s=0).snapshot is None
    assert fresh_rows("calls") == [(2,)]


def test_when_a_reading_was_taken_is_said_by_the_store(fake):
    """However long it waited for its turn."""
    before = clock.store_now()
    found = clock.taken_at(replace(fake.reading(), read_at_s=time.monotonic() - 5))
    after = clock.store_now()
    assert before - (after - before) <= found + timedelta(seconds=5) <= after


def test_sessions_are_kept_by_the_stores_clock_and_judged_by_the_servers(fake, fresh_rows):
    ahead = 2 * HOUR
    at = fake.now + ahead
    fresh, old = (
        ActivityRow(1 + i, at, None, at, at - timedelta(seconds=idle_s), "idle", None, None, 10, 5, "", None, None)
        for i, idle_s in enumerate((1, 60))
    )
    assert keep_activity(fake.server, [(at, [fresh, old])], ahead) == 1
    assert fresh_rows("pid", "taken_at", table="activity_sample") == [(1, fake.now)]


# -- outages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample_interval_s", "after_s"), [(60, 900), (60, 901), (60, 1200), (300, 1501), (60, 86_400), (21_600, 100_000)]
)
def test_an_outage_is_one_long_interval(fake, sample_interval_s, after_s, fresh_rows):
    fake.server.sample_interval_s = sample_interval_s
    fake.run(1)
    fake.read()
    fake.run(1, calls=1001, time_ms=1001)
    kept = fake.read(after_s=after_s)
    assert (kept.gap_reason, kept.snapshot.interval_s) == ("", after_s)
    assert sum(calls for (calls,) in fresh_rows("calls")) == 1001
    rows = fresh_rows("interval_s", "calls", table="server_delta")
    assert sum(r[0] for r in rows) == pytest.approx(after_s)
    assert sum(r[1] for r in rows) == 1001


def test_an_outage_of_more_than_a_day_is_a_gap(fake):
    fake.run(1)
    fake.read()
    fake.run(1)
    assert fake.read(after_s=3 * 86_400).gap_reason == "no reading for 3 days"


def test_no_hour_is_charged_with_another_hours_work(fake):
    fake.run(1)
    fake.read()
    minutes(fake, 10)
    fake.name({1: "select 1"})
    fake.run(1, calls=300)
    fake.read(after_s=5 * 3600)
    tidy_store(fake.now)
    page = statement_totals(fake.server, Window.last("1h", fake.now))
    assert 3600 <= page.covered_s <= 2 * 3600
    assert page.rows[0].calls == pytest.approx(page.covered_s / 60, abs=1)
    page = statement_totals(fake.server, Window.last("24h", fake.now))
    assert (page.covered_s, page.rows[0].calls) == (pytest.approx(5 * 3600 + 600), 310)


def test_parts_add_up():
    begin = datetime(2026, 3, 4, 10, 50, 0, 7, tzinfo=UTC)
    values = np.zeros((3, 43), np.int64)
    values[:, :3] = [[1, 7, 1_000_003], [0, 0, 5], [3, 2, 0]]
    values[:, -1] = 9
    found = long_intervals.parts(begin, begin + timedelta(hours=3), values)
    assert [p.taken_at.minute for p in found] == [0, 0, 0, 50]
    assert sum(p.interval_s for p in found) == pytest.approx(3 * 3600)
    total = np.zeros_like(values)
    for part in found:
        total[part.rows] += part.values
    assert (total == values).all()


@pytest.mark.slow
def test_what_was_kept_as_later_goes_from_every_series(fake):
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_class")  # a connection
    Database.objects.create(server=fake.server, oid=5, name="shop")
    fake.run(1)
    fake.read()
    minutes(fake, 400)
    tidy_store(fake.now)
    at = fake.now - timedelta(minutes=330)
    clock.forget_from(fake.server.pk, at)
    with connection.cursor() as cursor:
        for table, until in (
            ("statement_delta", "taken_at"), ("server_delta", "taken_at"), ("statement_recent", "ends_at"),
            ("statement_hour", "starts_at + interval '1 hour'"), ("analyzer_snapshot", "taken_at"),
        ):  # fmt: skip
            cursor.execute(f"select max({until}) from {table}")
            (last,) = cursor.fetchone()
            assert last is None or last <= at, table
    assert rolled_up_to(fake.server) <= at
