"""What the review says the server refuses, on servers: it names the statement of each script that fails, no other."""

from pathlib import Path

import psycopg
import pytest

from analyzer.findings import Severity
from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.files.sql import read_sql
from analyzer.review.live import LiveFacts
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
        facts = read_live_facts(connection, ())
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
