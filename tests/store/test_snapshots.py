"""Readings become deltas; what cannot be compared becomes a gap."""

from datetime import timedelta

import pytest

from analyzer.models import LastReading, Snapshot, Statement
from analyzer.store.series import snapshots

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
COLUMNS = ("calls", "total_exec_time_us", "rows", "shared_read_blocks")


def test_first_reading_is_a_gap_and_its_texts_are_wanted(fake, fresh_rows):
    fake.run(1, calls=10, time_ms=100)
    kept = fake.read()
    assert kept.gap_reason == "the first reading of this server"
    assert [tuple(k) for k in kept.unknown_keys] == [(10, 5, 1, True)]
    assert fresh_rows("calls") == []


def test_delta_of_two_readings(fake, fresh_rows):
    fake.run(1, calls=10, time_ms=100.5, shared_read_blocks=7)
    fake.run(2, calls=4)
    fake.read()
    fake.run(1, calls=3, time_ms=9.1234, shared_read_blocks=2)
    kept = fake.read()
    assert (kept.gap_reason, kept.changed, kept.snapshot.interval_s) == ("", 1, 60)
    assert kept.snapshot.total_exec_time_ms == pytest.approx(9.123)
    assert fresh_rows("entry_id", *COLUMNS) == [(fake.entry(1).pk, 3, 9123, 3, 2)]
    assert fresh_rows("interval_s", *COLUMNS, table="server_delta") == [(60, 3, 9123, 3, 2)]


def test_zero_is_kept_as_null(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.run(1, calls=1, time_ms=1)
    fake.read()
    assert fresh_rows("shared_hit_blocks", "wal_bytes") == [(None, None)]


def test_entry_that_did_not_run_has_no_row(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.read()
    assert fresh_rows("calls") == []


def test_new_entry_counts_in_full(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.run(2, calls=5, time_ms=50)
    kept = fake.read()
    assert fresh_rows("entry_id", "calls") == [(fake.entry(2).pk, 5)]
    assert {k["queryid"] for k in kept.unknown_keys} == {1, 2}


def test_entries_that_become_visible_with_their_past_are_no_spike(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.run(2, calls=10**9, time_ms=90 * 86_400_000)  # more than 1,000 backends can do in a minute
    fake.run(1)
    fake.read()
    assert fresh_rows("entry_id", "calls") == [(fake.entry(1).pk, 1)]
    fake.run(2, calls=7, time_ms=3)
    fake.read()
    assert fresh_rows("entry_id", "calls")[1:] == [(fake.entry(2).pk, 7)]


def test_reset_between_readings_leaves_a_gap(fake, fresh_rows):
    fake.run(1, calls=10)
    fake.read()
    fake.stats_reset_at = fake.now + timedelta(seconds=30)
    fake.entries[1] = {"calls": 50, "total_exec_time_ms": 500}  # more than before: still not a delta
    kept = fake.read()
    assert (kept.gap_reason, kept.snapshot.interval_s) == ("the server's statistics were reset", None)
    assert fresh_rows("calls") == []
    fake.run(1, calls=2)
    fake.read()
    assert fresh_rows("calls") == [(2,)]


def test_reset_that_the_version_does_not_tell_is_seen_by_its_counters(fake, fresh_rows):
    fake.stats_reset_at = None
    for queryid in range(1, 6):
        fake.run(queryid, calls=100, time_ms=100)
    fake.read()
    for queryid in range(1, 6):
        fake.entries[queryid] = {"calls": 3, "total_exec_time_ms": 3}
    assert fake.read().gap_reason == "the server's statistics were reset"
    assert fresh_rows("calls") == []


def test_all_entries_gone_is_a_reset(fake):
    fake.stats_reset_at = None
    fake.run(1)
    fake.read()
    fake.entries.clear()
    fake.run(2)
    assert fake.read().gap_reason == "the server's statistics were reset"


def test_restart_that_kept_its_counters_is_no_gap(fake, fresh_rows):
    fake.run(1, calls=10)
    fake.read()
    fake.started_at = fake.now + timedelta(seconds=5)
    fake.run(1, calls=2)
    assert fake.read().gap_reason == ""
    assert fresh_rows("calls") == [(2,)]


def test_restart_is_a_gap_where_the_version_does_not_tell_a_reset(fake, fresh_rows):
    """Before 14 another machine that took over cannot be told: its entries have the same ids and other counters."""
    fake.version, fake.stats_reset_at = "1.8", None
    fake.run(1, calls=10)
    fake.read()
    fake.started_at = fake.now + timedelta(seconds=5)
    fake.run(1, calls=90_000)
    kept = fake.read()
    assert kept.gap_reason == "the server restarted, and its pg_stat_statements does not say since when it counts"
    fake.run(1, calls=2)
    fake.read()
    assert fresh_rows("calls") == [(2,)]


def test_restart_that_lost_its_counters_is_a_gap(fake):
    fake.run(1, calls=10)
    fake.read()
    fake.started_at = fake.stats_reset_at = fake.now + timedelta(seconds=5)
    fake.entries[1] = {"calls": 2, "total_exec_time_ms": 2}
    assert fake.read().gap_reason == "the server restarted and its counters began anew"


def test_upgraded_extension_is_a_gap(fake):
    fake.run(1)
    fake.read()
    fake.version = "1.11"
    assert fake.read().gap_reason == "pg_stat_statements went from 1.10 to 1.11"


def test_evicted_and_reentered_entry_has_no_delta(fake, fresh_rows):
    for queryid in (1, 2, 3):
        fake.run(queryid, calls=100, time_ms=100)
    fake.read()
    fake.entries[1] = {"calls": 20, "total_exec_time_ms": 20}
    fake.run(2)
    kept = fake.read()
    assert (kept.gap_reason, kept.snapshot.evicted_entries) == ("", 1)
    assert fresh_rows("entry_id", "calls") == [(fake.entry(2).pk, 1)]
    fake.run(1, calls=5)
    fake.read()
    assert fresh_rows("entry_id", "calls")[1:] == [(fake.entry(1).pk, 5)]


def test_any_sum_that_fell_says_that_the_entry_began_anew(fake, fresh_rows):
    for queryid in (1, 2, 3):
        fake.run(queryid, calls=5, time_ms=100)
    fake.read()
    fake.entries[1] = {"calls": 9, "total_exec_time_ms": 20, "rows": 900}
    assert fake.read().snapshot.evicted_entries == 1
    assert fresh_rows("calls") == []


def test_stats_since_tells_an_eviction_that_the_counters_hide(fake, fresh_rows):
    fake.version = "1.11"
    fake.run(1, calls=5)
    fake.run(2, calls=5)
    fake.since = {1: fake.now - timedelta(days=1), 2: fake.now - timedelta(days=1)}
    fake.read()
    fake.since[1] = fake.now + timedelta(seconds=20)
    fake.entries[1] = {"calls": 500, "total_exec_time_ms": 500}
    fake.run(2)
    assert fake.read().snapshot.evicted_entries == 1
    assert fresh_rows("entry_id", "calls") == [(fake.entry(2).pk, 1)]


def test_entry_made_while_its_first_reading_was_taken_is_no_eviction(fake, fresh_rows):
    fake.version = "1.11"
    fake.run(1)
    fake.since[1] = fake.now + timedelta(seconds=60, milliseconds=5)  # after the reading's clock, before its counters
    fake.read()
    fake.run(1, calls=3)
    fake.read()
    assert fresh_rows("calls") == [(3,)]


def test_vanished_entries_are_counted(fake):
    fake.run(1)
    fake.run(2)
    fake.read()
    del fake.entries[2]
    assert fake.read().snapshot.evicted_entries == 1


def test_deviation_is_the_intervals_own(fake, fresh_rows):
    # population deviations of (1, 3) and of (1, 3, 10, 20), so that the interval holds (10, 20)
    fake.run(1, calls=2, time_ms=4, stddev_exec_time_ms=1, min_exec_time_ms=1, max_exec_time_ms=3)
    fake.read()
    fake.run(1, calls=2, time_ms=30, stddev_exec_time_ms=7.433034373659253, min_exec_time_ms=1, max_exec_time_ms=20)
    fake.read()
    assert fresh_rows("stddev_exec_time_us", "min_exec_time_us", "max_exec_time_us") == [(5000, None, 20_000)]


def test_failure_while_writing_leaves_the_store_as_it_was(fake, fresh_rows, monkeypatch):
    fake.run(1)
    fake.read()
    before = bytes(LastReading.objects.get().data)
    fake.run(1, calls=2)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "_write_server_delta", fail)
        with pytest.raises(OSError, match="disk full"):
            fake.read()
    assert (fresh_rows("calls"), Snapshot.objects.count()) == ([], 1)
    assert bytes(LastReading.objects.get().data) == before
    fake.read(after_s=30)
    assert fresh_rows("calls") == [(2,)]


def test_own_statements_count_on_our_account_only(fake, fresh_rows):
    fake.run(1)
    fake.read()
    fake.run(1, calls=1, time_ms=6)
    fake.run(2, calls=1, time_ms=4)  # ours, but its text is not known yet
    fake.read()
    fake.name({1: "select a from t where b = $1", 2: "/* pgloupe */ select 1"})
    snapshot = Snapshot.objects.latest("taken_at")
    assert (snapshot.own_exec_time_ms, snapshot.total_exec_time_ms, snapshot.changed_entries) == (4, 10, 1)
    assert fresh_rows("entry_id", "total_exec_time_us") == [(fake.entry(1).pk, 6000)]
    assert fresh_rows("calls", "total_exec_time_us", table="server_delta") == [(1, 6000)]
    fake.run(2, calls=1, time_ms=5)
    kept = fake.read()
    assert (kept.snapshot.own_exec_time_ms, kept.changed, len(kept.unknown_keys)) == (5, 0, 0)


def test_texts_make_statements_and_entries_share_them(fake):
    fake.run(1)
    fake.run(2)
    fake.run(3)
    fake.run(4)
    fake.read()
    fake.name({
        1: "select a from shop.t where b = $1", 2: "SELECT a FROM shop.t WHERE b=$1 /*route='r'*/",
        3: "<insufficient privilege>", 4: "alter role joe password 'geheim'",
    })  # fmt: skip
    first, hidden, role = (fake.entry(q).statement for q in (1, 3, 4))
    assert fake.entry(2).statement == first
    assert (first.kind, first.tables, first.text_state) == ("select", ["shop.t"], "ok")
    assert (hidden.fingerprint, hidden.text_state, hidden.normalized_sql) == ("q" + "0" * 15 + "3", "hidden", "")
    assert "geheim" not in role.normalized_sql
    assert len(fake.read().unknown_keys) == 0


def test_hidden_text_is_asked_for_again_each_hour_and_its_stand_in_goes(fake):
    fake.run(-5)
    fake.read()
    fake.name({-5: "<insufficient privilege>"})
    assert fake.entry(-5).statement.fingerprint == "qfffffffffffffffb"
    assert len(fake.read().unknown_keys) == 0
    assert len(fake.read(after_s=3600).unknown_keys) == 1
    fake.name({-5: "select 1"})
    assert fake.entry(-5).statement.normalized_sql == "select $1"
    assert Statement.objects.count() == 1
