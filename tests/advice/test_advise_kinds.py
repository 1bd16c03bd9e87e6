"""`manage.py advise` on a real server's pg_stat_statements: tenants, cursors, utilities, functions, equal names."""

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from analyzer.advice.advise import advise as advise_on
from analyzer.advice.gain import MeasuredTimes
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_text, curve_as_json
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.twin import lease

pytestmark = pytest.mark.postgres
RUNS = 30


@pytest.fixture
def advise(var_dir, settings):
    settings.VAR_DIR = var_dir

    def run(database):
        out = io.StringIO()
        call_command("advise", database.dsn, "--format", "json", stdout=out)
        found = json.loads(out.getvalue())
        ddl = {sql.partition(" ON ")[2] for index in found["indexes"] for sql in index["statements"]}
        return found, ddl

    return run


def grant(database):
    """As pg_read_all_data does from 14 on."""
    with database.connect() as connection:
        schemas = connection.execute("select nspname from pg_namespace where nspname !~ '^pg_|^information'").fetchall()
    for (schema,) in schemas:
        database.execute(f'grant usage on schema "{schema}" to {database.login}')
        database.execute(f'grant select on all tables in schema "{schema}" to {database.login}')
    database.execute("set pg_stat_statements.track to none", "vacuum analyze", "select pg_stat_reset()")


def repeat(database, *statements, times=RUNS):
    with database.connect() as connection:
        for _ in range(times):
            for statement in statements:
                connection.execute(statement)


def unrecorded(database, *statements):
    database.execute("; ".join(["set pg_stat_statements.track to none", *statements]))


def test_equal_names_in_other_schemas_and_months_are_statements_of_their_own(advise, scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    rows = "select g as id, repeat('u', 50) || g as email{} from generate_series(1, 40000) g"
    pads = {"auth.users": "", "public.users": ", 1 as pad", "m_2025_10": "", "m_2025_11": ""}
    tables = tuple(pads)
    made = [f"create table {name} as {rows.format(pad)}" for name, pad in pads.items()]
    unrecorded(
        database, "create schema auth", *made, "create index on auth.users (email)", "create index on m_2025_10 (email)"
    )
    grant(database)
    repeat(database, *(f"select * from {name} where email = 'u7'" for name in tables))
    found, ddl = advise(database)
    assert ddl == {"public.users (email)", "public.m_2025_11 (email)"}
    assert found["not_planned"] == {}
    assert found["problems"] == []


def test_what_postgresql_18_counts_as_one_is_named(advise, scratch_database, postgres18):
    """It tells tables apart by their names, or aliases, alone."""
    database = scratch_database(postgres18)
    unrecorded(database, *(
        f"create schema {s}; create table {s}.inv as select g as id, g % 9000 as cust from generate_series(1, 40000) g"
        for s in ("s1", "s2")
    ))  # fmt: skip
    grant(database)
    repeat(
        database,
        "select * from s1.inv where cust = 1",
        "select * from s2.inv where cust = 1",
        "select sum(id + cust) from s2.inv",
    )
    found, ddl = advise(database)
    assert ddl == {"s1.inv (cust)"}
    assert found["problems"] == [
        "PostgreSQL 18 counts a statement on tables of one name and columns in several schemas as one, so what stands"
        f" here under {name} may have run on {other} too: see whether it wants the same."
        for name, other in (("s1.inv", "s2.inv"), ("s2.inv", "s1.inv"))
    ]


def test_tenants_by_search_path_get_one_suggestion_with_the_ddl_for_each(advise, scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    names = [f"tenant_{n}" for n in (1, 2, 10)]
    unrecorded(database, *(
        f"create schema {n}; create table {n}.inv (id bigint primary key, cust int, note text);"
        f"insert into {n}.inv select g, g % 9000, repeat('n', 60) from generate_series(1, 40000) g" for n in names
    ))  # fmt: skip
    grant(database)
    repeat(database, *(s for n in names for s in (f"set search_path = {n}", "select * from inv where cust = 7")))
    found, ddl = advise(database)
    (suggested,) = found["indexes"]
    assert ddl == {f"{n}.inv (cust)" for n in names}
    assert suggested["name"] == "ix_inv_cust"
    assert {suggested["table"], *suggested["also_on"]} == {f"{n}.inv" for n in names}
    one = 40_000 * 20 * 0.5
    assert suggested["size_bytes"] > 2 * one  # of all three
    assert found["not_planned"] == {}


def test_queries_inside_utilities_and_functions_are_advised_on(advise, scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    unrecorded(
        database,
        "create table o (id bigint primary key, a int, b int, c int, d int, e int, f int, note text);"
        "insert into o select g, g % 7000, g % 7001, g % 7002, g % 7003, g % 7004, g % 7005, repeat('n', 50)"
        " from generate_series(1, 60000) g",
        "create materialized view mv as select note, count(*) as n from o where c = 7 group by note",
        "create function fun(v int) returns bigint language plpgsql"
        " as 'declare r bigint; begin select count(*) into r from o where e = v; return r; end'",
    )
    grant(database)
    for n in range(RUNS):
        cursor = f'"_django_curs_14{n}_sync_{n}"'
        with database.connect(autocommit=False) as connection:
            connection.execute(f"declare {cursor} no scroll cursor for select id, note from o where a = {n}")
            connection.execute(f"fetch forward 2000 from {cursor}")
        repeat(
            database, f"create temp table made_{n} as select * from o where b = {n}", "refresh materialized view mv",
            f"explain (analyze) select * from o where d = {n}", "set pg_stat_statements.track to 'all'",
            f"select fun({n})", times=1,
        )  # fmt: skip
        with (
            database.connect() as connection,
            connection.cursor().copy(f"copy (select * from o where f = {n}) to stdout") as copy,
        ):
            assert list(copy)
    found, ddl = advise(database)
    first_columns = {definition.removeprefix("public.o (").rstrip(")").split(", ")[0] for definition in ddl}
    assert first_columns == set("abcdef")
    texts = len({s["statement"] for s in found["statements"]})
    assert texts == 6  # whatever the cursors and temporary tables were called
    assert found["not_planned"] == {}


def test_where_nothing_can_be_planned_the_reasons_are_named(scratch_database, postgres18, var_dir, settings):
    settings.VAR_DIR = var_dir
    database = scratch_database(postgres18)
    unrecorded(database, "create schema a; create table a.x (i int); create schema b; create table b.y (i int)",
               "create schema c; create table c.x (i int)", "create schema d; create table d.y (i int)")  # fmt: skip
    grant(database)
    repeat(database, "set search_path = a, b", "select * from x join y using (i)", "create temp table t (i int)",
           "select * from t", "drop table t", times=1)  # fmt: skip
    with pytest.raises(CommandError) as caught:
        call_command("advise", database.dsn)
    text = str(caught.value)
    assert text.startswith("None of the 2 statements of the workload can be planned. ")
    assert (
        "It names tables without their schema, and no schema with the application's search_path (public) has them all:"
        " x is in a, c; y is in b, d."
    ) in text
    assert (
        'Relation "t" does not exist. No schema has a table t: it is a temporary one of its session, or gone.' in text
    )


def test_an_index_named_in_two_schemas_has_the_gain_of_both(scratch_database, postgres, var_dir):
    """In the curve of budgets, too."""
    database = scratch_database(postgres(15))
    unrecorded(database, *(
        f"create schema {s}; create table {s}.inv as select g as id, g % 9000 as cust from generate_series(1, 40000) g"
        for s in ("s1", "s2")
    ))  # fmt: skip
    grant(database)
    workload = [
        WorkloadStatement(s, f"select * from {s}.inv where cust = $1", 1000.0, 50.0, 50.0) for s in ("s1", "s2")
    ]
    server = ConnectionSettings.from_dsn(database.dsn)
    with connect(server) as connection:
        facts = read_schema(connection)
    with lease(server, var_dir) as twin:
        found = advise_on(
            twin, workload, facts, SelectionOptions(), now=datetime(2026, 11, 30, tzinfo=UTC), with_curve=True
        )
    (proposal,) = found.proposals
    assert sorted(e.statement for e in proposal.effects) == ["s1", "s2"]
    assert {id_ for e in found.effects for id_ in e.indexes} == {proposal.chosen.index.id}
    times = MeasuredTimes({"s1": 50.0, "s2": 50.0}, 100.0, 86_400.0)
    (index,) = curve_as_json(found, times)[-1]["indexes"]
    assert index["time"]["now_s_per_day"] == 100.0
    [said] = [line for line in advice_as_text(found, times=times).splitlines() if line.startswith("All statements: ")]
    assert " with it (planned)" in said
