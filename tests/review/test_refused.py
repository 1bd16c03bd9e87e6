"""What the review says the server refuses, on servers: it names the statement of each script that fails, no other."""

from pathlib import Path

import psycopg
import pytest

from analyzer.findings import Severity
from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.column_types import CASTABLE, FAMILIES, ColumnType, are_comparable, is_castable, needs_using
from analyzer.review.files.sql import read_sql
from analyzer.review.live_facts import LiveFacts
from analyzer.review.objects_dropped import names_dropped
from analyzer.review.review import review
from tests.servers import EVERY_VERSION, ScratchDatabase

# said where the value is added, refused where it is used
LATER = "MG017"
HERE = Path(__file__).parent / "refused"
REFUSED = {"MG010", "MG016", "MG017", "MG018", "MG019", "MG027"}

pytestmark = pytest.mark.postgres


@pytest.fixture(params=EVERY_VERSION, ids=lambda version: f"pg{version}")
def database(request, postgres):
    found = ScratchDatabase(postgres(request.param))
    found.execute((HERE / "world.sql").read_text())
    found.vacuum()
    yield found
    found.drop()


def refused_by_server(database: ScratchDatabase, script: str) -> int | None:
    """The number of the statement; all is rolled back."""
    with database.connect(autocommit=False) as connection:
        connection.execute("set local client_min_messages = error")
        for number, step in enumerate(read_sql(script).steps):
            try:
                connection.execute(step.sql)  # type: ignore[call-overload]
            except psycopg.Error:
                return number
            finally:
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                    connection.rollback()
        connection.rollback()
    return None


def refused_as_told(script: str, facts: LiveFacts) -> tuple[int | None, bool]:
    reviewed = review(read_sql(script, single_transaction=True), facts.schema.server_version_num, facts)
    for number, statement in enumerate(reviewed.statements):
        codes = {f.code for f in statement.findings if f.severity is Severity.CRITICAL} & REFUSED
        if codes:
            return number, codes == {LATER}
    return None, False


def test_statements_are_called_refused_that_the_server_refuses(database):
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        steps = read_sql((HERE / "scripts.sql").read_text()).steps
        facts = read_live_facts(connection, (), dropped=set(names_dropped(steps)))
    lines = [s for s in (HERE / "scripts.sql").read_text().splitlines() if s and not s.startswith("--")]
    scripts = [(script, remark == "not told") for script, _, remark in (line.partition(" -- ") for line in lines)]
    differing, refused = [], 0
    for script, is_not_told in scripts:
        server, (told, is_later) = refused_by_server(database, script), refused_as_told(script, facts)
        refused += server is not None
        is_right = told is None and server is not None if is_not_told else server == told
        if not (is_right or (is_later and server is not None and told is not None and server > told)):
            differing.append(f"{script}\n   server {server}, told {told}")
    assert not differing, "\n".join(differing)
    assert 60 < refused < len(scripts) - 40


def test_casts_and_comparisons_are_those_of_the_server(database):
    names, wrong = sorted(CASTABLE), []
    keys = sorted(name for family in FAMILIES for name in family)
    with database.connect(autocommit=False) as connection:
        connection.execute("set local client_min_messages = error")
        for old in names:
            for new in names:
                error = refused(connection, f"create table n (a {old}); alter table n alter column a type {new}")
                if (error is not None) != needs_using(ColumnType(old), ColumnType(new)):
                    wrong.append(f"{old} to {new}: {error}")
                if error is not None and not ("bytea" in (old, new) and database.server.version >= 18):
                    alter = f"create table n (a {old}); alter table n alter column a type {new} using a::{new}"
                    if (refused(connection, alter) is None) != is_castable(ColumnType(old), ColumnType(new)):
                        wrong.append(f"{old} to {new} with USING")
        for old in keys:
            for new in keys:
                make = f"create table n (a {new} primary key); create table m (a {old} references n)"
                is_refused = refused(connection, make) is not None
                if are_comparable(ColumnType(old), ColumnType(new)) is is_refused:
                    wrong.append(f"{old} references {new}")
    assert wrong == []


def refused(connection: psycopg.Connection, sql: str) -> str | None:
    connection.execute("savepoint a")
    try:
        connection.execute(sql)  # type: ignore[call-overload]
    except psycopg.Error as error:
        return str(error)
    finally:
        connection.execute("rollback to a; release a")
    return None
