"""What PostgreSQL's own tools leave in pg_stat_statements: pg_dump and psql's backslash commands.

They write what no application does (OPERATOR(pg_catalog.=) ANY (array[...]), COLLATE, calls with every name qualified),
and one such text must not stop the work on a server.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.statements.parse import parse_statement
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import preparable_sql
from tests.environment import IN_VAIN_S
from tests.servers import DEBIAN_15, ScratchDatabase, embedded_bin_dir
from tests.statements.survey import faults

pytestmark = pytest.mark.postgres

OBJECTS = (
    "create type mood as enum ('sad', 'ok')",
    "create domain short as text check (length(value) < 9)",
    "create table part (id int primary key, at date not null, mood mood default 'ok', name short) ",
    "create table log (id bigint generated always as identity, at timestamptz not null, part_id int references part,"
    " twice int generated always as (1 + 1) stored, primary key (id, at)) partition by range (at)",
    "create table log_1 partition of log for values from ('2026-01-01') to ('2027-01-01')",
    "create index on part (lower(name)) where at > '2026-01-01'",
    "create view seen as select p.id, l.at from part p left join log l on l.part_id = p.id",
    "create materialized view daily as select at, count(*) as n from part group by at",
    "create sequence counter",
    "create function twice(i int) returns int language sql immutable as 'select i * 2'",
    "create function noop() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger noop before insert on part for each row execute function noop()",
    "create statistics part_together on id, at from part",
    "create rule quiet as on delete to part do instead nothing",
    "alter table part enable row level security",
    "create policy own on part using (id > 5)",
    "create publication everything for table part",
    "comment on table part is 'parts'",
)
COMMANDS = (
    "d", "d part", "d+ part", "d log", "d+ log", "d+ log_1", "d+ seen", "d+ daily", "d counter", "dt+", "dv+", "dm+",
    "di+", "ds+", "df+", "dn+", "dp", "ddp", "l+", "du+", "dx+", "dT+", "dD+", "dy", "dRp+", "dX", "da", "db+", "dc+",
    "dC+", "dd", "do+ =", "dO+", "dF+", "dFd+", "dL+", "drds", "dAc", "dAf", "sf twice", "sv seen", "des+", "dP+", "z",
)  # fmt: skip


@pytest.fixture(scope="module", params=[13, 15, 18], ids=lambda version: f"pg{version}")
def recorded(request: pytest.FixtureRequest, postgres: Any) -> Iterator[tuple[ScratchDatabase, list[str]]]:
    server = postgres(request.param)
    database = ScratchDatabase(server)
    try:
        database.execute(*OBJECTS)
        for tool in _tools(server.version):
            _use_tools(database, tool)
        with database.connect() as connection:
            rows = connection.execute(
                "select query from pg_stat_statements where dbid = (select oid from pg_database where datname ="
                " current_database()) and query not like '%insufficient%'"
            ).fetchall()
        yield database, sorted({text for (text,) in rows})
    finally:
        database.drop()


def _tools(version: int) -> list[Path]:
    """Clients not older than the server: they dump and describe older ones, too."""
    found = [embedded_bin_dir()]
    if version <= 15 and (DEBIAN_15 / "psql").exists():
        found.append(DEBIAN_15)
    return found


def _use_tools(database: ScratchDatabase, tools: Path) -> None:
    dsn = database.server.dsn(database.name)
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    if (tools / "pg_dump").exists():
        for options in ((), ("-s", "--inserts"), ("-t", "part*", "-t", "counter"), ("-n", "publ*", "-T", "log*")):
            command = [tools / "pg_dump", "-f", os.devnull, *options, dsn]
            subprocess.run(command, check=True, env=environment, timeout=IN_VAIN_S)
    if (tools / "psql").exists():
        described = subprocess.run(
            [tools / "psql", "-X", "-E", "-q", dsn], input="".join(f"\\{c}\n" for c in COMMANDS), text=True,
            capture_output=True, check=True, env=environment, timeout=IN_VAIN_S,
        )  # fmt: skip
        assert "QUERY" in described.stdout


def test_no_text_of_postgresqls_own_tools_stops_us(recorded: tuple[ScratchDatabase, list[str]]) -> None:
    database, texts = recorded
    assert len(texts) > 60
    assert any("OPERATOR(pg_catalog.=) ANY" in text for text in texts)
    with connect(ConnectionSettings.from_dsn(database.dsn)) as monitored:
        facts = read_schema(monitored)
    assert [(place, repr(error), text) for place, error, text in faults(texts, facts)] == []
    refused, failed = [], []
    with database.connect() as connection:
        connection.prepare_threshold = None
        for text in texts:
            parsed = parse_statement(text)
            preparable = preparable_sql(text, facts=facts)
            if preparable.sql is None:
                assert preparable.reason
                refused += [text] if parsed.is_plannable else []
                continue
            query_blocks(preparable.sql, facts)
            parameter_columns(preparable.sql, facts)
            try:
                connection.execute(f"prepare tried as {preparable.sql}".encode())
                connection.execute("deallocate tried")
            except psycopg.Error as error:
                failed.append((str(error).splitlines()[0], text))
    assert failed == []
    assert refused == []
