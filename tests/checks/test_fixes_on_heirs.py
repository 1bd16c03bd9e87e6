"""What is to copy for tables with heirs, with partitions and with keys on them: a real server takes all of it."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from pglast import parser

from analyzer.checks import Context, Rules, run_checks
from analyzer.checks.engine import all_checks
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.facts import SchemaFacts, TableFacts

pytestmark = pytest.mark.postgres
PLANTED = """
create table maker (id bigint primary key, code text unique);
create table above (id int not null, price real, note text, status text, seen text, maker_id int references maker,
    created_at timestamp, uuid text, deleted_at timestamptz);
create table heir (own text, price real) inherits (above);
create table heir_of_heir (more money) inherits (heir);
create table whole (id int not null, price real, note text, maker_id int references maker, at timestamp, own text,
    created_at timestamptz) partition by range (id);
create table part partition of whole for values from (0) to (100000);
alter table part add constraint part_maker_fkey foreign key (maker_id) references maker;
create table guarded (id int primary key, gone text, kept text, checked text check (checked is null or id > 0),
    key_of bigint references maker);
create unique index on guarded (id) where gone is null;
insert into maker select g, g from generate_series(1, 300) g;
insert into above select g, g, null, 'a', 's', g, case when g % 3 = 0 then now() end, md5(g::text)::uuid::text
    from generate_series(1, 300) g;
insert into heir (id, price, status, seen, maker_id, uuid)
    select g, g, 'b', case when g % 2 = 0 then 's' end, g, md5(g::text)::uuid::text from generate_series(1, 300) g;
insert into heir_of_heir (id, price, status, note, maker_id, more)
    select g, g, 'c', 'n', g, 1 from generate_series(1, 300) g;
insert into whole select g, g, null, g, now(), null, case when g % 3 = 0 then now() end from generate_series(1, 300) g;
insert into guarded select g from generate_series(1, 300) g;
analyze;
"""


def low(names: set[str]) -> Rules:
    """Small tables stand for large ones."""
    rows = {(check.code, name): 100.0 for check in all_checks() for name in names if name in check.thresholds}
    return Rules(thresholds=rows)


def test_a_server_takes_what_is_to_copy(any_postgres: Any, scratch_database: Any) -> None:
    database = scratch_database(any_postgres)
    database.execute(PLANTED)
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        facts = replace(read_schema(conn), days_since_stats_reset=60.0)
    nothing_named = {table.qualified_name: frozenset[str]() for table in facts}
    context = Context(facts=facts, columns_set={}, empty_columns_named=nothing_named)
    outcome = run_checks(facts, context, rules=low({"rows", "size", "updated_rows"}))
    assert outcome.failed == {}
    codes = set()
    for finding in outcome.findings:
        for fix in finding.fixes:
            if fix.language == "sql":
                codes.add(finding.code)
                run(database, finding.code, fix.code)
    assert {"SC021", "SC023", "SC024"} <= codes
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        after = read_schema(conn)
    assert columns(after, "above") >= {"note", "deleted_at"}  # an heir of an heir has values
    assert columns(after, "guarded") == {"id", "gone", "checked", "key_of"}
    assert not_null(after, "above") >= {"price", "status"}
    assert "seen" not in not_null(after, "above")


def run(database: Any, code: str, sql: str) -> None:
    with database.connect() as session:
        for statement in parser.split(sql):
            try:
                session.execute(statement)
            except psycopg.Error as error:
                raise AssertionError(f"{code}: {statement}") from error


def table(facts: SchemaFacts, name: str) -> TableFacts:
    known = facts.find_table(name, "public")
    assert known is not None
    return known


def columns(facts: SchemaFacts, name: str) -> set[str]:
    return {column.name for column in table(facts, name).columns}


def not_null(facts: SchemaFacts, name: str) -> set[str]:
    return {column.name for column in table(facts, name).columns if column.not_null}
