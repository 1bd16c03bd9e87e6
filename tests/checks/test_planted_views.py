"""Real views over tables with row security: those that let others past it are named, and what is to copy ends it."""

from typing import Any

import pytest

from analyzer.checks import run_checks
from analyzer.findings import Finding
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres


def found(database: ScratchDatabase) -> list[Finding]:
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        facts = read_schema(connection)
    return [finding for finding in run_checks(facts).findings if finding.code == "SC041"]


def test_views_that_ask_no_policy(any_postgres: Any, scratch_database: Any) -> None:
    database: ScratchDatabase = scratch_database(any_postgres)
    clerk = f"clerk_{database.name}"
    execute = database.execute
    execute(f'create role "{clerk}"')
    try:
        execute("create table note (id int primary key, tenant name)")
        execute("create table strict (id int primary key, tenant name)")
        execute("create table plain (id int primary key)")
        for table in ("note", "strict"):
            execute(f"alter table {table} enable row level security")
            execute(f"create policy own on {table} using (tenant = current_user)")
            execute(f'grant select on {table} to "{clerk}"')
        execute(f'alter table strict owner to "{database.login}"')
        execute("alter table strict force row level security")
        for view, table in (("all_notes", "note"), ("bound", "note"), ("forced", "strict"), ("owner_only", "note"),
                            ("elsewhere", "plain")):  # fmt: skip
            execute(f"create view {view} as select * from {table}")
            if view != "owner_only":
                execute(f'grant select on {view} to "{clerk}"')
        execute(f'alter view bound owner to "{clerk}"')
        execute("grant select on bound to public")
        execute(f'alter view forced owner to "{database.login}"')
        execute("create materialized view kept as select * from note")
        execute("grant select on kept to public")
        findings = {finding.subject: finding for finding in found(database)}
        assert set(findings) == {"public.all_notes", "public.kept"}
        assert findings["public.all_notes"].evidence["readers"] == clerk
        if any_postgres.version >= 15:
            for statement in findings["public.all_notes"].fixes[0].code.split("\n"):
                execute(statement)
            assert [finding.subject for finding in found(database)] == ["public.kept"]
    finally:
        execute(f'drop owned by "{clerk}"')
        execute(f'drop role "{clerk}"')
