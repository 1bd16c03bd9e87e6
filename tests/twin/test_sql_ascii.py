"""A database without an encoding (SQL_ASCII) has a twin: an odd byte costs what it stands in, and nothing else."""

from dataclasses import replace

import pytest
from django.core.management import call_command

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

SETUP = (
    b"create extension pg_stat_statements",
    b"create table plain as select g as id, 'k' || g as k, 'gr\xf6\xdfe' || g % 50 as t"
    b" from generate_series(1, 20000) as g",
    b"create table gr\xf6\xdfe (id int primary key, v text)",
    b"create table preset (id int, t text default 'caf\xe9' check (t <> '\xe9'))",
    b"create function f\xe9(int) returns int language sql immutable as 'select $1 /* \xe9 */'",
    b"create view shown as select id, 'caf\xe9' as c from plain where f\xe9(id) > 5",
    b"create type e\xe9 as enum ('\xe9', 'b')",
    b"create table listed (id int, x e\xe9) partition by list (x)",
    b"create table listed_1 partition of listed for values in ('\xe9')",
    b"create schema sch\xf6n",
    b"create table sch\xf6n.away (id int)",
    b'create table "na\xc3\xafve" (id int primary key, "na\xc3\xafve" text)',  # UTF-8 by chance
    b"insert into \"na\xc3\xafve\" select g, 'n' || g from generate_series(1, 20000) g",
    b"insert into preset select g from generate_series(1, 9000) g",
    b"insert into listed select g, '\xe9' from generate_series(1, 9000) g",
    b"comment on table plain is 'caf\xe9'",
    b"analyze",
    *[b"select /* caf\xe9 */ * from plain where k = 'k5'"] * 40,
    b"select v from gr\xf6\xdfe where id = 1",
    *[b"select count(*) from plain where t = 'gr\xf6\xdfe7'"] * 3,
)


def query(sql):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0)


@pytest.fixture
def odd(any_postgres, scratch_database):
    """(settings, superuser's connection)"""
    database = scratch_database(any_postgres)
    name = f"{database.name}_bytes"
    with any_postgres.connect() as admin:
        admin.execute(f"create database {name} template template0 encoding sql_ascii locale 'C'")
    try:
        with any_postgres.connect(name, client_encoding="sql_ascii") as connection:
            for statement in (*SETUP, f"grant select on all tables in schema public to {database.login}".encode()):
                connection.execute(statement)
            yield replace(settings_of(database.dsn), dbname=name), connection
    finally:
        with database.connect() as connection:  # other tests read the texts of this server too
            connection.execute("select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = %s", [name])
        with any_postgres.connect() as admin:
            admin.execute(f"drop database {name} with (force)")


def test_everything_plain_is_planned(odd, var_dir):
    settings, server = odd
    with connect(settings) as conn:
        facts = read_schema(conn)
    with lease(settings, var_dir) as twin:
        for sql in (
            "select * from plain where k = 'k5'",
            "select count(*) from plain where t = 'größe7'",
            'select * from "naïve" where "naïve" = \'n5\'',
            "select * from preset where id = 7",
            "select * from shown where id = 7",
            "select * from listed where id = 7",
        ):
            ((((answer,)),),) = server.execute(f"explain (format json) {sql}".encode()).fetchall()
            planned = twin.plan(query(sql))
            assert not isinstance(planned, Refused), (sql, planned)
            assert planned.total_cost == pytest.approx(answer["Plan"]["Total Cost"], rel=0.02), sql
        definitions = [
            IndexDefinition(facts.find_table("plain"), (IndexColumn("k"),)),
            IndexDefinition(facts.find_table("naïve"), (IndexColumn('lower("naïve")', is_expression=True),)),
        ]
        first, second = twin.hypothesize(definitions)
        assert twin.plan(query("select * from plain where k = 'k5'"), [first.id]).used == {first.id}
        assert twin.plan(query('select * from "naïve" where lower("naïve") = \'n5\''), [second.id]).used == {second.id}
        assert twin.parameter_types('select * from "naïve" where "naïve" = $1') == ["text"]
        assert all("\ufffd" in m.name for m in twin.missing if m.kind != "table"), twin.missing


def test_advise_ends_with_advice(odd, capsys):
    where, _ = odd
    call_command("advise", f"postgresql://{where.user}:{where.password}@{where.host}:{where.port}/{where.dbname}")
    said = capsys.readouterr().out
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_plain_k ON public.plain (k);" in said
    assert "left out, with names that are no UTF-8 (" in said
    assert "public.gr\ufffd\ufffde is left out: a name" in said
    assert "or gone" not in said
