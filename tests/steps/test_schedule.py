"""When steps are due, and that each is handed out once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from analyzer import tasks
from analyzer.models import Server, StepStatus
from analyzer.steps import run, schedule
from analyzer.store import locks
from tests.environment import IN_VAIN_S

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def server(name: str = "one", **fields: object) -> Server:
    return Server.objects.create(name=name, slug=name, host="h", user="u", dbname="d", **fields)


def test_a_new_server_is_read_within_seconds_and_explained_after_two_snapshots() -> None:
    one = server(sample_interval_s=60)
    soon = {d.step for d in schedule.claim_due_steps(NOON + timedelta(seconds=0))}
    soon |= {d.step for d in schedule.claim_due_steps(NOON + timedelta(seconds=10))}
    assert soon == {"snapshot", "schema"}
    later = {d.step for d in schedule.claim_due_steps(NOON + timedelta(seconds=200))}
    assert later == {"snapshot", "texts", "activity", "explain", "check"}
    assert StepStatus.objects.filter(server=one).count() == len(schedule.STEPS) - 1  # the log is asked for


def test_a_step_keeps_its_rhythm_and_does_not_catch_up() -> None:
    one = server(sample_interval_s=60)
    StepStatus.objects.create(server=one, step="snapshot", due_at=NOON)
    schedule.claim_due_steps(NOON + timedelta(seconds=605))  # ten minutes late
    assert StepStatus.objects.get(server=one, step="snapshot").due_at == NOON + timedelta(seconds=660)
    assert not [d for d in schedule.claim_due_steps(NOON + timedelta(seconds=659)) if d.step == "snapshot"]


def test_servers_are_spread_by_a_jitter_of_their_own() -> None:
    servers = [server(f"s{n}", sample_interval_s=60) for n in range(20)]
    schedule.claim_due_steps(NOON - timedelta(seconds=1))
    due = {StepStatus.objects.get(server=s, step="snapshot").due_at for s in servers}
    assert len(due) > 15
    # one whose jitter is none is due at once, and again an interval later
    assert {int((moment - NOON).total_seconds()) % 60 for moment in due} <= {55, 56, 57, 58, 59, 0, 1, 2, 3, 4, 5}


def test_an_inactive_server_is_left_alone() -> None:
    server(is_active=False)
    assert schedule.claim_due_steps(NOON) == []


def test_what_is_asked_for_at_once_comes_at_once() -> None:
    one = server()
    StepStatus.objects.create(server=one, step="schema", due_at=NOON + timedelta(minutes=9))
    schedule.make_due_now(one, "schema", now=NOON)
    assert "schema" in {d.step for d in schedule.claim_due_steps(NOON)}


def test_advice_of_one_server_at_a_time_leaves_a_worker_for_the_checks(transactional_db, monkeypatch) -> None:
    """It may take a quarter of an hour: two at once would be all that worker-explain can do."""
    one, other = server("one"), server("other")
    advised = []
    monkeypatch.setattr(run, "advise_on_indexes", lambda server: advised.append(server.name))
    StepStatus.objects.create(server=one, step="advise", due_at=timezone.now() + timedelta(minutes=30))

    def of_another_worker() -> None:
        try:
            tasks.advise_on_indexes(one.pk)
        finally:
            connection.close()

    with locks.first_on_this_machine(locks.ADVICE):
        thread = threading.Thread(target=of_another_worker)
        thread.start()
        thread.join(IN_VAIN_S)
    assert advised == []
    again = StepStatus.objects.get(server=one, step="advise").due_at
    assert again is not None
    assert again <= timezone.now() + tasks.ADVISE_AGAIN_AFTER
    for each in (one, other):
        tasks.advise_on_indexes(each.pk)
    assert advised == ["one", "other"]


def test_texts_that_every_sample_asks_for_wait_in_the_queue_once() -> None:
    one = server(sample_interval_s=60)
    StepStatus.objects.create(server=one, step="texts", due_at=NOON)
    expires = {d.step: d.expires_s for d in schedule.claim_due_steps(NOON)}
    assert expires["texts"] == 60
    assert StepStatus.objects.get(server=one, step="texts").due_at == NOON + timedelta(seconds=600)


def test_steps_of_a_server_that_something_is_stored_of_are_handed_out_all_the_same(transactional_db: None) -> None:
    """Whoever stores what refers to a server holds a lock on its row until the end."""
    one = server()
    for step in schedule.STEPS:  # a missing one's row would wait for the server's
        StepStatus.objects.create(server=one, step=step, due_at=NOON)
    holding, done = threading.Event(), threading.Event()

    def store() -> None:
        try:
            with transaction.atomic():
                Server.objects.select_for_update().get(pk=one.pk)
                holding.set()
                done.wait(IN_VAIN_S)
        finally:
            connection.close()

    thread = threading.Thread(target=store)
    thread.start()
    assert holding.wait(IN_VAIN_S)
    try:
        assert "snapshot" in {d.step for d in schedule.claim_due_steps(NOON, ("snapshot",))}
        assert thread.is_alive()  # still holding it
    finally:
        done.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_hand_a_step_out_once() -> None:
    for n in range(10):
        one = server(f"s{n}")
        StepStatus.objects.create(server=one, step="snapshot", due_at=NOON)
    claimed: list[schedule.DueStep] = []

    def tick() -> None:
        try:
            claimed.extend(schedule.claim_due_steps(NOON))
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshots = [d.server_id for d in claimed if d.step == "snapshot"]
    assert sorted(snapshots) == sorted(Server.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("back", [timedelta(minutes=3), timedelta(hours=2), timedelta(days=400)])
def test_a_clock_that_goes_back_holds_no_step_up(back: timedelta) -> None:
    server(sample_interval_s=60)
    schedule.claim_due_steps(NOON)
    schedule.claim_due_steps(NOON + timedelta(hours=1))
    due = {d.step for d in schedule.claim_due_steps(NOON + timedelta(hours=1) - back)}
    every = set(schedule.STEPS) - {"log"}  # which somebody has to ask for
    expected = {"snapshot", "activity", "explain", "check"} if back < timedelta(minutes=5) else every
    assert due == expected
    assert schedule.claim_due_steps(NOON + timedelta(hours=1) - back) == []
