from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import Server, StepStatus
from dashboard.server_state import State, server_state

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("step", "state", "since"),
    [
        (None, State.WAITING, None),
        (StepStatus(step="snapshot"), State.WAITING, None),
        (StepStatus(step="snapshot", last_success_at=ago(20)), State.SAMPLING, None),
        (StepStatus(step="snapshot", last_success_at=ago(180)), State.SAMPLING, None),
        (StepStatus(step="snapshot", last_success_at=ago(181)), State.STALLED, ago(181)),
        (
            StepStatus(step="snapshot", last_success_at=ago(400), failing_since=ago(300), last_error="gone"),
            State.DOWN,
            ago(300),
        ),
        (StepStatus(step="snapshot", failing_since=ago(5), last_error="gone"), State.DOWN, ago(5)),
        (StepStatus(step="catalog", last_success_at=ago(5)), State.WAITING, None),
    ],
)
def test_state_follows_the_sampling_step(step, state, since):
    found = server_state(Server(sample_interval_s=60), [step] if step else [], NOW)
    assert (found.state, found.since) == (state, since)


@pytest.mark.parametrize(
    ("others", "state", "since", "sentence"),
    [
        ([StepStatus(step="explain")], State.SAMPLING, None, "Sampled every 60 s."),
        (
            [StepStatus(step="explain", failing_since=ago(300), last_error="no right")],
            State.FAILING, ago(300), "The step explain fails: no right",
        ),
        (
            [
                StepStatus(step="schema", failing_since=ago(30), last_error="odd byte"),
                StepStatus(step="check", failing_since=ago(90), last_error="a fault"),
                StepStatus(step="advise", last_success_at=ago(9)),
            ],
            State.FAILING, ago(90), "2 steps fail (check, schema); check says: a fault",
        ),
    ],
)  # fmt: skip
def test_a_step_that_fails_is_no_fine_server(others, state, since, sentence):
    sampled = StepStatus(step="snapshot", last_success_at=ago(20))
    found = server_state(Server(sample_interval_s=60), [*others, sampled], NOW)
    assert (found.state, found.since, found.sentence, found.is_trouble) == (state, since, sentence, False)


def test_a_server_whose_texts_are_being_read_is_sampled_and_says_how_far_it_is():
    sampled = StepStatus(step="snapshot", last_success_at=ago(20))
    reading = StepStatus(step="texts", note="Reading texts (1,200 of 4,500)")
    found = server_state(Server(sample_interval_s=60), [sampled, reading], NOW)
    assert (found.state, found.texts) == (State.SAMPLING, "Reading texts (1,200 of 4,500)")
    other = StepStatus(step="texts", note="The statements' texts cannot be read here: ...")
    assert server_state(Server(sample_interval_s=60), [sampled, other], NOW).texts == ""


def test_no_figures_weigh_more_than_a_step_that_fails():
    steps = [
        StepStatus(step="snapshot", last_success_at=ago(400), failing_since=ago(300), last_error="gone"),
        StepStatus(step="explain", failing_since=ago(900), last_error="no right"),
    ]
    found = server_state(Server(sample_interval_s=60), steps, NOW)
    assert (found.state, found.sentence) == (State.DOWN, "gone")


@pytest.mark.parametrize(
    ("started_s", "due_in_s", "state", "words"),
    [
        (400, 20, State.STALLED, "a worker, beat or Redis may be away"),  # handed out, and nobody took it
        (400, -120, State.STALLED, "a worker, beat or Redis may be away"),  # nobody hands out
        (60, 20, State.STALLED, "begun and has not ended"),
        (400, -5, State.SAMPLING, "Sampled every 60 s."),  # watched again after a pause
    ],
)
def test_a_worker_is_said_to_be_away_only_when_nobody_began(started_s, due_in_s, state, words):
    step = StepStatus(
        step="snapshot", last_success_at=ago(399), last_started_at=ago(started_s),
        due_at=NOW + timedelta(seconds=due_in_s),
    )  # fmt: skip
    found = server_state(Server(sample_interval_s=60), [step], NOW)
    assert (found.state, words in found.sentence) == (state, True), found.sentence


def test_a_paused_server_is_not_called_down():
    failing = StepStatus(step="snapshot", failing_since=ago(5), last_error="gone")
    assert server_state(Server(is_active=False), [failing], NOW).state == State.PAUSED


def test_short_intervals_still_have_half_a_minute():
    late = StepStatus(step="snapshot", last_success_at=ago(29))
    assert server_state(Server(sample_interval_s=5), [late], NOW).state == State.SAMPLING
