"""The process that looks at sessions: what it holds is bounded, and what hangs is said. tests/faults kills it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from analyzer.models import Server, StepStatus
from analyzer.monitored.readings import ActivityRow
from analyzer.steps import activity as watching
from analyzer.steps import session_process as session_watch
from analyzer.steps.session_process import SessionWatch


def due_server(name: str = "one") -> Server:
    made = Server.objects.create(name=name, slug=name, host="h", user="u", dbname="d")
    StepStatus.objects.create(server=made, step="activity", due_at=timezone.now() - timedelta(seconds=1))
    return made


def end(watch: SessionWatch) -> None:
    watch._visits.shutdown(wait=True)
    watch._keepers.submit(lambda: connection.close()).result(10)  # of that thread
    watch._keepers.shutdown(wait=True)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SessionWatch:
    monkeypatch.setattr(session_watch, "KEEPERS", 1)  # one connection to close at the end
    return SessionWatch()


@pytest.mark.django_db
def test_looks_are_left_out_and_counted_while_too_much_waits_for_the_store(
    watch: SessionWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "look", lambda *_, **__: pytest.fail("looked all the same"))
    due_server()
    watch._waiting_rows = session_watch.MOST_WAITING_ROWS + 1
    watch._take_turn()
    assert watch._begun_s == {}
    assert watch._status() == "0 servers at this moment, 0 looked at closely, 1 looks left out in the last minute"


@pytest.mark.django_db(transaction=True)
def test_a_look_that_does_not_end_is_said_once_and_no_other_begins(watch: SessionWatch) -> None:
    server = due_server()
    watch._begun_s[server.pk] = time.monotonic() - 100
    watch._take_turn()
    StepStatus.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    watch._take_turn()
    end(watch)
    status = StepStatus.objects.get(server=server, step="activity")
    assert status.last_error.startswith("A look at the sessions began 100 s ago and has not ended")
    assert list(watch._begun_s) == [server.pk]


@pytest.mark.django_db(transaction=True)
def test_what_is_read_waits_counted_and_a_server_removed_meanwhile_is_no_fault(
    watch: SessionWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, seen = due_server(), []
    row = ActivityRow(1, None, None, None, None, "active", None, None, 10, 5, "", None, "select 1")

    def look(looked_at: Server, *, closely: bool, before: object) -> watching.SessionSamples:
        Server.objects.filter(pk=looked_at.pk).delete()
        connection.close()
        return watching.SessionSamples([(datetime.now(UTC), [row] * 7)], time.monotonic())

    def keep(*_: object, **__: object) -> None:
        seen.append(watch._waiting_rows)

    monkeypatch.setattr(watching, "look", look)
    monkeypatch.setattr(session_watch.pipeline, "run_step", keep)
    watch._take_turn()
    end(watch)
    assert (seen, watch._waiting_rows, watch._begun_s) == ([], 0, {})
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
    assert Server.objects.filter(pk=server.pk).count() == 0
