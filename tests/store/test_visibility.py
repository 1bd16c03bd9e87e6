"""Entries that the login did not see before are no work of the interval in which it first does."""

from datetime import timedelta

import pytest

from analyzer.models import LastReading
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.activity import sample_once
from analyzer.monitored.sample.statements import read_statement_counters
from analyzer.store.series import deltas
from analyzer.store.series.snapshots import keep_reading
from analyzer.store.series.visibility import HIDDEN, SHOWN
from tests.store.conftest import make_server
from tests.waiting import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
APPLICATION = 20


def with_application(fake):
    fake.roles = {2: APPLICATION, 3: APPLICATION}
    fake.run(1)
    fake.run(2, calls=326_484, time_ms=1_100)
    return fake


def test_a_grant_and_a_revoke_are_gaps_and_count_nothing(fake, fresh_rows):
    with_application(fake).hidden = frozenset({APPLICATION})
    fake.read()
    for hidden, reason in ((frozenset(), SHOWN), (frozenset({APPLICATION}), HIDDEN), (frozenset(), SHOWN)):
        fake.hidden = hidden
        fake.run(1)
        kept = fake.read()
        assert (kept.gap_reason, kept.snapshot.interval_s, kept.changed) == (reason, None, 0)
    fake.run(2, calls=7)
    fake.read()
    assert fresh_rows("entry_id", "calls") == [(fake.entry(2).pk, 7)]


def test_while_others_are_hidden_ours_count(fake, fresh_rows):
    with_application(fake).hidden = frozenset({APPLICATION})
    fake.read()
    fake.run(1)
    fake.run(2, calls=9)
    assert fake.read().gap_reason == ""
    assert fresh_rows("entry_id", "calls") == [(fake.entry(1).pk, 1)]


def test_a_role_that_is_always_hidden_is_no_change(fake, fresh_rows):
    """As a managed service's own superuser is, whatever was granted."""
    fake.roles[9] = 99
    fake.run(9, calls=500)
    with_application(fake).hidden = frozenset({99})
    fake.read()
    fake.run(2, calls=3)
    assert fake.read().gap_reason == ""
    assert fresh_rows("calls") == [(3,)]


def test_a_role_that_had_no_entry_begins_with_its_first(fake, fresh_rows):
    fake.run(1)
    fake.read()
    with_application(fake).entries.pop(2)
    fake.run(3, calls=4)
    assert fake.read().gap_reason == ""
    assert fresh_rows("entry_id", "calls") == [(fake.entry(1).pk, 1), (fake.entry(3).pk, 4)]


def test_another_login_sees_other_entries(fake):
    with_application(fake).hidden = frozenset({APPLICATION})
    fake.read()
    fake.hidden = frozenset({10})
    assert fake.read().gap_reason == SHOWN


def test_a_reading_kept_before_visibility_was_known_compares_as_before(fake, fresh_rows):
    with_application(fake)
    fake.read()
    kept = LastReading.objects.get()
    previous = deltas.load(bytes(kept.data))
    assert (previous.hidden_roles, previous.is_cut) == (frozenset(), False)
    reading = fake.reading()
    object.__setattr__(reading, "hidden_roles", None)
    kept.data = deltas.dump(reading, previous.entry_ids)
    kept.save()
    assert deltas.load(bytes(kept.data)).hidden_roles is None
    fake.run(2)
    assert fake.read().gap_reason == ""
    assert fresh_rows("calls") == [(1,)]


def test_entries_beyond_what_was_read_are_not_new_when_they_come_into_sight(fake, fresh_rows):
    """More entries than are read at once: which ones come is the server's choice."""
    with_application(fake).is_cut = True
    hidden = fake.entries.pop(2)
    fake.read()
    fake.entries[2] = hidden
    fake.run(1)
    assert fake.read().gap_reason == ""
    assert fresh_rows("entry_id", "calls") == [(fake.entry(1).pk, 1)]
    fake.version = "1.11"
    fake.read()
    fake.run(3, calls=6)
    fake.since[3] = fake.now + timedelta(seconds=30)  # this one tells that it is new
    fake.read()
    assert fresh_rows("entry_id", "calls")[1:] == [(fake.entry(3).pk, 6)]


def test_granting_pg_monitor_on_a_real_server(any_postgres, scratch_database, fresh_rows):
    """The history of the application: 2,000 calls before the grant, 5 after it."""
    database = scratch_database(any_postgres)
    database.execute(f"revoke pg_monitor from {database.login}")
    server = make_server("real")
    loop = (
        "set pg_stat_statements.track = 'all';"
        " do $$ begin for i in 1..{n} loop perform count(*) from pg_class where relname = '{name}'; end loop; end $$"
    )

    def run(n: int) -> None:
        database.execute(loop.format(n=n, name=database.name))

    def read() -> str:
        with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
            return keep_reading(server, read_statement_counters(conn)).gap_reason

    run(2000)
    assert read() == "the first reading of this server"
    assert read() == ""
    for reason, change in ((SHOWN, "grant pg_monitor to"), (HIDDEN, "revoke pg_monitor from")) * 2:
        database.execute(f"{change} {database.login}")
        assert read() == reason
    database.execute(f"grant pg_read_all_stats to {database.login}")
    assert read() == SHOWN
    run(5)
    assert read() == ""
    assert max(calls for (calls,) in fresh_rows("calls")) < 1000
    assert 5 in [calls for (calls,) in fresh_rows("calls")]


def test_an_entry_that_began_before_the_last_reading_and_ended_since_counts(postgres18, scratch_database, fresh_rows):
    """stats_since is when its first execution began; until that ends it is not shown."""
    database = scratch_database(postgres18)
    server = make_server("real")
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn, database.connect() as other:
        keep_reading(server, read_statement_counters(conn))
        with other.pipeline():
            result = other.execute(f"select pg_sleep(3), 1 as {database.name}")
            other.pgconn.flush()
            wait_for(
                lambda: "active" in {row.state for row in sample_once(conn)[1] if row.pid == other.info.backend_pid}
            )
            keep_reading(server, read_statement_counters(conn))
            result.fetchall()
        reading = read_statement_counters(conn)
        assert keep_reading(server, reading).gap_reason == ""
    slept = [ms for (ms,) in fresh_rows("total_exec_time_us") if ms and ms >= 3_000_000]
    assert len(slept) == 1
