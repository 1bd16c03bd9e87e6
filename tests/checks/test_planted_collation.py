"""A real collation whose noted version is another than ICU has: its indexes are named, what is to copy ends it."""

from typing import Any

import pytest

from analyzer.checks import run_checks
from analyzer.findings import Finding
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
MADE = (
    """create table book (id int primary key, title text collate "other""land", plain text, numbers int)""",
    "create index ix_book_title on book (title)",
    "create index ix_book_lower on book (lower(title))",
    "create index ix_book_hash on book using hash (title)",
    "create index ix_book_plain on book (plain)",
    'create index ix_book_c on book (title collate "C")',
    "alter table book add constraint only_one exclude using btree (title with =)",
)


def found(database: ScratchDatabase) -> list[Finding]:
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        facts = read_schema(connection)
    return [finding for finding in run_checks(facts).findings if finding.code == "IX011"]


def test_indexes_of_a_collation_that_changed(any_postgres: Any, scratch_database: Any) -> None:
    database = scratch_database(any_postgres)
    # the newest of the tests' servers has no ICU
    made_by = "icu, locale = 'sv'" if any_postgres.version < 17 else "builtin, locale = 'C.UTF-8'"
    database.execute(f'create collation "other""land" (provider = {made_by})')
    for statement in MADE:
        database.execute(statement)
    assert found(database) == []
    database.execute("""update pg_collation set collversion = '0.1' where collname = 'other"land'""")
    (finding,) = found(database)
    assert finding.evidence["indexes"] == "public.ix_book_lower, public.ix_book_title, public.only_one"
    with database.connect() as connection:
        for fix in finding.fixes:
            for statement in fix.code.split("\n"):
                connection.execute(statement)
    assert found(database) == []
