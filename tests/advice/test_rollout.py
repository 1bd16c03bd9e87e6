"""Rollout scripts, run by psql on real servers: there, again, with others in the way, and back."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analyzer.advice.code.change import creation, removal
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.rollout.script import colons_apart, rollout
from analyzer.runtime.client_programs import client_program
from analyzer.schema.quoting import quote_identifier
from tests.advice.code.kinds import KINDS, SCHEMA, defined_by_ddl, definition, facts_of, index_definitions

pytestmark = pytest.mark.long

DATE = datetime(2026, 11, 24, 17, 5, tzinfo=UTC)
HOSTILE = [
    'we""ird Table\\g', ":tries x:y \\:z ::q", "it's \\gexec", "new\nline; drop", "per%cent %s %I", "日本語" * 7,
    "a" * 63, "$part$ $sql$", "{x} {0}", "\\echo `touch /tmp/never`", "/* --", "two\r\nlines",
]  # fmt: skip


class Psql:
    """The program for a server, and a script in a file of its own."""

    def __init__(self, place: Path, database) -> None:  # type: ignore[no-untyped-def]
        self.file, self.database = place / "script.sql", database
        self.program = client_program("psql", database.server.version * 10_000)

    def command(self, script: str, dsn: str = "", **settings: object) -> list[str]:
        self.file.write_text(script, newline="")
        given = [part for name, value in settings.items() for part in ("-v", f"{name}={value}")]
        return [str(self.program), "-X", "-d", dsn or self.database.superuser_dsn, *given, "-f", str(self.file)]

    def run(self, script: str, dsn: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(script, dsn, **settings), capture_output=True, text=True, check=False)

    def succeeds(self, script: str, dsn: str = "", **settings: object) -> list[str]:
        done = self.run(script, dsn, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ERROR" not in done.stderr
        return done.stdout.splitlines()

    def gives_up(self, script: str, dsn: str = "", **settings: object) -> str:
        """The last error, which is the only one but for those of single tries."""
        done = self.run(script, dsn, **settings)
        assert done.returncode == 3, done.stdout + done.stderr
        return done.stderr.strip().splitlines()[-1].partition("ERROR:  ")[2]

    def start(self, script: str, **settings: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(script, **settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def dump(self) -> str:
        """The schema as pg_dump prints it, without the random words of \\restrict."""
        program = client_program("pg_dump", self.database.server.version * 10_000)
        arguments = [str(program), "--schema-only", "-d", self.database.superuser_dsn]
        text = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
        return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


@pytest.fixture
def shop(any_postgres, scratch_database, tmp_path):
    database = scratch_database(any_postgres)
    database.execute(SCHEMA, "insert into shop_customer (email) values ('a'), ('a')")
    return database


@pytest.fixture
def psql(shop, tmp_path):
    return Psql(tmp_path, shop)


def read_until(stream, words: str) -> str:
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")


def one(shop, kind="single"):
    """Creation of one index, and its name."""
    facts = facts_of(shop)
    change = creation(definition(kind, facts), facts)
    return change, rollout([change], DATE, {change.name: 3 << 20})


def email_unique(shop):
    facts = facts_of(shop)
    return creation(IndexDefinition(facts.find_table("shop_customer"), (IndexColumn("email"),), is_unique=True), facts)


@pytest.mark.postgres
def test_every_kind_there_again_and_back(shop, psql):
    facts, before = facts_of(shop), psql.dump()
    changes, planned, wanted = [], [], {}
    for kind in KINDS:
        changes.append(creation(definition(kind, facts), facts, planned))
        planned.append(changes[-1].name)
        wanted |= defined_by_ddl(shop, changes[-1].ddl)
    made = rollout(changes, DATE, dict.fromkeys(planned, 1 << 20))
    said = psql.succeeds(made.script)
    assert index_definitions(shop) == wanted
    assert [line.split()[1] for line in said if line.startswith("OK: public")] == [f"public.{name}" for name in planned]
    assert said[-2:] == ["Done.", ""] or said[-1] == "Done."
    after = psql.dump()
    oids = index_oids(shop)
    psql.succeeds(made.script)
    assert (psql.dump(), index_oids(shop)) == (after, oids)
    psql.succeeds(made.undo)
    assert psql.dump() == before
    psql.succeeds(made.undo)

    psql.succeeds(made.script)
    facts = facts_of(shop)
    table = facts.find_table("shop_orderline")
    # PostgreSQL prints IN in another way once it has read its own print
    taken = [i for i in table.indexes if not i.is_primary and " ANY " not in (i.predicate or "")]
    dropped = rollout([removal(index, table, facts) for index in taken], DATE)
    psql.succeeds(dropped.script)
    assert set(index_definitions(shop)) == set(wanted) - {i.name for i in taken}
    psql.succeeds(dropped.script)
    psql.succeeds(dropped.undo)
    assert psql.dump() == after


def index_oids(database):
    with database.connect() as connection:
        return connection.execute("select oid from pg_class where relkind in ('i', 'I') order by oid").fetchall()


def test_names_of_files_and_the_head(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute(SCHEMA)
    _, made = one(database)
    assert made.file_name == "202611241705_add_ix_shop_orderline_quantity.rollout.sql"
    assert made.undo_file_name == "202611241705_add_ix_shop_orderline_quantity.undo.sql"
    assert made.script.startswith(
        "-- Create index ix_shop_orderline_quantity on public.shop_orderline\n"
        f"-- Run it as the tables' owner: psql -X -d DATABASE -f {made.file_name}\n"
    )
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_orderline_quantity ON public.shop_orderline (quantity)" in (
        made.script
    )
    assert made.script.endswith(f"-- Undo: psql -X -f {made.undo_file_name}\n")


@pytest.mark.postgres
def test_waits_for_a_lock_and_goes_on_when_it_is_gone(shop, psql):
    change, made = one(shop)
    with shop.connect(autocommit=False) as blocker:
        blocker.execute("lock table shop_orderline in share row exclusive mode")
        running = psql.start(made.script, tries=1000, pause_s=0.05)
        line = read_until(running.stderr, "waits for")
        pid = blocker.info.backend_pid
        assert re.search(
            rf"NOTICE:  the build of public\.ix_shop_orderline_quantity waits for pid {pid} \(role postgres,"
            r" idle in transaction, open for \d\d:\d\d:\d\d, ShareRowExclusiveLock\); look 1 of 1000",
            line,
        ), line
        blocker.rollback()
        out, _ = running.communicate()
    assert running.returncode == 0
    assert "Done." in out
    assert set(index_definitions(shop)) == {change.name}


@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["share row exclusive", "row exclusive"])
def test_gives_up_in_one_sentence_when_the_lock_stays(shop, psql, mode):
    _, made = one(shop)
    with shop.connect(autocommit=False) as blocker:
        blocker.execute(f"lock table shop_orderline in {mode} mode")
        done = psql.run(made.script, tries=2, pause_s=0, brief_s=0)
        pid = blocker.info.backend_pid
        blocker.rollback()
    assert done.returncode == 3
    name = mode.title().replace(" ", "")
    (error,) = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert re.fullmatch(
        r"psql:.*: ERROR:  Gave up on the build of public\.ix_shop_orderline_quantity after 2 looks: in the way is"
        rf" still pid {pid} \(role postgres, idle in transaction, open for 00:00:\d\d, {name}Lock\)\."
        r" Run this script again when that has ended\.",
        error,
    ), error
    assert index_definitions(shop) == {}
    psql.succeeds(made.script)


@pytest.mark.postgres
def test_a_writer_that_came_in_time_and_stays_leaves_an_invalid_index_that_is_named(shop, psql):
    """A busy table always has writers: the build itself waits for each, and so does the drop of what it leaves."""
    change, made = one(shop)
    with shop.connect(autocommit=False) as writer:
        writer.execute("lock table shop_orderline in row exclusive mode")
        error = psql.gives_up(made.script, brief_s=3600, build_wait_s=1, lock_timeout_s=1)
        writer.rollback()
    assert error == (
        "Gave up on the build of public.ix_shop_orderline_quantity: others kept it waiting for too long. The invalid"
        " index public.ix_shop_orderline_quantity is left, which costs writes and serves nothing; this script drops it"
        " when it runs again. Steps done before stay; run this script again once that is solved."
    )
    assert set(index_definitions(shop)) == {f"{change.name} INVALID"}
    psql.succeeds(made.script)
    assert set(index_definitions(shop)) == {change.name}


@pytest.mark.postgres
def test_a_build_that_was_kept_waiting_is_cleaned_up_and_tried_again(shop, psql):
    change, made = one(shop)
    with shop.connect(autocommit=False) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1").fetchall()  # its snapshot stands at the end of the build
        running = psql.start(made.script, build_wait_s=1)
        read_until(running.stderr, "canceling statement due to lock timeout")
        reader.rollback()
        running.communicate()
    assert running.returncode == 0
    assert set(index_definitions(shop)) == {change.name}


@pytest.mark.postgres
def test_a_build_that_is_always_kept_waiting_leaves_nothing(shop, psql):
    _, made = one(shop)
    with shop.connect(autocommit=False) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1").fetchall()
        done = psql.run(made.script, build_wait_s=1)
        reader.rollback()
    assert done.returncode == 3
    assert done.stderr.count("lock timeout") == 3
    assert done.stderr.splitlines()[-1].endswith(
        "ERROR:  Gave up on the build of public.ix_shop_orderline_quantity: others kept it waiting for too long."
        " Steps done before stay; run this script again once that is solved."
    )
    assert index_definitions(shop) == {}


@pytest.mark.postgres
def test_an_old_snapshot_stops_a_build_before_it_starts(shop, psql):
    _, made = one(shop)
    with shop.connect(autocommit=False) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1").fetchall()
        error = psql.gives_up(made.script, tries=1, long_s=0)
        assert f"in the way is still pid {reader.info.backend_pid} (role postgres, idle in transaction" in error
        reader.rollback()
    assert index_definitions(shop) == {}


@pytest.mark.postgres
def test_prepared_transaction_in_the_way(private_postgres, scratch_database, tmp_path):
    database = scratch_database(private_postgres(15, settings={"max_prepared_transactions": 2}))
    database.execute(SCHEMA)
    _, made = one(database)
    psql = Psql(tmp_path, database)
    with database.connect() as connection:
        connection.execute("begin")
        connection.execute("insert into shop_customer (email) values ('x')")
        connection.execute("lock table shop_orderline in row exclusive mode")
        connection.execute("prepare transaction 'it''s'")
        error = psql.gives_up(made.script, tries=1)
        assert re.search(
            r"still prepared transaction 'it''s' \(role postgres, open for 00:00:\d\d\): COMMIT PREPARED or"
            r" ROLLBACK PREPARED ends it\. Run",
            error,
        ), error
        connection.execute("rollback prepared 'it''s'")
    psql.succeeds(made.script)


@pytest.mark.postgres
def test_invalid_leftovers_are_removed(shop, psql):
    shop.execute("delete from shop_customer where id > 1")
    change = email_unique(shop)
    shop.execute("insert into shop_customer (email) values ('a')")
    for name in (change.name, "by another name"):
        with shop.connect() as connection, pytest.raises(Exception, match="could not create unique index"):
            connection.execute(f'create unique index concurrently "{name}" on shop_customer (email)')
    facts = facts_of(shop)
    table = facts.find_table("shop_customer")
    same = creation(IndexDefinition(table, (IndexColumn("email"),), is_unique=True), facts, name=change.name)
    made = rollout([same], DATE)
    shop.execute("delete from shop_customer where id > 1")
    assert set(index_definitions(shop)) == {f"{change.name} INVALID", "by another name INVALID"}
    psql.succeeds(made.script)
    assert set(index_definitions(shop)) == {change.name}
    oids = index_oids(shop)
    psql.succeeds(made.script)
    assert index_oids(shop) == oids


@pytest.mark.postgres
def test_what_no_retry_helps_is_said_once(shop, psql):
    done = psql.run(rollout([email_unique(shop)], DATE).script)
    assert done.returncode == 3
    assert [line.partition("ERROR:  ")[2] for line in done.stderr.splitlines() if "ERROR" in line] == [
        'could not create unique index "ix_shop_customer_email"',
        'Gave up on the build of public.ix_shop_customer_email: could not create unique index "ix_shop_customer_email".'
        " Steps done before stay; run this script again once that is solved.",
    ]
    assert index_definitions(shop) == {}


EVENTS = (
    "create table events (at date not null, kind int, payload text) partition by range (at)",
    "create table events_2023 partition of events for values from ('2023-01-01') to ('2024-01-01')",
    "create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01')"
    " partition by list (kind)",
    "create schema archive",
    'create table archive."Events %s:x" partition of events_2024 for values in (1)',
    "create table events_2024_rest partition of events_2024 default",
    "create index by_hand on events_2023 (kind, at desc)",
    "insert into events values ('2023-05-05', 1, 'a'), ('2024-05-05', 1, 'b'), ('2024-05-05', 2, 'c')",
)


@pytest.mark.postgres
def test_partitioned_table_there_and_back(shop, psql):
    shop.execute(*EVENTS)
    facts, before = facts_of(shop), psql.dump()
    wanted = IndexDefinition(facts.find_table("events"), (IndexColumn("kind"), IndexColumn("at", descending=True)))
    made = rollout([creation(wanted, facts)], DATE, {"ix_events_kind_at": 6 << 20})
    said = psql.succeeds(made.script)
    assert "OK: public.ix_events_kind_at is valid for the whole table" in said
    assert set(index_definitions(shop)) == {
        "ix_events_kind_at", "ix_events_2024_kind_at", "by_hand", "ix_Events %s:x_kind_at",
        "ix_events_2024_rest_kind_at",
    }  # fmt: skip
    after, oids = psql.dump(), index_oids(shop)
    psql.succeeds(made.script)
    assert (psql.dump(), index_oids(shop)) == (after, oids)
    psql.succeeds(made.undo)
    assert psql.dump() == before
    psql.succeeds(made.script)

    facts = facts_of(shop)
    table = facts.find_table("events")
    dropped = rollout([removal(table.indexes[0], table, facts)], DATE)
    psql.succeeds(dropped.script)
    assert index_definitions(shop) == {}
    psql.succeeds(dropped.undo)
    assert psql.dump() == after
    psql.succeeds(dropped.undo)
    assert psql.dump() == after


@pytest.mark.postgres
def test_partition_newer_than_the_script_is_named(shop, psql):
    shop.execute(*EVENTS[:2])
    facts = facts_of(shop)
    made = rollout([creation(IndexDefinition(facts.find_table("events"), (IndexColumn("kind"),)), facts)], DATE)
    shop.execute("create table events_2030 partition of events for values from ('2030-01-01') to ('2031-01-01')")
    assert psql.gives_up(made.script) == (
        "The index public.ix_events_kind is not valid: these partitions have none attached, perhaps since they are"
        " newer than this script: public.events_2030. Make the script anew and run it."
    )


@pytest.mark.postgres
def test_a_reader_in_the_way_of_a_partitioned_drop(shop, psql):
    shop.execute(*EVENTS[:2], "create index whole on events (kind)")
    facts = facts_of(shop)
    table = facts.find_table("events")
    made = rollout([removal(table.indexes[0], table, facts)], DATE)
    with shop.connect(autocommit=False) as reader:
        reader.execute("select * from events").fetchall()
        error = psql.gives_up(made.script, tries=1, brief_s=0)
        assert f"on the drop of public.whole after 1 looks: in the way is still pid {reader.info.backend_pid}" in error
        running = psql.start(made.script, lock_timeout_s=1)
        read_until(running.stderr, "canceling statement due to lock timeout")
        reader.rollback()
        running.communicate()
    assert running.returncode == 0
    assert index_definitions(shop) == {}


@pytest.mark.postgres
def test_hostile_names(shop, psql):
    with shop.connect() as connection:
        for name in HOSTILE:
            quoted = quote_identifier(name)
            connection.execute(f"create schema {quoted}".encode())
            connection.execute(f"create table {quoted}.{quoted} ({quoted} int, b int)".encode())
    facts, before = facts_of(shop), psql.dump()
    wanted, changes = {}, []
    for name in HOSTILE:
        quoted = quote_identifier(name)
        columns = (IndexColumn(name), IndexColumn(f"{quoted} + b", is_expression=True))
        each = IndexDefinition(facts.find_table(name, name), columns, predicate=f"{quoted} > 1", include=(name,))
        changes.append(creation(each, facts))
        wanted |= defined_by_ddl(shop, changes[-1].ddl)
    made = rollout(changes, DATE, database=HOSTILE[2])
    psql.succeeds(made.script)
    assert index_definitions(shop) == wanted
    psql.succeeds(made.undo)
    assert psql.dump() == before
    psql.succeeds(made.script)
    facts = facts_of(shop)
    tables = [facts.find_table(name, name) for name in HOSTILE]
    dropped = rollout([removal(t.indexes[0], t, facts) for t in tables], DATE)
    psql.succeeds(dropped.script)
    assert index_definitions(shop) == {}
    psql.succeeds(dropped.undo)
    assert index_definitions(shop) == wanted
    assert not Path("/tmp/never").exists()


@pytest.mark.postgres
def test_a_slice_is_no_variable_of_psql(shop, psql):
    shop.execute("create table boxes (a int[], tries int)")
    facts = facts_of(shop)
    wanted = IndexDefinition(facts.find_table("boxes"), (IndexColumn("a[1:tries]", is_expression=True),))
    psql.succeeds(rollout([creation(wanted, facts)], DATE).script)
    assert "a[1:tries]" in index_definitions(shop)["ix_boxes_a_1_tries"]


def test_colons_apart_leaves_casts_and_texts():
    assert colons_apart("select a[1:b], 'x:y', \"é:q\", c::int, $$:d$$") == (
        "select a[1: b], 'x:y', \"é:q\", c::int, $$:d$$"
    )


@pytest.mark.postgres
def test_a_function_of_the_same_name_does_not_step_in(shop, psql):
    """One in public with just these types would be called before the variadic one of pg_catalog."""
    _, made = one(shop)
    shop.execute("create function public.format(text, text) returns text language sql as $$ select 1 / 0 || '' $$")
    psql.succeeds(made.script)


@pytest.mark.postgres
def test_checks_stop_before_anything_is_changed(shop, psql):
    _, made = one(shop)
    owner = "postgres"
    assert psql.gives_up(made.script, dsn=shop.dsn) == (
        f"Role {shop.login} may not change indexes of public.shop_orderline: run this script as {owner}, who owns it."
    )
    assert psql.gives_up(made.script, dsn=shop.server.dsn()) == (
        "There is no table public.shop_orderline in database postgres: is this the right one?"
    )
    shop.execute("create sequence ix_shop_orderline_quantity")
    assert psql.gives_up(made.script) == (
        "The name public.ix_shop_orderline_quantity is taken by something that is no index of public.shop_orderline."
    )
    shop.execute("drop sequence ix_shop_orderline_quantity")
    change, _ = one(shop)
    too_big = rollout([change], DATE, {change.name: 10**15})
    beside = shop.server.socket_dsn(shop.name)
    assert re.fullmatch(
        r"Too little free disk: about 1819 TB needed, \d+ .B free\.",
        psql.gives_up(too_big.script, dsn=beside),
    )
    assert index_definitions(shop) == {}
    said = psql.succeeds(too_big.script)
    assert said[0].startswith(
        "Disk: about 1819 TB needed (2 times the indexes: a build sorts about as much again), free disk cannot be seen"
    )


@pytest.mark.postgres
def test_what_a_plain_role_cannot_see_is_said(shop, psql):
    with shop.connect() as connection:
        connection.execute("create role plain_owner login password 'x'")
        try:
            connection.execute("grant create, usage on schema public to plain_owner")
            connection.execute("alter table shop_orderline owner to plain_owner")
            change, made = one(shop)
            said = psql.succeeds(made.script, dsn=shop.server.dsn(shop.name, "plain_owner", "x"))
            assert (
                "Role plain_owner cannot see the transactions of other roles' sessions, 1 here;"
                " pg_monitor would show them."
            ) in said
            assert set(index_definitions(shop)) == {change.name}
        finally:
            connection.execute("reassign owned by plain_owner to postgres")
            connection.execute("drop owned by plain_owner")
            connection.execute("drop role plain_owner")
