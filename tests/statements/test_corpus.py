"""Realistic statements of Django and SQLAlchemy, as data: see corpus.toml."""

import tomllib
from pathlib import Path

import psycopg
import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.lookup import repeatable_shapes
from analyzer.statements.parse import parse_statement
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.secrets import redact_sql

HERE = Path(__file__).parent
CASES = tomllib.loads((HERE / "corpus.toml").read_text())["case"]
each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def asks(sql, facts=None):
    found = []
    for block in query_blocks(sql, facts):
        for table in block.tables:
            for p in table.predicates:
                text = f"{table.alias}.{p.column} {p.operator}"
                text += " in expression" if p.expression else ""
                text += " in or" if p.is_in_or else ""
                if p.joined:
                    text += f" {p.joined.alias}.{p.joined.column}" if p.joined.alias else " computed"
                found.append(text)
    return found


def order_by(sql):
    terms = [term for block in query_blocks(sql) for term in block.order_by]
    return [f"{t.alias}.{t.column}" + (" desc" if t.is_descending else "") if t.column else "expression" for t in terms]


def parameters(sql, facts=None):
    return [
        f"${u.number} {u.operator}"
        + (f" {u.table}.{u.column}" if u.column else "")
        + (f" ({u.type_name})" if u.type_name else "")
        for u in parameter_columns(sql, facts).values()
    ]


def lookup(sql):
    shapes = [shape for shape in repeatable_shapes(sql) if shape.key_columns or shape.array_columns]
    if not shapes:
        return ""
    shape = shapes[0]
    text = f"{shape.table} by " + ", ".join([*shape.key_columns, *(f"[{c}]" for c in shape.array_columns)])
    text += f" for {shape.aggregate}" if shape.aggregate else ""
    return text + (" joined to " + ", ".join(name for _, name in shape.joined) if shape.joined else "")


@each_case
def test_kind_and_tables(case):
    parsed = parse_statement(case["sql"])
    assert (parsed.kind, [str(t) for t in parsed.tables]) == (case["kind"], case["tables"])


@each_case
def test_what_it_asks_of_its_tables(case):
    assert (asks(case["sql"]), order_by(case["sql"])) == (case.get("asks", []), case.get("order_by", []))


@each_case
def test_what_its_parameters_meet(case):
    assert parameters(case["sql"]) == case.get("parameters", [])


@each_case
def test_how_it_looks_rows_up(case):
    assert lookup(case["sql"]) == case.get("lookup", "")


@each_case
def test_redaction_keeps_the_statement(case):
    redacted = redact_sql(case["sql"])
    assert fingerprint(redacted) == fingerprint(case["sql"])
    assert redacted != case["sql"] or asks(redacted) == case.get("asks", [])


@pytest.fixture(scope="session", params=[13, 15, 18], ids=lambda version: f"pg{version}")
def corpus_database(request, postgres):
    server = postgres(request.param)
    name = "statement_corpus"
    with server.connect() as connection:
        connection.execute(f"drop database if exists {name}")
        connection.execute(f"create database {name}")
    with server.connect(name) as connection:
        connection.execute((HERE / "corpus.sql").read_text())
    with connect(ConnectionSettings.from_dsn(server.socket_dsn(name), allow_local=True)) as session:
        facts = read_schema(session)
    yield server, name, facts
    with server.connect() as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.mark.postgres
def test_every_server_prepares_every_statement(corpus_database):
    """The texts of MERGE, which is new in 15, are left out on 13."""
    server, name, _ = corpus_database
    refused = {}
    with server.connect(name, prepare_threshold=None) as connection:
        for case in CASES:
            if case["kind"] == "merge" and server.version < 15:
                continue
            for limit in (None, 20):
                preparable = preparable_sql(case["sql"], limit=limit)
                try:
                    connection.execute(f"prepare probe as {preparable.sql}".encode())
                    types = connection.execute(
                        "select parameter_types::text[] from pg_prepared_statements where name = 'probe'"
                    ).fetchone()
                    assert [len(types[0])] == [len(preparable.parameters)]
                except (psycopg.Error, AssertionError) as error:
                    refused[case["name"]] = str(error)
                connection.execute("deallocate all")
    assert refused == {}


@pytest.mark.postgres
def test_facts_change_nothing_where_names_are_qualified(corpus_database):
    _, _, facts = corpus_database
    differing = {
        case["name"]: asks(case["sql"], facts)
        for case in CASES
        if asks(case["sql"], facts) != case.get("asks", [])
        or parameters(case["sql"], facts) != case.get("parameters", [])
    }
    assert differing == {}
