"""Texts come in lots, each kept at once: a server with thousands is never "down", and nothing is read in vain."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from analyzer.errors import StatementFailed
from analyzer.models import Server, Snapshot, Statement, StatementEntry, StepStatus
from analyzer.monitored.connection import connect
from analyzer.monitored.readings import StatementText
from analyzer.monitored.sample.statements import read_some_texts, read_statement_counters
from analyzer.steps import run as pipeline
from analyzer.steps import schedule
from analyzer.steps import texts as naming
from analyzer.store import texts
from analyzer.store.servers import add_server_from_dsn, connection_settings
from dashboard.servers.state import SamplingState, server_state
from tests.servers import ScratchDatabase
from tests.servers import Server as RunningServer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
MANY = 450
Made = tuple[Server, ScratchDatabase]


def statement(n: int) -> str:
    return f"select c{n} from t where c{n} = 1"


TABLE = f"create table t ({', '.join(f'c{n} int' for n in range(MANY))}, late int)"


@pytest.fixture
def many(
    postgres18: RunningServer,
    scratch_database: Callable[[RunningServer], ScratchDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> Made:
    """A server with more new statements than a sample takes along."""
    monkeypatch.setattr(naming, "OF_A_SAMPLE", 200)  # as it is but for the tests
    database = scratch_database(postgres18)
    with database.connect() as connection:
        connection.execute("select public.pg_stat_statements_reset()")
        connection.execute(TABLE)
        for n in range(MANY):
            connection.execute(statement(n))
    server = add_server_from_dsn(database.dsn)
    schedule.claim_due_steps(timezone.now())  # as the first tick does
    return server, database


def described(monkeypatch: pytest.MonkeyPatch) -> "Counter[str]":
    seen: Counter[str] = Counter()
    real = texts.describe

    def count(text: str | None, queryid: int) -> object:
        seen[text or ""] += 1
        return real(text, queryid)

    monkeypatch.setattr(texts, "describe", count)
    return seen


def textless(server: Server) -> int:
    return StatementEntry.objects.filter(server=server, statement__isnull=True, is_own=False).count()


def named(server: Server) -> int:
    return Statement.objects.filter(server=server, normalized_sql__contains=" from t where ").count()


def note(server: Server) -> str:
    return StepStatus.objects.get(server=server, step="texts").note


def state_of(server: Server) -> tuple[SamplingState, str]:
    StepStatus.objects.filter(server=server, step="snapshot").update(last_success_at=timezone.now())
    found = server_state(server, server.steps.all(), timezone.now())
    return found.state, found.texts


def test_the_counters_of_many_statements_come_without_waiting_for_their_texts(many: Made) -> None:
    server, _ = many
    pipeline.take_snapshot(server)
    assert Snapshot.objects.get(server=server).entries > MANY
    assert named(server) == 0
    assert textless(server) > MANY
    assert "texts" in {due.step for due in schedule.claim_due_steps(timezone.now())}


def test_a_run_that_is_stopped_anywhere_keeps_what_it_has_and_the_next_goes_on(
    many: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = many
    pipeline.take_snapshot(server)
    seen, keep, kept = described(monkeypatch), texts.keep_texts, []

    def stop_in_the_third(server: Server, found: list[StatementText], **more: object) -> int:
        if len(kept) == 2:
            raise SoftTimeLimitExceeded
        kept.extend([len(found)])
        return keep(server, found, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(texts, "keep_texts", stop_in_the_third)
    pipeline.run_step(server, "texts", naming.read_texts)
    entries = Snapshot.objects.get(server=server).entries
    assert kept == [naming.LOT_TEXTS] * 2
    assert note(server) == f"Reading texts ({entries - textless(server):,} of {entries:,})"
    assert state_of(server)[0] == SamplingState.FAILING  # this step; the figures come
    monkeypatch.setattr(texts, "keep_texts", keep)
    pipeline.run_step(server, "texts", naming.read_texts)
    assert (named(server), textless(server), note(server)) == (MANY, 0, "")
    assert state_of(server) == (SamplingState.SAMPLING, "")
    assert set(seen.values()) == {1}


def test_a_run_gives_way_when_its_time_is_up_and_says_how_far_it_got(
    many: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = many
    pipeline.take_snapshot(server)
    entries = Snapshot.objects.get(server=server).entries
    monkeypatch.setattr(naming, "RUN_S", 0.0)
    runs = []
    while not runs or runs[-1]:
        pipeline.run_step(server, "texts", naming.read_texts)
        runs.append(note(server))
        assert state_of(server) == (SamplingState.SAMPLING, runs[-1])
    assert runs[0] == f"Reading texts (100 of {entries:,})"
    assert runs[:-1] == [f"Reading texts ({100 * (n + 1)} of {entries:,})" for n in range(len(runs) - 1)]
    assert len(runs) == -(-entries // 100)
    assert (named(server), textless(server)) == (MANY, 0)


def test_the_same_text_in_many_databases_is_described_once(many: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    server, database = many
    tenants = [ScratchDatabase(database.server) for _ in range(2)]
    try:
        for tenant in tenants:
            with tenant.connect() as connection:
                connection.execute(TABLE)
                for n in range(0, MANY, 2):
                    connection.execute(statement(n))
        pipeline.take_snapshot(server)
        seen = described(monkeypatch)
        assert naming.read_texts(server) == ""
    finally:
        for tenant in tenants:
            tenant.drop()
    # all but what was said to create the tables: a utility's text is no statement of many databases
    assert {seen[s] for s in seen if " from t where " in s} == {1}
    assert (named(server), textless(server)) == (MANY, 0)


def test_what_is_to_be_read_again_is_read_by_the_step_when_it_is_much(many: Made) -> None:
    server, _ = many
    pipeline.take_snapshot(server)
    naming.read_texts(server)
    due = StatementEntry.objects.filter(server=server, is_own=False)
    due.update(is_text_due=True)
    schedule.claim_due_steps(timezone.now())
    pipeline.take_snapshot(server)
    assert due.filter(is_text_due=True).count() > MANY
    assert "texts" in {due.step for due in schedule.claim_due_steps(timezone.now())}
    assert naming.read_texts(server) == ""
    assert (due.filter(is_text_due=True).count(), named(server)) == (0, MANY)


def test_few_new_texts_come_along_with_the_sample(many: Made) -> None:
    server, database = many
    pipeline.take_snapshot(server)
    naming.read_texts(server)
    schedule.claim_due_steps(timezone.now())
    with database.connect() as connection:
        connection.execute("select late from t where late = 1")
    pipeline.take_snapshot(server)
    assert (named(server), textless(server)) == (MANY + 1, 0)
    assert "texts" not in {due.step for due in schedule.claim_due_steps(timezone.now())}


def test_texts_that_cannot_be_read_cost_the_sample_nothing(many: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    server, database = many
    pipeline.take_snapshot(server)
    naming.read_texts(server)
    schedule.claim_due_steps(timezone.now())
    with database.connect() as connection:
        connection.execute("select late from t where late = 1")

    def fail(*_: object, **__: object) -> object:
        raise StatementFailed("reading the statements' texts", "57014", "canceling statement due to statement timeout")

    monkeypatch.setattr(naming, "read_some_texts", fail)
    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    assert StepStatus.objects.get(server=server, step="snapshot").failing_since is None
    assert "texts" in {due.step for due in schedule.claim_due_steps(timezone.now())}
    pipeline.run_step(server, "texts", naming.read_texts)
    state = server_state(server, server.steps.all(), timezone.now())
    assert state.state == SamplingState.FAILING
    assert state.sentence.startswith("The step texts fails: ")
    assert "statement timeout" in state.sentence


@pytest.mark.parametrize("version", [13, 15, 18])
def test_long_texts_come_some_megabytes_at_a_time(
    postgres: Callable[[int], RunningServer], scratch_database: Callable[[RunningServer], ScratchDatabase], version: int
) -> None:
    database = scratch_database(postgres(version))
    with database.connect() as connection:
        connection.execute("select public.pg_stat_statements_reset()")
        connection.execute(TABLE)
        for n in range(30):
            connection.execute(f"select /* {'x' * 60_000} */ c{n} from t")
    server = add_server_from_dsn(database.dsn)
    with connect(connection_settings(server)) as conn:
        left = read_statement_counters(conn).keys.tolist()
        sizes, found = [], set()
        while left:
            part, left = read_some_texts(conn, left, most_bytes=500_000)
            sizes.append(sum(len(t.text or "") for t in part))
            found |= {t.text for t in part if t.text and t.text.startswith("select")}
    assert len(sizes) >= 4
    assert max(sizes) <= 500_000
    assert len({t for t in found if len(t) > 50_000}) == 30


@pytest.mark.parametrize("version", [13, 15])
def test_texts_that_the_server_lost_are_no_large_ones(
    postgres: Callable[[int], RunningServer], scratch_database: Callable[[RunningServer], ScratchDatabase], version: int
) -> None:
    database = scratch_database(postgres(version))
    with database.connect() as connection:
        connection.execute("select public.pg_stat_statements_reset()")
        for n in range(1, 31):
            connection.execute("select " + ", ".join("1" * n))
        (directory,) = connection.execute("show data_directory").fetchone() or ("",)
    server = add_server_from_dsn(database.dsn)
    with connect(connection_settings(server)) as conn:
        keys = read_statement_counters(conn).keys.tolist()
        texts = Path(directory) / "pg_stat_tmp/pgss_query_texts.stat"
        try:
            with texts.open("r+b") as file:
                file.write(b"x" * texts.stat().st_size)  # no text ends where it should
            found, left = read_some_texts(conn, keys, most_bytes=500_000)
        finally:
            with database.connect() as connection:
                connection.execute("select public.pg_stat_statements_reset()")
    assert ({t.text for t in found}, len(found), left) == ({None}, len(keys), [])
    assert len(keys) >= 30
