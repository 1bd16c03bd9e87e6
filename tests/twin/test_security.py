"""A hostile database: nothing it ships reaches the machine, the superuser, or another statement.

Each trick leaves a mark in a file or a table; ``test_tricks_would_work`` runs the same ones as superuser to show that
the marks would be there.
"""

import os
import stat
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.runtime.processes import RuntimeFailure
from analyzer.twin import lease
from analyzer.twin.cluster import SAFE_OPTIONS
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

# run by whoever evaluates it; each attempt by itself, so that one refusal does not spare the others
ATTACK = """
create function public.attack() returns int language plpgsql as $$
declare attempt text;
begin
    -- at peace on the server that ships it; not twice at once: its own DDL fires it again
    if coalesce(current_setting('hostile.peace', true), '') = 'on' then return 1; end if;
    perform set_config('hostile.peace', 'on', false);
    foreach attempt in array array[
        'reset session authorization', 'reset role', 'set role postgres', 'set session authorization postgres',
        'copy (select 1) to program ''touch {mark}''',
        'copy (select 1) to ''{mark}''',
        'select pg_catalog.lo_export(pg_catalog.lo_from_bytea(0, ''x''), ''{mark}'')',
        'alter role current_user superuser',
        'alter system set archive_command = ''touch {mark}''',
        'alter database twin set session_preload_libraries = ''evil''',
        'create extension dblink', 'create extension file_fdw',
        'create language plpython3u',
        'create function evil() returns int language c as ''libc.so.6'', ''system''',
        'grant pg_execute_server_program to current_user',
        'update pg_catalog.pg_authid set rolsuper = true',
        'select pg_catalog.pg_read_file(''/etc/passwd'')',
        'create event trigger evil on ddl_command_end execute function attack()',
        'select pg_catalog.set_config(''transaction_read_only'', ''off'', false)',
        'create table if not exists public.mark (made_by text)'
    ] loop
        begin
            execute attempt;
        exception when others then null;
        end;
    end loop;
    perform set_config('hostile.peace', 'off', false);
    return 1;
end $$;
"""
SCHEMA = """
create function public.hidden_attack(x int) returns int language plpgsql immutable as
    $$ begin perform public.attack(); return x; end $$;
create domain trap as int check (public.hidden_attack(value) is not null) default public.hidden_attack(0);
create table victim (
    id int primary key default public.hidden_attack(1),
    trapped trap,
    twice int generated always as (public.hidden_attack(5)) stored,
    name text check (public.hidden_attack(3) = 3)
);
create index victim_attack on victim (public.hidden_attack(id)) where public.hidden_attack(7) = 7;
create view attacking as select public.hidden_attack(9) as x, id from victim where id > public.hidden_attack(2);
create table split (k int) partition by range (k);
create table split_1 partition of split for values from (public.hidden_attack(0)) to (10);
create function fires() returns event_trigger language plpgsql as $$ begin perform public.attack(); end $$;
create function fires_row() returns trigger language plpgsql as $$ begin perform public.attack(); return new; end $$;
create trigger fires_row before insert on victim for each row execute function fires_row();
create function from_c(int) returns int language internal as 'int4abs';
create table "x
\\! touch {mark}
select 1; --" (id int);
comment on table victim is E'\\n\\\\! touch {mark}\\n\\\\connect - postgres\\n';
create function escaping() returns int language sql as E'select 1\\n/*\\n\\\\! touch {mark}\\n*/';
insert into victim (id, trapped, name) select g, g, 'n' || g from generate_series(1, 300) as g;
create schema pgloupe_twin;
create function pgloupe_twin.switch(oid[], oid[]) returns void language sql as 'select public.attack()';
create function pgloupe_twin.pg_buffercache_evict_relation(regclass) returns bool language plpgsql as
    $$ begin perform public.attack(); return true; end $$;
create function public.pg_relation_filepath(oid) returns text language plpgsql as
    $$ begin perform public.attack(); return '../../../x'; end $$;
create function public.evil_equals(name, char) returns bool language plpgsql as
    $$ begin perform public.attack(); return true; end $$;
create operator public.= (leftarg = name, rightarg = char, function = public.evil_equals);
create table public.pg_class (oid oid, relname name);
create view public.pg_stats as select public.attack() as schemaname;
create extension dblink;
create extension file_fdw;
create server files foreign data wrapper file_fdw;
create server other foreign data wrapper dblink_fdw options (host '127.0.0.1');
create user mapping for current_user server other options (user 'u', password 'secret_of_the_mapping');
create foreign table passwords (line text) server files options (program 'touch {mark}; cat /etc/passwd');
create event trigger fires on ddl_command_end execute function fires();
"""


@pytest.fixture
def mark(own_dir):
    """A file that every user may make."""
    own_dir.chmod(0o777)
    return own_dir / "reached"


@pytest.fixture
def hostile(scratch_database, postgres18, mark):
    """At peace as long as it is on its own server, which other tests use."""
    database = scratch_database(postgres18)
    database.execute(f"alter database {database.name} set hostile.peace = on")  # not in the dump: it stays here
    with database.connect() as connection:
        connection.execute(ATTACK.format(mark=mark).encode())
        connection.execute(SCHEMA.format(mark=mark).encode())
        connection.execute("analyze")
        assert connection.execute("select to_regclass('public.mark')").fetchone() == (None,)
    assert not mark.exists()
    return database


def query(sql):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0)


def test_nothing_of_a_hostile_schema_is_reached(hostile, var_dir, mark):
    settings = settings_of(hostile.superuser_dsn)
    with connect(settings) as connection:
        victim = read_schema(connection).find_table("victim")
    with lease(settings, var_dir) as found:
        lacking = {missing.name for missing in found.missing}
        assert {"public.from_c(integer)", "pgloupe_twin.switch(oid[], oid[])"} <= lacking
        # what ran while restoring did so as the role, which may make tables in its own database
        superuser = found._superuser
        assert superuser.execute("select to_regclass('public.mark')").fetchone() == ("public.mark",)
        found._role.execute("drop table public.mark")
        for sql in (
            "select * from attacking",
            "select * from victim where id = public.hidden_attack(4)",
            "select public.attack()",
            "insert into victim (id) values (public.hidden_attack(1))",
            "select * from victim where trapped = 5::trap",
            "select escaping()",
            "select * from passwords",
            "select * from dblink('host=127.0.0.1', 'select 1') as x (a int)",
        ):
            found.plan(query(sql))
        # what runs while planning runs read-only
        assert superuser.execute("select to_regclass('public.mark')").fetchone() == (None,)
        made = found.hypothesize(
            [
                IndexDefinition(victim, (IndexColumn("public.hidden_attack(id)", is_expression=True),)),
                IndexDefinition(victim, (IndexColumn("id"),), predicate="public.hidden_attack(1) = 1"),
                IndexDefinition(
                    victim, (IndexColumn("id"),), predicate="id > 1; create table public.mark (made_by text)"
                ),
            ]
        )
        assert isinstance(made[2], Refused)
        for index in made[:2]:
            found.plan(query("select * from victim where public.hidden_attack(id) = 3"), [index.id])
        assert not mark.exists()
        assert superuser.execute("select rolname from pg_roles where rolsuper").fetchall() == [("postgres",)]
        assert superuser.execute("select count(*) from pg_event_trigger").fetchone() == (0,)
        assert superuser.execute("select count(*) from pg_trigger where not tgisinternal").fetchone() == (0,)
        languages = superuser.execute(
            "select distinct lanname from pg_proc p join pg_language l on l.oid = p.prolang"
            " where pg_get_userbyid(proowner) = 'pgloupe_twin'"
        ).fetchall()
        assert set(languages) <= {("plpgsql",), ("sql",)}
        # a name cannot end its line, nor is there a psql to escape to
        (row,) = superuser.execute("select count(*) from pg_class where relname ~ E'^x\\n'").fetchall()
        assert row == (1,)
        for catalog in ("pg_foreign_server", "pg_user_mapping", "pg_foreign_data_wrapper"):
            assert superuser.execute(f"select count(*) from {catalog}").fetchone() == (0,), catalog
        extensions = superuser.execute("select extname from pg_extension").fetchall()
        assert {"dblink", "file_fdw"}.isdisjoint(name for (name,) in extensions)
        settings_of_database = "select count(*) from pg_db_role_setting where setdatabase <> 0 or setrole = 10"
        assert superuser.execute(settings_of_database).fetchone() == (0,)
        assert superuser.execute(
            "select count(*) from pg_auth_members where pg_get_userbyid(member) = 'pgloupe_twin'"
        ).fetchone() == (0,)


def test_tricks_would_work_for_a_superuser(hostile, var_dir, mark, monkeypatch):
    """The same schema restored by the superuser: the mark is there, so the test above can fail."""
    monkeypatch.setattr("analyzer.twin.restore.ROLE", "postgres")
    settings = replace(settings_of(hostile.superuser_dsn), host="localhost")  # a place of its own
    # one of the tricks makes every later session of that database fail
    with pytest.raises(RuntimeFailure) as caught, lease(settings, var_dir):
        pass
    assert 'could not access file "evil"' in str(caught.value.__cause__)
    assert mark.exists()


def test_superuser_never_looks_into_the_restored_schemas(hostile, var_dir):
    assert "search_path=pg_catalog" in SAFE_OPTIONS
    with lease(settings_of(hostile.superuser_dsn), var_dir) as found:
        assert found._superuser.execute("select current_schemas(true)").fetchone() == (["pg_catalog"],)


def test_only_the_switch_runs_with_the_superusers_rights(hostile, var_dir):
    with lease(settings_of(hostile.superuser_dsn), var_dir) as found:
        owned = found._superuser.execute(
            "select proname from pg_proc where prosecdef and proowner = 10 and oid >= 16384"
        ).fetchall()
        assert owned == [("switch",)]
        role = found._planning.connection
        role.execute("begin read write")
        role.execute("select pgloupe_twin.switch('{}', '{2662,2663,1259}')")  # indexes of pg_class
        assert role.execute("select indisvalid from pg_index where indexrelid = 2662").fetchone() == (True,)
        role.execute("rollback")
        for statement in ("update pg_index set indisvalid = false", "select pg_read_file('/etc/passwd')", "checkpoint"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                role.execute(f"begin read write; {statement}")
            role.execute("rollback")


def test_dump_and_data_are_private(hostile, var_dir):
    with lease(settings_of(hostile.superuser_dsn), var_dir) as found:
        data = Path(found._superuser.execute("show data_directory").fetchone()[0])
        directory = data.parent.parent
        for name in ("schema.dump", "source.json", "slot-0/built.json"):
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name
        dump = (directory / "schema.dump").read_bytes()
        assert b"CREATE SERVER other" in dump
        assert b"secret_of_the_mapping" not in dump
        assert stat.S_IMODE(os.stat(data).st_mode) == 0o700
        assert found._superuser.execute("show listen_addresses").fetchone() == ("",)


def test_endless_and_hungry_functions_are_stopped(scratch_database, postgres18, var_dir, monkeypatch):
    database = scratch_database(postgres18)
    database.execute(
        "create function spins(x int) returns int language plpgsql immutable as $$ begin loop end loop; end $$",
        "create function eats(x int) returns int language plpgsql immutable as"
        " $$ declare t text := 'x'; begin loop t := t || t; end loop; end $$",
        "create table t (a int)",
    )
    monkeypatch.setattr("analyzer.twin.limits.TIMEOUT_MS", 1000)
    with lease(settings_of(database.superuser_dsn), var_dir) as found:
        spun = found.plan(query("select * from t where a = spins(1)"))
        assert spun == Refused("Planning it took longer than 1 s on the twin.")
        assert isinstance(found.plan(query("select * from t where a = eats(1)")), Refused)
        assert not isinstance(found.plan(query("select * from t where a = 1")), Refused)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1; drop table victim", "drop table victim", "explain analyze select 1", "select 1 into x",
        "create table x as select 1", "copy victim to stdout", "set role postgres", "commit", "prepare p as select 1",
        "execute p", "do $$ begin end $$", "vacuum victim", "declare c cursor for select 1", "",
        "select 1\0; commit", "select * from victim /*", "call p()", "lock victim", "listen x",
        "refresh materialized view x",
    ],
)  # fmt: skip
def test_what_is_no_single_plannable_statement_is_refused(sql, private_twin):
    sent = private_twin.plans_made
    assert isinstance(private_twin.plan(query(sql)), Refused)
    assert private_twin.plans_made == sent


def test_statements_that_write_are_planned_and_not_run(private_twin):
    for sql in (
        "insert into victim select 1",
        "delete from victim",
        "update victim set id = 2",
        "with gone as (delete from victim returning *) select * from gone",
        "merge into victim using victim as v on v.id = victim.id when matched then delete",
        "select * from victim for update",
    ):
        assert not isinstance(private_twin.plan(query(sql)), Refused), sql
    row = private_twin._superuser.execute("select pg_catalog.count(*) from only public.victim").fetchone()
    assert row == (0,)


def test_settings_of_the_server_and_its_roles_cannot_change_how_text_is_read(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    database.execute("create table t (a text)", f"alter database {database.name} set standard_conforming_strings = off")
    for name, value in {
        "standard_conforming_strings": "off", "client_encoding": "SJIS", "exit_on_error": "on",
        "statement_timeout": "1", "default_transaction_read_only": "off", "search_path": "evil",
        "session_authorization": "postgres", "random_page_cost": "7",
    }.items():  # fmt: skip
        database.execute(f"alter role {database.login} in database {database.name} set {name} = '{value}'")
    # to a server with standard_conforming_strings off these are two statements
    crafted = r"select 'a\', (select 1), '; rollback; create table made_by_text (a int) --'"
    with lease(settings_of(database.superuser_dsn), var_dir) as found:
        for role in (None, database.login):
            found.use_role(role)
            assert not isinstance(found.plan(query(crafted)), Refused)
            show = "select current_setting(name) from unnest(%s::text[]) with ordinality as x (name, n) order by n"
            names = ["standard_conforming_strings", "client_encoding", "exit_on_error", "statement_timeout",
                     "default_transaction_read_only", "session_authorization"]  # fmt: skip
            told = [value for (value,) in found._planning.connection.execute(show, [names]).fetchall()]
            assert told == ["on", "UTF8", "off", "10s", "on", "pgloupe_twin"]
        assert found._planning.connection.execute("show random_page_cost").fetchone() == ("7",)
        assert found._superuser.execute("select to_regclass('public.made_by_text')").fetchone() == (None,)


@pytest.fixture(scope="module")
def private_twin(postgres, var_dir):
    from tests.servers import ScratchDatabase

    database = ScratchDatabase(postgres(18))
    database.execute("create table victim (id int)")
    with lease(settings_of(database.superuser_dsn), var_dir) as found:
        yield found
    database.drop()
