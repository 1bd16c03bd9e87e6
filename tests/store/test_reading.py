"""What pages and checks read back: sums, timelines, series, in a bounded number of queries."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from analyzer.models import Database, Statement
from analyzer.monitored.readings import ActivityRow, NamesByOid
from analyzer.store.series import timelines
from analyzer.store.series.activity import keep_activity
from analyzer.store.series.snapshots import keep_names
from analyzer.store.series.timelines import server_timeline, sparklines, statement_timeline
from analyzer.store.series.totals import StatementRate, rates, statement_totals
from analyzer.store.series.windows import SPANS, Window
from analyzer.store.series.workload import workload
from analyzer.store.tidying import tidy_store
from tests.store.conftest import FakeServer, make_server, remove

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
LOOKUP, LISTING = "select a from shop.t where b = $1", "select * from u"
HOURS = 5


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[FakeServer]:
    """Five hours at 60 s until now: LOOKUP twice a minute, 1.5 ms each, LISTING once; the older hours packed."""
    with django_db_blocker.unblock():
        fake = FakeServer(make_server())
        fake.now = timezone.now() - timedelta(hours=HOURS, minutes=1)
        keep_names(fake.server, NamesByOid({5: "shop"}, {10: "joe"}))
        fake.run(1)
        fake.run(2)
        fake.read()
        fake.name({1: LOOKUP, 2: LISTING})
        for minute in range(HOURS * 60):
            fake.run(1, calls=2, time_ms=3, shared_hit_blocks=3, shared_read_blocks=1)
            fake.run(2, calls=1, time_ms=1, rows=20)
            fake.read()
            if minute == 100:
                tidy_store(fake.now)
        assert tidy_store(fake.now).packed_points > 0
        fake.run(1, calls=2, time_ms=3, shared_hit_blocks=3, shared_read_blocks=1)
        fake.read()  # after the sums were made: readers must add it
        yield fake
        remove(fake.server)


@pytest.fixture
def day(db: None, history: FakeServer) -> FakeServer:
    return copy.deepcopy(history)


@pytest.mark.slow
def test_totals_are_the_same_whichever_level_they_come_from(day):
    for key in SPANS:
        page = statement_totals(day.server, Window.last(key, day.now))
        minutes = page.covered_s / 60
        assert 60 <= minutes <= 65 if key == "1h" else minutes == HOURS * 60 + 1  # exact to five minutes
        first, second = page.rows
        assert (first.calls, first.total_exec_time_ms) == (minutes * 2, minutes * 3)
        assert (first.mean_exec_time_ms, first.hit_ratio, first.normalized_sql) == (1.5, 0.75, LOOKUP)
        assert first.load_ratio == pytest.approx(0.75, abs=0.01)
        assert (page.count, second.calls, second.rows_per_call) == (2, minutes - 1, 20)


def test_lists_take_few_queries(day, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        statement_totals(day.server, Window.last("30d"))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [LOOKUP, LISTING]),
        ({"search": "SHOP.t"}, [LOOKUP]),
        ({"search": "%"}, []),
        ({"tables": ["u", "public.u"]}, [LISTING]),
        ({"kind": "insert"}, []),
        ({"database_oid": 5, "role_oid": 10}, [LOOKUP, LISTING]),
        ({"database_oid": 6}, []),
        ({"search": "", "kind": None}, [LOOKUP, LISTING]),
    ],
)
def test_filters(day, filters, found):
    page = statement_totals(day.server, Window.last("24h", day.now), filters=filters)
    assert [r.normalized_sql for r in page.rows] == found


@pytest.mark.parametrize("key", list(SPANS))
def test_one_statement_has_the_same_figures_as_in_the_list(day, key, django_assert_max_num_queries):
    window = Window.last(key, day.now)
    for row in statement_totals(day.server, window).rows:
        with django_assert_max_num_queries(9):
            page = statement_totals(day.server, window, filters={"statement_ids": [row.statement_id]}, limit=1)
        if key == "1h":  # the list's is exact to five minutes
            assert page.rows[0].calls == row.calls
        else:
            assert page.rows == [row]
        assert page.count == 1


def test_order_and_pages(day):
    window = Window.last("24h", day.now)
    by_rows = statement_totals(day.server, window, order_by="rows", limit=1)
    assert ([r.normalized_sql for r in by_rows.rows], by_rows.count) == ([LISTING], 2)
    second = statement_totals(day.server, window, order_by="rows", limit=1, offset=1)
    assert [r.normalized_sql for r in second.rows] == [LOOKUP]
    upwards = statement_totals(day.server, window, order_by="calls", descending=False)
    assert [r.normalized_sql for r in upwards.rows] == [LISTING, LOOKUP]


@pytest.mark.parametrize("key", list(SPANS))
def test_timelines_hold_every_call_once(day, key, django_assert_max_num_queries):
    window = Window.last(key, day.now)
    with django_assert_max_num_queries(2):
        of_server = server_timeline(day.server, window)
    lookup = Statement.objects.select_related("server").get(normalized_sql=LOOKUP)
    with django_assert_max_num_queries(8):
        of_statement = statement_timeline(lookup, window)
    minutes = 60 if key == "1h" else HOURS * 60 + 1
    assert sum(b.calls or 0 for b in of_server.buckets) == minutes * 3 - 1
    assert sum(b.calls or 0 for b in of_statement.buckets) == minutes * 2
    assert sum(b.covered_s for b in of_statement.buckets) == minutes * 60
    assert len(of_statement.buckets) <= 301
    assert {b.mean_exec_time_ms for b in of_statement.buckets if b.calls} == {1.5}


@pytest.mark.parametrize("cut", range(0, 300, 70))
def test_a_chart_cut_anywhere_begins_with_what_was_measured(day, cut):
    """The same load all along: a first sum that reaches back before the window would show as a rise, or a fall."""
    start = day.now - timedelta(hours=3, seconds=cut)
    lookup = Statement.objects.select_related("server").get(normalized_sql=LOOKUP)
    for length in (timedelta(hours=24), timedelta(hours=6), timedelta(days=2)):
        buckets = statement_timeline(lookup, Window(start, start + length)).buckets
        assert {round(b.load or 0, 9) for b in buckets if b.covered_s} == {0.00005}, length


@pytest.mark.parametrize("key", list(SPANS))
def test_a_timeline_of_some_columns_says_the_same_in_them(day, key):
    window = Window.last(key, day.now)
    lookup = Statement.objects.select_related("server").get(normalized_sql=LOOKUP)
    whole = statement_timeline(lookup, window)
    part = statement_timeline(lookup, window, ("calls", "total_exec_time_us"))
    assert [(b.at, b.covered_s, b.calls, b.load) for b in part.buckets] == [
        (b.at, b.covered_s, b.calls, b.load) for b in whole.buckets
    ]
    assert {b.rows for b in part.buckets} == {None}


def test_what_was_not_measured_is_unknown_not_zero(day):
    timeline = server_timeline(day.server, Window.last("24h", day.now))
    assert timeline.buckets[0].calls is None
    assert timeline.buckets[0].load is None
    assert [g.reason for g in timeline.gaps] == ["the first reading of this server"]


def test_quiet_statement_has_zeros(day):
    for _ in range(60):
        day.read()
    lookup = Statement.objects.get(normalized_sql=LOOKUP)
    timeline = statement_timeline(lookup, Window.last("1h", day.now))
    assert {b.calls for b in timeline.buckets[2:-1]} == {0}


@pytest.mark.parametrize("key", list(SPANS))
def test_sparklines(day, key, django_assert_max_num_queries, monkeypatch):
    lookup, listing = Statement.objects.order_by("pk")
    page = statement_totals(day.server, Window.last(key, day.now))
    with django_assert_max_num_queries(3):
        found = sparklines(page.sums, [(lookup.pk,), (listing.pk,), (lookup.pk, listing.pk)])
    monkeypatch.setattr(timelines, "MOST_NAMED", 0)
    assert sparklines(page.sums, list(found)) == found
    one, other, both = found.values()
    assert both == [None if a is None else pytest.approx(a + b) for a, b in zip(one, other, strict=True)]
    found = {lookup.pk: one, listing.pk: other}
    # Two calls of 1.5 ms a minute, also in the parts that the window and the clock cut.
    assert [v for v in found[lookup.pk] if v is not None] == pytest.approx(
        [5e-5] * sum(v is not None for v in found[lookup.pk])
    )
    assert any(v is not None for v in found[lookup.pk])
    assert len(found[lookup.pk]) <= 32
    assert key in ("1h", "6h") or found[listing.pk][0] is None
    few = statement_totals(day.server, Window.last(key, day.now), filters={"statement_ids": [listing.pk]})
    # but for the bucket that the window cuts
    assert sparklines(few.sums, [(listing.pk,)])[(listing.pk,)][1:] == found[listing.pk][1:]


def test_rates_are_per_measured_time(day):
    found = rates(day.server, Window.last("30d", day.now))
    rate = found[Statement.objects.get(normalized_sql=LOOKUP).pk]
    assert rate == StatementRate(
        calls_per_day=pytest.approx(2880),
        total_time_s_per_day=pytest.approx(4.32),
        mean_exec_time_ms=1.5,
        rows_per_call=1.0,
        watched_s=18_060.0,
    )


def test_another_servers_figures_stay_out(day):
    other = FakeServer(make_server("other"), now=day.now)
    other.run(1)
    other.read()
    other.name({1: LOOKUP})
    other.run(1, calls=7)
    other.read()
    window = Window.last("24h", other.now)
    assert [r.calls for r in statement_totals(other.server, window).rows] == [7]
    assert statement_totals(day.server, window).count == 2
    lookup = Statement.objects.get(server=other.server)
    assert sum(b.calls or 0 for b in statement_timeline(lookup, window).buckets) == 7


def test_workload_is_aligned_and_leaves_gaps_out(day):
    database = Database.objects.get()
    day.stats_reset_at = day.now + timedelta(seconds=1)
    day.run(1, calls=9)
    day.read()  # a gap
    day.run(2, calls=4)
    day.read()
    found = workload(day.server, database, Window.last("24h", day.now), intervals=10)
    by_text = {s.normalized_sql: s for s in found.series}
    assert (found.interval_s, found.intervals) == (60, 10)
    np.testing.assert_array_equal(by_text[LOOKUP].calls, [2] * 9 + [0])
    np.testing.assert_array_equal(by_text[LISTING].calls, [1] * 8 + [0, 4])
    np.testing.assert_array_equal(by_text[LISTING].exec_time_ms, [1] * 8 + [0, 1])


def test_workload_leaves_out_intervals_of_unusual_length(day):
    day.run(1, calls=8)
    day.read(after_s=240)
    found = workload(day.server, Database.objects.get(), Window.last("24h", day.now), intervals=10)
    assert found.intervals == 9


def test_workload_reaches_into_packed_hours(day):
    found = workload(day.server, Database.objects.get(), Window.last("24h", day.now), intervals=290)
    assert found.intervals == 290
    assert {s.normalized_sql: s.calls.sum() for s in found.series} == {LOOKUP: 580, LISTING: 289}


def test_sessions_tell_who_follows_whom(day):
    start = day.now - timedelta(minutes=5)

    def backend(pid: int, queryid: int, seconds: float, xact: float | None = None) -> tuple:
        begun = start + timedelta(seconds=seconds)
        row = ActivityRow(
            pid=pid, backend_start=start, xact_start=None if xact is None else start + timedelta(seconds=xact),
            query_start=begun, state_change=begun, state="active", wait_event_type=None, wait_event=None,
            role_oid=10, database_oid=5, application_name="shop", queryid=queryid, text="select 'secret'",
        )  # fmt: skip
        return (begun + timedelta(milliseconds=3), [row])

    samples = [
        backend(1, 2, 0, xact=0), backend(1, 1, 0.1, xact=0), backend(1, 1, 0.2, xact=0), backend(1, 1, 0.3, xact=0),
        backend(1, 1, 0.3, xact=0),  # the same execution, seen twice
        backend(1, 1, 9), backend(2, 1, 9.5),
    ]  # fmt: skip
    assert keep_activity(day.server, samples) == 7
    lookup, listing = (Statement.objects.get(normalized_sql=t).fingerprint for t in (LOOKUP, LISTING))
    sessions = workload(day.server, Database.objects.get(), Window.last("1h", day.now)).sessions
    assert sessions.sampled == {listing: 1, lookup: 5}
    assert sessions.follows == {(listing, lookup): 1, (lookup, lookup): 2}
    assert sessions.runs == {listing: (1,), lookup: (3, 1, 1)}


def test_activity_leaves_out_ours_and_long_idle_and_keeps_no_text(day, fresh_rows):
    base = ActivityRow(
        pid=1, backend_start=day.now, xact_start=None, query_start=day.now, state_change=day.now, state="active",
        wait_event_type=None, wait_event=None, role_oid=10, database_oid=5, application_name="", queryid=None,
        text="select a from shop.t where b = 'secret'",
    )  # fmt: skip
    row = partial(replace, base)
    rows = [
        row(), row(text="/* pgloupe */ select 1"), row(state="idle", state_change=day.now - timedelta(minutes=1)),
        row(pid=2, state="idle"), row(state=None),
    ]  # fmt: skip
    keep_activity(day.server, [(day.now, rows)])
    lookup = Statement.objects.get(normalized_sql=LOOKUP)
    found = fresh_rows("pid", "state", "statement_id", table="activity_sample", order="pid")
    assert found == [(1, "active", lookup.pk), (2, "idle", lookup.pk)]


@pytest.mark.parametrize(("asked", "key"), [("7d", "7d"), ("", "24h"), ("9y", "24h")])
def test_window_of_a_page(asked, key):
    now = timezone.now()
    window = Window.from_query({"window": asked}, now)
    assert (window.key, window.end, window.start) == (key, now, now - SPANS[key])
