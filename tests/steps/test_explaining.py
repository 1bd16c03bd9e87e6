"""Which statements are explained next, and which values are kept for them."""

from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import Database, ExplainAudit, ExplainState, ParameterSample, Server, Statement, StatementEntry
from analyzer.steps import explain as explaining
from analyzer.store import parameters
from analyzer.store.series.totals import StatementRate

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def database() -> Database:
    server = Server.objects.create(name="one", slug="one", host="h", user="u", dbname="app")
    return Database.objects.create(server=server, oid=5, name="app", is_inspected=True)


def statement(database: Database, name: str, **fields: object) -> Statement:
    values = {"kind": "select", "tables": ["item"], "normalized_sql": f"select {name}", **fields}
    made = Statement.objects.create(server=database.server, fingerprint=name, first_seen=NOON, last_seen=NOON, **values)
    StatementEntry.objects.create(
        server=database.server, statement=made, role_oid=10, database_oid=database.oid, queryid=made.pk
    )
    return made


def rate(seconds_per_day: float, mean_ms: float = 10.0) -> StatementRate:
    return StatementRate(1000.0, seconds_per_day, mean_ms, 1.0)


def explained(of: Statement, database: Database, **fields: object) -> ExplainState:
    values = {
        "explained_at": NOON - timedelta(hours=1),
        "next_at": NOON + timedelta(hours=23),
        "schema_signature": explaining.schema_signature(None, of.tables),
        "mean_exec_time_ms": 10.0,
        "used_real_values": True,
        "outcome": "executed",
        **fields,
    }
    return ExplainState.objects.create(statement=of, database=database, **values)


def chosen(database: Database, rates: dict[int, StatementRate], limit: int = 20) -> list[tuple[str, str]]:
    return [(c.statement.fingerprint, c.because) for c in explaining.choose(database, rates, None, NOON, limit)]


def test_the_costliest_without_a_fresh_plan_come_first(database: Database) -> None:
    cheap, dear, fresh = (statement(database, name) for name in ("cheap", "dear", "fresh"))
    utility = statement(database, "utility", kind="utility")
    hidden = statement(database, "hidden", text_state=Statement.TextState.HIDDEN)
    explained(fresh, database)
    rates = {s.pk: rate(n) for n, s in enumerate((cheap, dear, fresh, utility, hidden), 1)}
    assert chosen(database, rates) == [("dear", "no plan yet"), ("cheap", "no plan yet")]
    assert chosen(database, rates, limit=1) == [("dear", "no plan yet")]


@pytest.mark.parametrize(
    ("fields", "mean_ms", "because"),
    [
        ({"next_at": NOON}, 10.0, "its plan is old"),
        ({"schema_signature": "other"}, 10.0, "its tables or their indexes changed"),
        ({}, 20.0, "its mean time changed by a factor of 2.0"),
        ({}, 5.0, "its mean time changed by a factor of 2.0"),
        ({}, 19.9, ""),
        ({"explained_at": NOON - timedelta(minutes=9)}, 50.0, ""),  # too soon to tell
    ],
)
def test_what_makes_a_plan_stale(database: Database, fields: dict[str, object], mean_ms: float, because: str) -> None:
    one = statement(database, "one")
    explained(one, database, **fields)
    assert chosen(database, {one.pk: rate(1, mean_ms)}) == ([("one", because)] if because else [])


def test_real_values_seen_later_are_worth_a_new_plan(database: Database) -> None:
    one = statement(database, "one")
    explained(one, database, used_real_values=False)
    assert chosen(database, {one.pk: rate(1)}) == []
    parameters.keep_samples(database, [parameters.SeenText(one.pk, "select 42", NOON, 3.0)])
    [(_, because)] = chosen(database, {one.pk: rate(1)})
    assert because == "it was explained with assumed values and real ones have been seen since"


@pytest.mark.parametrize("outcome", ["plan_only", "failed"])
def test_a_statement_that_lacked_values_is_tried_again_with_real_ones(database: Database, outcome: str) -> None:
    one = statement(database, "one")
    state = explained(one, database, used_real_values=False, outcome=outcome)
    assert chosen(database, {one.pk: rate(1)}) == []
    parameters.keep_samples(database, [parameters.SeenText(one.pk, "select 42", NOON, 3.0)])
    [(_, because)] = chosen(database, {one.pk: rate(1)})
    assert because == "it was not executed for want of values, and real ones have been seen since"
    ExplainState.objects.filter(pk=state.pk).update(used_real_values=True)  # they did not help: not again
    assert chosen(database, {one.pk: rate(1)}) == []


def test_own_and_other_databases_statements_are_left_out(database: Database) -> None:
    own, elsewhere = statement(database, "own"), statement(database, "elsewhere")
    StatementEntry.objects.filter(statement=own).update(is_own=True)
    StatementEntry.objects.filter(statement=elsewhere).update(database_oid=6)
    assert chosen(database, {own.pk: rate(1), elsewhere.pk: rate(1)}) == []


def test_budget_counts_the_last_hour_of_all_databases_of_the_server(database: Database) -> None:
    for name, minutes, ms in (("app", 5, 20_000), ("app", 61, 30_000), ("other", 5, 10_000)):
        audit = ExplainAudit.objects.create(
            server=database.server, database_name=name, text_hash="x", decision="executed", reason="", duration_ms=ms
        )
        ExplainAudit.objects.filter(pk=audit.pk).update(at=NOON - timedelta(minutes=minutes))
    assert explaining.remaining_budget_ms(database.server, NOON) == 30_000


def test_a_busy_server_is_asked_again_in_a_minute_and_one_that_was_away_in_ten() -> None:
    assert explaining.next_time("plan_only", "load", NOON) - NOON == timedelta(minutes=1)
    for layer in ("connection", "conflict"):
        assert explaining.next_time("failed", layer, NOON) - NOON == timedelta(minutes=10)
    # it would fail again, with an error in the server's log
    for layer in ("run", "plan", "watchdog"):
        assert explaining.next_time("failed", layer, NOON) - NOON == timedelta(hours=24)
    assert explaining.next_time("executed", "", NOON) - NOON == timedelta(hours=24)


def test_the_newest_and_the_slowest_texts_are_kept_encrypted(database: Database) -> None:
    one = statement(database, "one")
    for n, duration_ms in enumerate((5.0, 900.0, 7.0, 6.0, None)):
        at = NOON + timedelta(seconds=n)
        parameters.keep_samples(database, [parameters.SeenText(one.pk, f"select 'canary {n}'", at, duration_ms)])
    assert parameters.samples_of(one, database) == ["select 'canary 4'", "select 'canary 3'", "select 'canary 1'"]
    assert not ParameterSample.objects.filter(sql_encrypted__contains="canary").exists()
