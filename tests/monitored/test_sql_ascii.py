"""A database without an encoding (SQL_ASCII): an odd byte costs what it stands in, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from analyzer.errors import StatementFailed, UnreadableTexts
from analyzer.models import Statement, StepStatus
from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.catalog.column_statistics import read_statistics
from analyzer.monitored.catalog.schema import left_out_notes, read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.failures import redact_message
from analyzer.monitored.login import ODD_BYTE
from analyzer.monitored.sample.activity import sample_once
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.schema.kept import decode, encode
from analyzer.statements.blocks import ParameterUse
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps import texts as texts_step
from analyzer.store.servers import add_server_from_dsn

pytestmark = pytest.mark.postgres


@pytest.fixture
def odd(any_postgres: Any, scratch_database: Any) -> Iterator[tuple[Any, str]]:
    """A login, and a database with a plain table, one named with a byte 0xF6, and a statement with a byte 0xE9."""
    database = scratch_database(any_postgres)
    name = f"{database.name}_bytes"
    with any_postgres.connect() as admin:
        admin.execute(f"create database {name} template template0 encoding sql_ascii locale 'C'")
    try:
        with any_postgres.connect(name, client_encoding="sql_ascii") as connection:
            for statement in (
                b"create extension pg_stat_statements",
                b"create table plain as select g as id, 'k' || g as k from generate_series(1, 2000) g",
                b"create index on plain (k)",
                b"create table gr\xf6\xdfe (id int primary key)",
                b"create table bad_column (id int, gr\xf6\xdfe int)",
                b'create table "na\xc3\xafve" (id int primary key)',  # UTF-8 by chance: it can be written
                b"create table child (id int references gr\xf6\xdfe)",
                b"insert into plain select -g, 'gr\xf6\xdfe' from generate_series(1, 500) g",
                b"analyze",
                b"select /* caf\xe9 */ * from plain where k = 'k5'",
                b"select id as gr\xf6\xdfe from plain where k = 'k6'",
                f"grant select on all tables in schema public to {database.login}".encode(),
            ):
                connection.execute(statement)
        yield database, name
    finally:
        with database.connect() as connection:  # other tests read the texts of this server too
            connection.execute("select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = %s", [name])
        with any_postgres.connect() as admin:
            admin.execute(f"drop database {name} with (force)")


def opened(odd: tuple[Any, str]) -> Any:
    database, name = odd
    return connect(replace(ConnectionSettings.from_dsn(database.dsn), dbname=name))


def test_the_plain_tables_are_read_and_the_others_named(odd):
    with opened(odd) as conn:
        facts = read_schema(conn)
        assert sorted(t.qualified_name for t in facts) == ["public.child", "public.naïve", "public.plain"]
        assert facts.find_table("plain").kind == "r"
        assert facts.find_table("plain").column("k").n_distinct is not None
        assert [i.columns for i in facts.find_table("plain").indexes] == [("k",)]
        left_out = f"public.bad_column, public.gr{ODD_BYTE}{ODD_BYTE}e"
        assert ", ".join(sorted(facts.left_out)) == left_out
        (said,) = left_out_notes(facts)
        assert said.startswith("2 tables left out, with names that are no UTF-8 (public.")
        assert decode(encode(facts)).tables == facts.tables
        with conn.transaction_read_only():
            uses = {1: ParameterUse(1, "eq", "public", "plain", "k")}
            values = read_statistics(conn, uses, {("public", "plain"): (("public", "plain"),)})["public", "plain", "k"]
        assert f"gr{ODD_BYTE}{ODD_BYTE}e" in values.most_common_values


def test_statements_sessions_and_preflight_are_read(odd):
    with opened(odd) as conn:
        keys = read_statement_counters(conn).keys
        texts = {t.text for t in read_statement_texts(conn, keys)}
        assert any(text and "from plain where k = $1" in text and ODD_BYTE in text for text in texts)
        assert read_names(conn).databases
        sample_once(conn)
        assert {i.status for i in run_preflight(conn) if i.name == "pg_stat_statements"} == {"ok"}


def test_texts_that_are_not_ascii_reach_the_server(odd):
    with opened(odd) as conn, conn.transaction_read_only():
        (row,) = conn.execute("select %(value)s::text as a, 'é' as b", {"value": "ö"}, action="asking").fetchall()
    assert tuple(row) == ("ö", "é")


@pytest.mark.django_db
def test_another_database_of_that_server_is_sampled_and_says_why_texts_are_missing(odd):
    """pg_stat_statements gives the texts of all databases or none."""
    database, _ = odd
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        assert not conn.is_without_encoding
        assert read_schema(conn).left_out == ()
        keys = read_statement_counters(conn).keys
        with pytest.raises(UnreadableTexts) as caught:
            read_statement_texts(conn, keys)
    said = str(caught.value)
    assert "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE encoding = 0;" in said
    server = add_server_from_dsn(database.dsn)
    assert said in pipeline.take_snapshot(server)
    database.execute("select 1")
    pipeline.take_snapshot(server)
    assert {s.text_state for s in Statement.objects.all()} == {"missing"}
    for _ in range(2):  # the second asks for none again, and they are as unreadable as before
        pipeline.run_step(server, "texts", texts_step.read_texts)
        assert StepStatus.objects.get(server=server, step="texts").note == said


@pytest.mark.django_db
def test_a_database_without_an_encoding_is_sampled_and_its_schema_read(odd):
    database, name = odd
    server = add_server_from_dsn(database.dsn.replace(f"/{database.name}", f"/{name}"))
    assert server.dbname == name
    assert pipeline.take_snapshot(server) == "Gap: the first reading of this server"
    assert schema_step.read_schema(server).startswith("2 tables left out, with names that are no UTF-8 (public.")
    assert Statement.objects.filter(normalized_sql__contains="from plain where k =", text_state="ok").count() == 2


def test_an_error_about_bytes_can_be_read(odd):
    database, name = odd
    settings = replace(ConnectionSettings.from_dsn(database.dsn), dbname=name)
    with connect(settings) as conn, pytest.raises(StatementFailed) as caught, conn.our_errors("reading the tables"):
        conn.raw.execute("select relname::text from pg_class")
    assert str(caught.value) == (
        'reading the tables failed (22021): invalid byte sequence for encoding "UTF8":'
        " bytes in the database that are no text in it"
    )
    assert redact_message('invalid byte sequence for encoding "secret of mine": 0xe9', "22021").count("***") == 2
    assert psycopg.errors.CharacterNotInRepertoire.sqlstate == "22021"


@pytest.mark.parametrize(
    ("encoding", "ran"),
    [("latin1", "select 1 as price /* 5 € */"), ("win1252", "select 1 as plain")],  # the second: there is no conversion
)
def test_texts_of_another_encoding_are_not_laid_to_one_without(private_postgres, encoding, ran):
    server = private_postgres(18)
    with server.connect() as admin:
        admin.execute(f"create database narrow template template0 encoding {encoding} locale 'C'")
        admin.execute("create database other template template0 encoding latin1 locale 'C'")
    with server.connect("narrow") as connection:
        connection.execute("create extension pg_stat_statements")
    with server.connect("other" if encoding == "win1252" else "postgres") as connection:
        connection.execute(ran)
    with connect(ConnectionSettings.from_dsn(server.dsn("narrow"))) as conn:
        keys = read_statement_counters(conn).keys
        with pytest.raises(UnreadableTexts) as caught:
            read_statement_texts(conn, keys)
    assert "cannot be written in this database's encoding" in str(caught.value)
    assert "Watch the server through a database in UTF8" in str(caught.value)
