"""Real columns of types that a check would change: what is to copy changes them, and no value gets lost."""

from typing import Any

import pytest

from analyzer.checks import Context, Rules, run_checks
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
MADE = (
    "create domain note as json check (value::text <> '0')",
    """create table "Odd" (id int primary key, code char(10), "Paid" money default 5, data json, at timetz,
    since timestamp default now(), price double precision, never text, kept note)""",
    """insert into "Odd" (id, code, data, at, since, price, kept) values
    (1, 'a', '{"a": 1}', '12:00+02', '2026-01-01 12:00', 0.1, '1')""",
    "create table person (uuid varchar(36) primary key)",
    "create table parted (id int, price real) partition by range (id)",
    "create table parted_1 partition of parted for values from (1) to (10)",
    "insert into parted values (1, 2.5)",
    "insert into person select gen_random_uuid()",
    "create table firm (uuid varchar(36) primary key)",
    "create table branch (id int primary key, firm_uuid varchar(36) references firm)",
    "insert into firm select gen_random_uuid()",
    "insert into branch select 1, uuid from firm",
    "create table entry (id text default gen_random_uuid(), at timestamp default clock_timestamp(),"
    " utc timestamp default timezone('utc', now()))",
    "insert into entry default values",
    "create table daily (day timestamp not null) partition by range (day)",
    "vacuum analyze",
)
RULES = Rules(thresholds={("SC022", "rows"): 1.0, ("SC023", "rows"): 1.0})
CODES = {"SC016", "SC017", "SC021", "SC022", "SC023"}
TYPES = """
select attrelid::regclass::text || '.' || attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = any (array['"Odd"', 'person', 'parted_1', 'firm', 'branch', 'entry', 'daily']::regclass[])
    and attnum > 0 and not attisdropped
"""


def test_what_is_to_copy_changes_the_types(any_postgres: Any, scratch_database: Any) -> None:
    database: ScratchDatabase = scratch_database(any_postgres)
    for statement in MADE:
        database.execute(statement)
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        facts = read_schema(connection)
    nothing_named = Context(columns_set={}, empty_columns_named={table.qualified_name: frozenset() for table in facts})
    findings = [f for f in run_checks(facts, nothing_named, rules=RULES).findings if f.code in CODES]
    assert {finding.code for finding in findings} == CODES
    with database.connect() as connection:
        connection.execute("set timezone = 'Europe/Berlin'")
        for finding in findings:
            for fix in finding.fixes:
                connection.execute(fix.code)
        connection.execute("insert into entry default values")
        types = dict(connection.execute(TYPES).fetchall())
        row = connection.execute(
            """select code, "Paid", data ->> 'a', at::text, since at time zone 'UTC', price from "Odd" as o"""
        ).fetchone()
    assert types == {
        '"Odd".id': "integer", '"Odd".code': "text", '"Odd".Paid': "numeric", '"Odd".data': "jsonb",
        '"Odd".at': "time without time zone", '"Odd".since': "timestamp with time zone", '"Odd".price': "numeric",
        '"Odd".kept': "note", "person.uuid": "uuid", "parted_1.id": "integer", "parted_1.price": "numeric",
        "firm.uuid": "character varying(36)", "branch.id": "integer", "branch.firm_uuid": "character varying(36)",
        "entry.id": "uuid", "entry.utc": "timestamp without time zone", "entry.at": "timestamp with time zone",
        "daily.day": "timestamp without time zone",
    }  # fmt: skip
    assert [str(value) for value in row] == ["a", "5.00", "1", "12:00:00", "2026-01-01 12:00:00", "0.1"]
