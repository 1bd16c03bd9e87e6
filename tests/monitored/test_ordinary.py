"""Ordinary statements are executed with values: as pg_stat_statements shows them, by the login that only reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainOutcome, ExplainRequest, explain_statement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.fingerprint import fingerprint
from tests.monitored.ordinary_sql import EXTENSIONS, SETUP, STATEMENTS
from tests.servers import ScratchDatabase, Server

pytestmark = pytest.mark.postgres

# Values of two columns are chosen apart, and their combination may not occur; ranges have no statistics that can be
# read; and what CASE, VALUES or a function make is not in the columns' statistics.
GIVES_NO_ROW = frozenset((
    "sa_values_cte", "sa_tuple_in", "range_contains", "range_overlap", "range_built", "modulo", "years_ago",
    "range_built_of_an_own_type", "case_bucket_subquery", "contains_built_object", "similar_to", "text_functions",
    "values_boolean", "row_in_subquery", "split_into_array", "unnest_two_arrays", "each_key", "with_ordinality", "ages",
    "union_tagged",
))  # fmt: skip


@dataclass
class Application:
    """The database, its facts, and of each statement its text and the rows it gave."""

    database: ScratchDatabase
    facts: SchemaFacts
    texts: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def explain(self, name: str) -> list[ExplainOutcome]:
        text = self.texts[name]
        request = ExplainRequest(
            text, fingerprint(text) or "", rows_per_call=float(self.rows[name]), facts=self.facts,
            mean_exec_time_ms=5.0, max_exec_time_ms=9.0,
        )  # fmt: skip
        return explain_statement(ConnectionSettings.from_dsn(self.database.dsn), request, ExplainLimits(cores=64))


@pytest.fixture(scope="module", params=[13, 15, 18], ids=lambda version: f"pg{version}")
def application(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[Application]:
    database = ScratchDatabase(postgres(request.param))
    try:
        database.execute(*(f"create extension {name}" for name in EXTENSIONS), SETUP)
        with connect(ConnectionSettings.from_dsn(database.dsn)) as monitored:
            found = Application(database, read_schema(monitored))
        with database.connect() as connection:
            connection.prepare_threshold = None
            for name, statement in STATEMENTS.items():
                before = _recorded(connection)
                found.rows[name] = len(connection.execute(statement.encode()).fetchall())
                found.texts[name] = next(t for key, t in _recorded(connection).items() if key not in before)
        yield found
    finally:
        database.drop()


def _recorded(connection: "psycopg.Connection[tuple[object, ...]]") -> dict[object, str]:
    """Texts by statement and calls; the longest first, as functions written in SQL are recorded for themselves."""
    return {
        (queryid, calls): str(text)
        for queryid, calls, text in connection.execute(
            "select queryid, calls, query from pg_stat_statements where query not like '%pg_stat_statements%' and"
            " dbid = (select oid from pg_database where datname = current_database()) order by length(query) desc"
        )
    }


# Each with the newest version and one of the earlier two: what differs between those are catalogs, not statements.
@pytest.mark.parametrize(
    ("application", "name"),
    [
        (version, name)
        for version, names in ((13, list(STATEMENTS)[::2]), (15, list(STATEMENTS)[1::2]), (18, list(STATEMENTS)))
        for name in names
    ],
    indirect=["application"],
    scope="module",  # or each test would make its application anew
    ids=lambda value: f"pg{value}" if isinstance(value, int) else value,
)
def test_an_ordinary_statement_is_executed_and_leaves_no_error(name: str, application: Application) -> None:
    log = Path(application.database.server.cluster.log_file)
    start = log.stat().st_size
    outcomes = application.explain(name)
    told = [(o.decision, o.layer, o.reason) for o in outcomes]
    assert {o.decision for o in outcomes} == {"executed"}, (told, application.texts[name])
    logged = log.read_bytes()[start:].decode(errors="replace").splitlines()
    assert [line for line in logged if "pgloupe" in line and "ERROR" in line] == []
    gave = [o.plan.root.actual_rows or 0 for o in outcomes if o.plan is not None]
    if application.rows[name]:
        assert any(gave) or name in GIVES_NO_ROW, [o.rewrites for o in outcomes]


def test_the_rows_of_a_call_choose_the_value(application: Application) -> None:
    """views = 3 gives 20 rows, author_id = 6 three; a value of the middle of views > 500 half of the table."""
    sets = {
        "select id from posts where views > $1": (200.0, "$1: a value that keeps about its rows per call", (100, 500)),
        "select id from events where kind = $1": (
            13_000.0, "$1: a value as frequent as its rows per call suggest", (13_000, 14_000)
        ),
        "select id from posts where title <> $1 and id = $2": (1.0, None, (1, 1)),
    }  # fmt: skip
    for sql, (rows_per_call, said, (least, most)) in sets.items():
        request = ExplainRequest(sql, fingerprint(sql) or "", rows_per_call=rows_per_call, facts=application.facts)
        settings = ConnectionSettings.from_dsn(application.database.dsn)
        first = explain_statement(settings, request, ExplainLimits(cores=64))[0]
        assert first.plan is not None
        assert least <= (first.plan.root.actual_rows or 0) <= most
        assert (said in first.rewrites) if said else not any("rows per call" in r for r in first.rewrites)


def test_a_subquery_that_may_give_two_rows_is_not_executed(application: Application) -> None:
    settings = ConnectionSettings.from_dsn(application.database.dsn)
    for sql, decision in (
        ("select id, (select body from comments where user_id = $1) from posts where id = $2", "plan_only"),
        ("select id from posts where author_id = (select user_id from comments where post_id = $1)", "plan_only"),
        ("select id from posts where author_id = (select id from users where email = $1)", "executed"),
        ("select id, (select max(body) from comments where user_id = $1) from posts where id = $2", "executed"),
        ("select id, (select name from users where users.id = author_id) from posts where id < $1", "executed"),
    ):
        request = ExplainRequest(sql, fingerprint(sql) or "", facts=application.facts)
        outcomes = explain_statement(settings, request, ExplainLimits(cores=64))
        assert outcomes[0].decision == decision, sql
        if decision == "plan_only":
            assert outcomes[0].layer == "values"
            assert "may give more than one row" in outcomes[0].reason


def test_what_was_assumed_is_said(application: Application) -> None:
    def said(name: str) -> str:
        return " ".join(r for o in application.explain(name) for r in o.rewrites)

    assert "accounts.closed_by is NULL in every row: a plain value was taken for $1" in said("dj_never_closed")
    assert "ANALYZE keeps no values of bookings.during: a plain value was taken for $1" in said("range_contains")
    assert "a size was taken to be small" in said("lpad_fn")
    assert "a format was taken to be plain" in said("format_fn")
    assert "a literal's lost type was taken from where it stands" in said("recursive")
    assert "2026" not in said("dj_soft_deleted")


def test_a_real_run_tells_sizes_formats_and_types(application: Application) -> None:
    database = application.database
    settings = ConnectionSettings.from_dsn(database.dsn)
    for sql, ran in (
        ("select lpad(id::text, $1, $2) from posts where author_id = $3",
         "select lpad(id::text, 12, '0') from posts where author_id = 3"),
        ("select current_date - $1 from tree where id < $2",
         "select current_date - '2026-01-01' from tree where id < 5"),
    ):  # fmt: skip
        request = ExplainRequest(sql, fingerprint(sql) or "", sampled_sqls=[ran], facts=application.facts)
        outcomes = explain_statement(settings, request, ExplainLimits(cores=64))
        assert (outcomes[0].decision, outcomes[0].values_source) == ("executed", "sampled")
