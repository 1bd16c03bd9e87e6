"""Constraints, triggers, sequences and the like are read as they were made, on every version."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import decode, decode_cluster, encode, encode_cluster
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres
MADE = (
    "create table author (id int generated always as identity primary key, name varchar(40) default 'no''body',"
    " born date, mail text unique, check (born > '1000-01-01')) with (fillfactor = 70, autovacuum_enabled = off)",
    "alter table author alter column name set statistics 500",
    "create unlogged table scratch (id serial, amount money, during tstzrange, exclude using gist (during with &&))",
    "alter table scratch add constraint positive check (amount > 0::money) not valid",
    "create type mood as enum ('sad', 'glad')",
    "create domain short as varchar(3)",
    "create table feeling (at timestamp not null, mood mood, tag short)",
    "create function touch() returns trigger language plpgsql security definer set search_path = pg_catalog as"
    " $$ begin return new; end $$",
    "create function open_door(a int) returns int language sql security definer as $$ select 1 $$",
    "revoke execute on function touch() from public",
    "grant execute on function touch() to pg_signal_backend, current_user",
    "create function idle() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger touched before insert or update on author for each row execute function touch()",
    "alter table author disable trigger touched",
    "alter table feeling enable row level security",
    "create policy own on feeling as restrictive for update using (mood = 'glad') with check (tag = 'a')",
    "create sequence lone minvalue -5 maxvalue 10 increment by 2 cycle cache 3",
    "create statistics pair (dependencies, mcv) on mood, tag from feeling",
    "create schema shared_desk",
    "grant create, usage on schema shared_desk to public",
    "grant select, insert on feeling to public",
    "insert into author (name) select 'a' || g from generate_series(1, 300) g",
    "analyze author",
)


@pytest.fixture
def made(any_postgres: Any, scratch_database: Any) -> Any:
    database = scratch_database(any_postgres)
    database.execute(*MADE)
    with database.connect() as session:  # before 15 the times come by way of another process
        analyzed = "select from pg_stat_user_tables where relname = 'author' and last_analyze is not null"
        wait_for(lambda: session.execute(analyzed).fetchone() is not None)
    return database


def read(database: Any, earlier: SchemaFacts | None = None) -> SchemaFacts:
    with connect(ConnectionSettings.from_dsn(database.superuser_dsn)) as conn:
        return read_schema(conn, earlier)


def test_what_tables_carry(made):
    facts = read(made)
    author, scratch, feeling = (facts.find_table(name) for name in ("author", "scratch", "feeling"))
    assert facts.parts_not_read == {}
    assert author.storage_options == {"fillfactor": "70", "autovacuum_enabled": "off"}
    assert (author.persistence, scratch.persistence, author.replica_identity) == ("p", "u", "d")
    name, mood, tag = author.column("name"), feeling.column("mood"), feeling.column("tag")
    assert (name.statistics_target, name.default, name.storage) == (500, "'no''body'::character varying", "x")
    assert (author.column("id").identity, scratch.column("id").default) == (
        "a", "nextval('public.scratch_id_seq'::regclass)"
    )  # fmt: skip
    assert (mood.type_kind, mood.type_category, tag.type_kind, tag.type_category) == ("e", "E", "b", "S")
    assert (feeling.column("at").length_bytes, feeling.column("at").alignment) == (8, "d")
    kinds = {c.name: (c.kind, c.columns, c.is_validated) for c in scratch.constraints if c.kind != "n"}
    assert kinds == {
        "positive": ("c", ("amount",), False), "scratch_during_excl": ("x", ("during",), True),
    }  # fmt: skip
    (check,) = (c for c in author.constraints if c.kind == "c")
    assert check.definition == "CHECK ((born > '1000-01-01'::date))"
    (trigger,) = author.triggers
    assert (trigger.name, trigger.function, trigger.when, trigger.events, trigger.enabled, trigger.is_for_each_row) == (
        "touched", "public.touch", "BEFORE", ("INSERT", "UPDATE"), "D", True
    )  # fmt: skip
    (policy,) = feeling.policies
    assert (policy.is_permissive, policy.command, policy.roles) == (False, "UPDATE", ("public",))
    assert "glad" in policy.using
    assert "tag" in policy.check
    assert feeling.public_privileges == ("INSERT", "SELECT")
    assert author.public_privileges == scratch.triggers == scratch.policies == ()
    assert author.storage.analyzed_at is not None
    assert author.storage.vacuumed_at is None
    assert author.storage.total_bytes > author.size_bytes > 0
    assert author.storage.frozen_xid_age < 10_000
    with made.connect() as session:
        measured = session.execute(
            "select pg_table_size('author') - pg_total_relation_size(reltoastrelid),"
            " pg_total_relation_size(reltoastrelid), pg_indexes_size('author') from pg_class where relname = 'author'"
        ).fetchone()
    sizes = author.sizes
    assert (sizes.heap_bytes, sizes.toast_bytes, sizes.index_bytes) == measured
    assert decode(encode(facts)) == facts


def test_what_the_database_has_besides(made):
    facts = read(made)
    sequences = {s.name: s for s in facts.sequences}
    lone, own, serial = (sequences[name] for name in ("lone", "author_id_seq", "scratch_id_seq"))
    assert (lone.max_value, lone.increment, lone.is_cycled, lone.cache, lone.last_value) == (
        10, 2, True, 3, None
    )  # fmt: skip
    assert (own.last_value, own.column, own.is_identity, own.type_name) == (300, "id", True, "integer")
    assert own.table_oid == facts.find_table("author").oid
    assert (serial.is_identity, serial.column) == (False, "id")
    functions = {f.name: f for f in facts.functions}
    assert functions["touch"].settings == {"search_path": "pg_catalog"}
    touch = functions["touch"]
    assert (touch.is_public, touch.runners, touch.is_trigger) == (False, ("pg_signal_backend",), True)
    assert not functions["touch"].is_named_as_built_in
    open_door = functions["open_door"]
    assert (open_door.is_security_definer, open_door.is_public, open_door.signature, open_door.settings) == (
        True, True, "public.open_door(a integer)", {}
    )  # fmt: skip
    assert not functions["idle"].is_trigger
    assert (open_door.runners, open_door.is_trigger, open_door.has_sql_body) == ((), False, False)
    (pair,) = facts.extended_statistics
    assert (pair.columns, sorted(pair.kinds)) == (("mood", "tag"), ["f", "m"])
    rights = {s.name: s for s in facts.schemas}
    assert rights["shared_desk"].public_may_create


def test_a_function_with_a_body_in_sql_says_so(any_postgres, scratch_database):
    if any_postgres.version < 14:
        pytest.skip("from 14 on")
    database = scratch_database(any_postgres)
    database.execute("create function f() returns int language sql begin atomic select 1; end")
    (function,) = read(database).functions
    assert function.has_sql_body


def test_a_function_called_like_one_of_postgresqls_own_says_so(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute("create function public.lower(int) returns int language sql as 'select $1'")
    (function,) = read(database).functions
    assert function.is_named_as_built_in


def test_a_login_that_only_watches_reads_all_but_the_values(made):
    with connect(ConnectionSettings.from_dsn(made.dsn)) as conn:
        facts = read_schema(conn)
    assert facts.parts_not_read == {}
    assert {s.name for s in facts.sequences} >= {"lone", "author_id_seq"}
    for sequence in facts.sequences:
        assert sequence.is_readable or sequence.last_value is None


def test_a_part_that_cannot_be_read_costs_no_other(made):
    made.execute(
        f"grant select on all sequences in schema public to {made.login}",
        "revoke execute on function pg_sequence_last_value(regclass) from public",
    )
    with connect(ConnectionSettings.from_dsn(made.dsn)) as conn:
        facts = read_schema(conn)
    assert {s.name for s in facts.sequences} >= {"lone", "author_id_seq"}
    assert not any(s.is_readable or s.last_value for s in facts.sequences)
    assert list(facts.parts_not_read) == ["schema_sequence_values"]
    assert "may not use function pg_sequence_last_value" in facts.parts_not_read["schema_sequence_values"]
    assert facts.find_table("author").triggers
    assert facts.functions


def test_parts_not_due_are_carried_over(made):
    first = read(made)
    made.execute("create function later() returns int language sql as 'select 1'", "drop table scratch")
    again = read(made, first)
    assert {f.name for f in again.functions} == {"touch", "open_door", "idle"}  # an hour has not gone by
    assert again.find_table("scratch") is None
    assert "scratch_id_seq" not in {s.name for s in again.sequences}
    assert again.parts_read_at["schema_functions"] == first.parts_read_at["schema_functions"]
    old = {name: at - timedelta(hours=2) for name, at in first.parts_read_at.items()}
    third = read(made, replace(first, parts_read_at=old))
    assert "later" in {f.name for f in third.functions}
    ahead = {name: at + timedelta(hours=2) for name, at in first.parts_read_at.items()}  # the clock went back since
    assert "later" in {f.name for f in read(made, replace(first, parts_read_at=ahead)).functions}


def test_the_server_as_a_whole(any_postgres, made):
    made.execute(
        f"alter role {made.login} set statement_timeout = '5s'",
        f"alter role {made.login} set lock_timeout = '9s'",
        f"alter role {made.login} in database {made.name} set lock_timeout = '3s'",
        f"alter role {made.login} set app.jwt_secret = 'hush-role'",
        f"alter database {made.name} set app.api_key = 'hush-database'",
    )
    with connect(ConnectionSettings.from_dsn(made.dsn)) as conn:
        facts = read_cluster(conn)
    assert facts.parts_not_read == {}
    assert (facts.database, facts.is_replica) == (made.name, False)
    assert facts.server_version.startswith(f"{any_postgres.version}.")
    buffers, timeout = facts.settings["shared_buffers"], facts.settings["autovacuum_naptime"]
    assert buffers.in_bytes == int(buffers.value) * 8192 > 1024**2
    assert (timeout.in_ms, timeout.unit) == (float(timeout.value) * 1000, "s")
    assert facts.settings["temp_file_limit"].in_bytes is None  # -1: no limit
    with made.connect() as session:
        assert facts.setting("jit") == session.execute("show jit").fetchone()[0]  # not as our transactions have it
        assert [facts.system] == [*session.execute("select system_identifier from pg_control_system()").fetchone()]
    databases = {database.name: database for database in facts.databases}
    own = databases[made.name]
    assert own.size_bytes > 1_000_000
    assert own.commits > 0
    assert own.sessions >= 1
    assert "template0" not in databases
    roles = {role.name: role for role in facts.roles}
    assert roles[made.login].settings["statement_timeout"] == "5s"
    assert roles[made.login].settings["lock_timeout"] == "3s"  # here
    assert facts.settings["statement_timeout"].in_ms == 5_000  # not what our own transaction has
    assert roles[made.login].can_log_in
    assert "pg_monitor" in roles[made.login].member_of
    (statements,) = (e for e in facts.extensions if e.name == "pg_stat_statements")
    assert statements.version == statements.available_version
    assert facts.checkpoints.timed + facts.checkpoints.requested >= 0
    kept = encode_cluster(facts)
    assert b"hush" not in kept  # what applications keep in settings is nobody's business
    assert facts.setting("shared_preload_libraries") != ""
    assert decode_cluster(encode_cluster(replace(facts, earlier=facts))) == facts


def test_roles_and_extensions_are_carried_over_until_an_hour_or_a_restart(made):
    def read(earlier: ClusterFacts | None = None) -> ClusterFacts:
        with connect(ConnectionSettings.from_dsn(made.dsn)) as conn:
            return read_cluster(conn, earlier)

    first = read()
    made.execute(f"alter role {made.login} set lock_timeout = '9s'")
    again = read(first)
    assert (again.roles, again.system) == (first.roles, first.system)
    assert again.parts_read_at["roles"] == first.taken_at < again.parts_read_at["databases"] == again.taken_at
    old = {name: at - timedelta(hours=2) for name, at in first.parts_read_at.items()}
    for earlier in (
        replace(first, parts_read_at=old),
        replace(first, started_at=first.started_at - timedelta(days=1)),
        replace(first, database="another"),  # whose role settings and extensions are others
    ):
        (role,) = (role for role in read(earlier).roles if role.name == made.login)
        assert role.settings["lock_timeout"] == "9s"
