"""How a twin lives: refreshed, reused, held by several, killed, removed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from analyzer import tasks
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.errors import ServerUnreachable
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.runtime.processes import RuntimeFailure
from analyzer.store.servers import add_server_from_dsn, remove_server
from analyzer.twin import cluster, lease, remove_superseded, remove_surplus, remove_unused, remove_unwatched, upkeep
from analyzer.words.sizes import MB
from tests.twin.conftest import settings_of
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres

HOLDER = Path(__file__).with_name("holder.py")
LOOKUP = Query("q", "q", "select * from t where a = 5", 1.0)


@pytest.fixture
def database(scratch_database, postgres18):
    found = scratch_database(postgres18)
    found.execute(
        # the server's own ANALYZE, which comes when it likes, would be a change of statistics
        "create table t with (autovacuum_enabled = off) as select g as a, g % 10 as b"
        " from generate_series(1, 5000) as g",
    )
    found.vacuum()
    return found


@pytest.fixture
def hold(own_dir):
    """Starts a process that holds a twin; what it says, and the process."""
    held = []

    def start(database):
        process = subprocess.Popen(
            [sys.executable, str(HOLDER), database.superuser_dsn, str(own_dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        held.append(process)
        return process, json.loads(process.stdout.readline())

    yield start
    for process in held:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def places(own_dir):
    return sorted(used.parent for used in (own_dir / "twins").glob("*/used"))


def slot_of(twin):
    return Path(twin._superuser.execute("show data_directory").fetchone()[0]).parent.name


def indexed_facts(database):
    with connect(settings_of(database.superuser_dsn)) as connection:
        return read_schema(connection).find_table("t")


def test_unchanged_twin_is_reused(database, own_dir):
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        first = twin.plan(LOOKUP)
        assert twin.timing.dump_s > 0
        assert twin.timing.build_s > 0
        twin.hypothesize([IndexDefinition(indexed_facts(database), (IndexColumn("a"),))])
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        assert (twin.timing.dump_s, twin.timing.build_s) == (0.0, 0.0)
        assert twin.plan(LOOKUP) == first
        left = twin._superuser.execute("select count(*) from pg_class where relname like 'pgloupe_hypo%'").fetchone()
        assert left == (0,)
    assert len(places(own_dir)) == 1


def test_changed_schema_is_read_anew(database, own_dir):
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir):
        pass
    for change in (
        "create index on t (a)", "alter table t add c int", "create table u (a int)",
        "create function f() returns int language sql as 'select 1'", "alter table t alter b set statistics 500",
        "create view v as select * from u", "create type mood as enum ('sad')", "create domain d as int",
        "drop table t",
    ):  # fmt: skip
        database.execute(change)
        with lease(settings, own_dir) as twin:
            assert twin.timing.dump_s > 0, change
            assert twin.timing.build_s > 0, change
        with lease(settings, own_dir) as twin:
            assert (twin.timing.dump_s, twin.timing.build_s) == (0.0, 0.0), change


def test_changed_statistics_are_read_anew_when_they_are_old_enough(database, own_dir):
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir) as twin:
        assert twin.plan(Query("q", "q", "select * from t", 1.0)).rows == 5000
    database.execute("insert into t select g, 1 from generate_series(1, 5000) as g", "analyze t")
    with lease(settings, own_dir, fresh_s=3600) as twin:
        assert twin.timing.dump_s == 0
        assert twin.plan(Query("q", "q", "select * from t", 1.0)).rows == 5000
    with lease(settings, own_dir, fresh_s=0) as twin:
        assert twin.timing.dump_s > 0
        assert twin.plan(Query("q", "q", "select * from t", 1.0)).rows == 10000
    with lease(settings, own_dir, fresh_s=0) as twin:  # the same statistics still
        assert twin.timing.dump_s == 0


def test_server_that_is_down_is_told_or_done_without(private_postgres, own_dir):
    server = private_postgres(18)
    with server.connect() as connection:
        connection.execute("create table t (a int)")
    settings = settings_of(server.dsn())
    with lease(settings, own_dir) as twin:
        planned = twin.plan(LOOKUP)
    server.cluster.stop()
    with pytest.raises(ServerUnreachable), lease(settings, own_dir):
        pass
    with lease(settings, own_dir, use_server=False) as twin:
        assert twin.plan(LOOKUP) == planned


def test_processes_at_once_have_a_twin_each(database, own_dir, hold):
    _, first = hold(database)
    _, second = hold(database)
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        assert [Path(h["data"]).parent.name for h in (first, second)] == ["slot-0", "slot-1"]
        assert slot_of(twin) == "slot-2"
        assert twin.timing.dump_s == 0
        assert first["cost"] == second["cost"] == twin.plan(LOOKUP).total_cost
    assert len(places(own_dir)) == 1


def test_holder_keeps_its_own_while_another_reads_anew(database, own_dir):
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir) as old:
        before = old.plan(LOOKUP)
        database.execute("create index on t (a)")
        with lease(settings, own_dir) as new:
            assert (slot_of(old), slot_of(new)) == ("slot-0", "slot-1")
            assert new.plan(LOOKUP).total_cost < before.total_cost / 5
            old._plans.clear()
            assert old.plan(LOOKUP) == before
    with lease(settings, own_dir) as twin:  # slot-0 once more, now of the new schema
        assert slot_of(twin) == "slot-0"
        assert (twin.timing.dump_s == 0, twin.timing.build_s > 0) == (True, True)
        assert twin.plan(LOOKUP).total_cost < before.total_cost / 5


def test_killed_holder_leaves_nothing_that_hurts_the_next(database, own_dir, hold):
    process, first = hold(database)
    postmaster = int((Path(first["data"]) / "postmaster.pid").read_text().splitlines()[0])
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{postmaster}").exists())
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        assert slot_of(twin) == "slot-0"
        assert twin.timing.dump_s == 0
        assert twin.timing.build_s > 0  # pages made by hand do not survive recovery
        assert twin.plan(LOOKUP).total_cost == first["cost"]
        made = twin.hypothesize([IndexDefinition(indexed_facts(database), (IndexColumn("a"),))])
        assert twin.plan(LOOKUP, [made[0].id]).total_cost < first["cost"] / 5


def test_twin_whose_server_ends_says_so_and_is_made_anew(database, own_dir):
    settings = settings_of(database.superuser_dsn)
    costs = []

    def use_one_that_ends():
        with lease(settings, own_dir) as twin:
            costs.append(twin.plan(LOOKUP).total_cost)
            data = Path(twin._superuser.execute("show data_directory").fetchone()[0])
            os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
            wait_for(lambda: _fails(twin._superuser))

    with pytest.raises(RuntimeFailure, match="The twin's PostgreSQL has ended; the next use builds it anew"):
        use_one_that_ends()
    with lease(settings, own_dir) as twin:
        assert twin.timing.build_s > 0
        assert [twin.plan(LOOKUP).total_cost] == costs


def _fails(connection):
    try:
        connection.execute("select 1")
    except psycopg.Error:
        return True
    return False


def test_unused_twins_are_removed_and_others_not(database, scratch_database, postgres18, own_dir, hold):
    other = scratch_database(postgres18)
    with lease(settings_of(other.superuser_dsn), own_dir):
        pass
    (unused,) = places(own_dir)
    os.utime(unused / "used", (0, time.time() - 8 * 24 * 3600))
    hold(database)
    (held,) = set(places(own_dir)) - {unused}
    os.utime(held / "used", (0, time.time() - 8 * 24 * 3600))
    assert remove_unused(own_dir) == [unused]
    assert places(own_dir) == [held]
    assert not unused.exists()
    os.utime(held / "used")
    assert remove_unused(own_dir) == []


def test_only_twins_of_watched_servers_go_with_their_server(database, scratch_database, postgres18, own_dir):
    by_hand = scratch_database(postgres18)
    with lease(settings_of(by_hand.superuser_dsn), own_dir):
        pass
    (kept,) = places(own_dir)
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir, is_watched=True):
        (watched,) = set(places(own_dir)) - {kept}
        assert remove_unwatched(own_dir, []) == []  # it is in use
    assert remove_unwatched(own_dir, [settings]) == []
    assert remove_unwatched(own_dir, []) == [watched]
    assert places(own_dir) == [kept]


@pytest.mark.django_db
def test_housekeeping_removes_the_twin_of_a_server_that_changed_or_went(database, own_dir, settings):
    settings.VAR_DIR = own_dir
    server = add_server_from_dsn(database.superuser_dsn)
    for change in ("host", "removed"):
        with lease(settings_of(database.superuser_dsn), own_dir, is_watched=True):
            pass
        tasks.tidy_store()
        assert len(places(own_dir)) == 1
        if change == "removed":
            remove_server(server)
        else:
            server.user = "somebody_else"
            server.save()
        tasks.tidy_store()
        assert places(own_dir) == []
        if change != "removed":
            server.user = "postgres"
            server.save()


# -- what stays on disk, and when there is no room ------------------------------------------------------------------


def slots(own_dir):
    return sorted(slot.name for slot in own_dir.glob("twins/*/slot-*/"))


def test_slots_of_an_earlier_dump_leave_within_a_day(database, own_dir):
    """The second slot is used when two ask at once, which may be never again: its dump holds sample values."""
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir), lease(settings, own_dir):
        pass
    assert slots(own_dir) == ["slot-0", "slot-1"]
    (place,) = places(own_dir)
    database.execute("create table later (a int)")
    with lease(settings, own_dir) as twin:
        assert twin.timing.dump_s > 0
    assert remove_superseded(own_dir) == []  # not that old yet
    old = place / "slot-1" / "schema.dump"
    os.utime(old, (0, time.time() - 13 * 3600))
    (place / "schema.dump.new").write_bytes(b"of one that was killed")
    os.utime(place / "schema.dump.new", (0, time.time() - 13 * 3600))
    os.utime(place / "schema.dump", (0, time.time() - 13 * 3600))  # the newest, as old: it is what is known
    with lease(settings, own_dir, use_server=False):  # whoever comes next, and housekeeping
        pass
    assert slots(own_dir) == ["slot-0"]
    assert not list(own_dir.glob("twins/*/*.new"))
    inodes = {path.stat().st_ino for path in own_dir.glob("twins/**/schema.dump")}
    assert len(inodes) == 1


def test_a_slot_that_is_held_stays_whatever_it_is_of(database, own_dir):
    settings = settings_of(database.superuser_dsn)
    with lease(settings, own_dir) as twin:
        before = twin.plan(LOOKUP)
        (place,) = places(own_dir)
        (place / "schema.dump").unlink()
        os.utime(place / "slot-0" / "schema.dump", (0, 0))
        assert remove_superseded(own_dir) == []
        assert remove_surplus(own_dir, most_bytes=0) == []
        assert twin.plan(LOOKUP) == before
    assert [slot.name for slot in remove_surplus(own_dir, most_bytes=0)] == ["slot-0"]


def test_the_least_recently_used_twins_go_when_there_are_too_many(database, scratch_database, postgres18, own_dir):
    several = [settings_of(d.superuser_dsn) for d in (database, scratch_database(postgres18))]
    for settings in several:
        with lease(settings, own_dir):
            pass
    first, second = (own_dir / "twins" / upkeep.key_of(settings) for settings in several)
    size_bytes = upkeep.disk_bytes(first / "slot-0")
    assert size_bytes < 30 * MB  # 47 to 66 with three more databases and a log of 16 MB segments
    assert remove_surplus(own_dir, most_bytes=3 * size_bytes) == []
    os.utime(second / "slot-0" / "lock", (0, time.time() - 100))
    assert remove_surplus(own_dir, most_bytes=int(1.5 * size_bytes)) == [second / "slot-0"]
    assert (second / "schema.dump").exists()
    with lease(several[1], own_dir) as twin:  # built again, without asking the server for a dump
        assert twin.timing.dump_s == 0 < twin.timing.build_s


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("size_mb", [2, 20, 30, 42, 46, 50])
def test_a_full_disk_is_a_sentence(size_mb, database, own_dir, monkeypatch):
    monkeypatch.setattr(cluster, "_template", cluster._template.__wrapped__)  # it is on that disk too
    place = own_dir / "full"
    place.mkdir()
    options = f"size={size_mb}m,mode=755"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    try:
        with pytest.raises(RuntimeFailure) as caught, lease(settings_of(database.superuser_dsn), place):
            pass
        assert str(caught.value) == f"The twin's files under {place} cannot be written: No space left on device"
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_twin_that_is_killed_is_a_sentence(database, own_dir):
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        twin._watch._cluster.kill()
        assert twin.plan(LOOKUP) == Refused(
            "The twin's planner gave up on it: it needed too much memory, or it crashed."
        )
        assert not isinstance(twin.plan(Query("r", "r", "select b from t", 1.0)), Refused)  # made anew

    def ask_without_a_word():
        with lease(settings_of(database.superuser_dsn), own_dir) as twin:
            twin._watch._cluster.kill()
            twin._superuser.execute("select 1")

    with pytest.raises(RuntimeFailure) as caught:
        ask_without_a_word()
    assert str(caught.value) == "The twin's PostgreSQL has ended; the next use builds it anew"
    with lease(settings_of(database.superuser_dsn), own_dir) as twin:
        assert not isinstance(twin.plan(LOOKUP), Refused)
