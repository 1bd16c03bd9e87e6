"""What was executed on real servers is what is read out of their logs, in every format."""

from collections.abc import Iterator

import pytest

from analyzer.logs.events import logged_plan, sql_with_values
from analyzer.logs.read_log import read_log
from analyzer.logs.statements import LoggedStatement, logged_statements
from analyzer.statements.fingerprint import fingerprint
from tests import servers
from tests.conftest import need
from tests.logs import logging_servers
from tests.logs.logging_servers import EXECUTED, FORGED, HARD_VALUE, PASSWORD

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module", params=servers.VERSIONS, ids=lambda version: f"pg{version}")
def server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    started = need(lambda: logging_servers.start(request.param))
    yield started
    started.cluster.remove()


def read(server: servers.Server) -> Iterator[tuple[str, dict[tuple[str | None, str | None], LoggedStatement]]]:
    for path in logging_servers.logs(server):
        # small blocks: entries are cut anywhere
        data = path.read_bytes()
        totals = read_log(data[at : at + 777] for at in range(0, len(data), 777)).totals
        yield path.suffix, {(s.database, s.fingerprint): s for s in logged_statements(totals)}


def test_every_run_is_read_with_its_duration_values_and_plan(server: servers.Server) -> None:
    shapes = {}
    for suffix, found in read(server):
        for database in ("as_text", "as_json"):
            for text, runs in EXECUTED:
                statement = found[database, fingerprint(text.replace("%s", "$1"))]
                where = (suffix, database, text)
                assert (statement.calls, statement.logged.planned.calls) == (len(runs), len(runs)), where
                assert 0 < statement.slowest_ms <= statement.total_ms < 60_000, where
                plans = [logged_plan(entry) for entry in statement.plans]
                nodes = {tuple(node.node_type for node in logged.plan) for logged in plans}
                assert nodes, where
                assert shapes.setdefault(text, nodes) == nodes, where
                seen = {sql_with_values(entry) for entry in statement.samples} - {None}
                assert seen <= {ran(text, values) for values in runs}, where
                assert ran(text, runs[-1]) in seen, where
    suffixes = [".log", ".csv", *([".json"] if server.version >= 15 else [])]
    assert [suffix for suffix, _ in read(server)] == suffixes


def ran(text: str, values: tuple[object, ...] | None) -> str:
    if values is None:
        return text
    for value in values:
        text = text.replace("%s", "NULL" if value is None else "'" + str(value).replace("'", "''") + "'", 1)
    return text


def test_times_of_a_statement_and_of_its_plan_agree(server: servers.Server) -> None:
    for suffix, found in read(server):
        statement = found["as_json", fingerprint(EXECUTED[0][0].replace("%s", "$1"))]
        (plan,) = [logged_plan(entry) for entry in statement.plans]
        root_ms = plan.plan.root.total_time_ms
        assert root_ms is not None, suffix
        assert root_ms <= plan.duration_ms + 0.002 <= statement.slowest_ms + 60_000, suffix


def test_what_a_value_says_is_no_entry_and_no_plan(server: servers.Server) -> None:
    """HARD_VALUE holds a line of a log, FORGED a line of a plan."""
    for suffix, found in read(server):
        assert ("as_text", fingerprint("select 1")) not in found, suffix
        assert all(statement.slowest_ms != 9999.0 for statement in found.values()), suffix
        by_note = found["as_text", fingerprint(EXECUTED[1][0].replace("%s", "$1"))]
        for entry in by_note.plans:
            assert "forged" not in str([node.relation_name for node in logged_plan(entry).plan]), suffix
    assert "\n" in HARD_VALUE + FORGED


def test_execute_counts_as_a_run_of_what_was_prepared_and_prepare_as_none(server: servers.Server) -> None:
    for suffix, found in read(server):
        statement = found["as_text", fingerprint("prepare by_key (int) as select note from orders where id = $1")]
        assert (statement.calls, len(statement.plans)) == (1, 1), suffix


def test_no_password_is_shown(server: servers.Server) -> None:
    for suffix, found in read(server):
        texts = [statement.normalized_sql for statement in found.values()]
        assert any(text and text.startswith("create role owner_text") for text in texts), suffix
        assert not any(text and PASSWORD in text for text in texts), suffix
