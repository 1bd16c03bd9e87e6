"""Looks at sessions -> average active sessions by wait, over time and divided."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from analyzer.monitored.readings import ActivityRow
from analyzer.schema.server import SessionsAtWork
from analyzer.store.series import clock
from analyzer.store.series.activity import keep_activity
from analyzer.store.series.load_reading import load_parts, load_timeline, sessions_at_work
from analyzer.store.series.session_load import MOST_PARTS, SessionTraits, ensure_load_partitions, keep_look
from analyzer.store.series.windows import Window
from tests.dashboard import world

ROUTE = "select 1 /*controller='orders',action='list'*/"


def backend(at: datetime, pid: int = 1, **more: object) -> ActivityRow:
    return world.backend(at, pid, **{"text": ROUTE, **more})


def test_looks_make_average_active_sessions(fake):
    """Four looks in two minutes: 1, 2, 0 (nobody) and a burst of four samples that saw one session twice."""
    fake.run(7)
    fake.read()
    fake.name({7: "select $1"})
    statement = fake.entry(7).statement_id
    at = fake.now.replace(second=0, microsecond=0)
    io = {"wait_event_type": "IO", "wait_event": "DataFileRead", "text": "select 1", "application_name": "bi"}
    idle = backend(at, 3, state="idle in transaction", wait_event_type="Client")
    burst = [(at + timedelta(seconds=90 + i / 10), [backend(at)] if i < 2 else []) for i in range(4)]
    for samples in (
        [(at, [backend(at), idle])],
        [(at + timedelta(seconds=10), [backend(at), backend(at, 2, **io)])],
        [(at + timedelta(seconds=60), [])],
        burst,
    ):
        keep_activity(fake.server, samples)
    window = Window(at, at + timedelta(minutes=5))
    timeline = load_timeline(fake.server, window, fake.now)
    assert [(b.looks, b.active) for b in timeline.buckets] == [
        (2, {"CPU": 2.0, "IO": 1.0}), (2, {"CPU": 0.5}), (0, {}), (0, {}), (0, {}),
    ]  # fmt: skip
    assert (timeline.looks, timeline.by_wait) == (4, {"CPU": 2.5 / 4, "IO": 0.25})
    assert timeline.average == 3.5 / 4
    # of 1, 2, 0 and 0.5: deviation 0.8539, over the root of four, twice
    assert timeline.uncertainty == pytest.approx(0.8539, abs=1e-4)
    parts = load_parts(fake.server, timeline, {"statement": 10, "route": 10})
    (part,) = parts["statement"]
    assert (part.value, part.average, part.share_ratio, part.of_sightings) == (statement, 3.5 / 4, 1.0, 3.5)
    assert [(p.value, p.average, p.of_sightings) for p in parts["route"]] == [
        ("orders#list", 2.5 / 4, 3.5),
        ("", 1.0 / 4, 3.5),
    ]
    (of_io,) = load_parts(fake.server, timeline, {"application": 1}, wait_event_type="IO")["application"]
    assert (of_io.value, of_io.share_ratio) == ("bi", 1.0)


def test_long_spans_are_read_by_hour_and_say_the_same(fake):
    at = fake.now.replace(minute=58, second=30)
    for minute in range(4):
        when = at + timedelta(minutes=minute)
        keep_activity(fake.server, [(when, [backend(when), backend(when, 2)][: 1 + minute % 2])])
    now = at + timedelta(minutes=10)
    long, short = (load_timeline(fake.server, Window.last(span, now), now) for span in ("7d", "1h"))
    assert (long.table, short.table) == ("session_load_hour", "session_load")
    assert long.by_wait == short.by_wait == {"CPU": 1.5}
    assert [b.looks for b in long.buckets if b.looks] == [2, 2]


def test_very_many_parts_keep_their_wait_and_their_sum(fake):
    ensure_load_partitions(fake.now)
    look = {SessionTraits("Lock", "tuple", i, 10, 5, "", ""): 1.0 for i in range(1, MOST_PARTS + 101)}
    for _ in range(2):
        keep_look(fake.server.pk, fake.now, look)
    timeline = load_timeline(fake.server, Window(fake.now - timedelta(minutes=2), fake.now), fake.now)
    assert timeline.by_wait == {"Lock": MOST_PARTS + 100.0}
    (rest,) = load_parts(fake.server, timeline, {"statement": 1})["statement"]
    assert (rest.value, rest.average) == (0, 100.0)


def test_what_a_wrong_clock_saw_is_forgotten(fake):
    keep_activity(fake.server, [(fake.now, [backend(fake.now)])])
    clock.forget_from(fake.server.pk, fake.now - timedelta(minutes=5))
    with connection.cursor() as cursor:
        for table in ("session_look", "session_load", "session_load_hour"):
            cursor.execute(f"select count(*) from {table}")
            assert cursor.fetchone() == (0,), table


def test_how_many_are_usually_at_work_is_told_of_a_day_and_more(fake):
    """Four of 99 minutes of 100, and bursts in the rest; of fewer minutes than a day has nothing is said."""
    now = fake.now.replace(second=0, microsecond=0)
    for day in range(3):
        ensure_load_partitions(now - timedelta(days=day))

    def look(minutes: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into session_look select %s - n * interval '1 minute', %s, 2,"
                " case when n %% 200 = 0 then 90 else 8 end, 0 from generate_series(1, %s) n on conflict do nothing",
                [now, fake.server.pk, minutes],
            )

    look(1439)
    assert sessions_at_work(fake.server, now) is None
    look(2 * 1440)
    assert sessions_at_work(fake.server, now) == SessionsAtWork(4.0, 2.0)
