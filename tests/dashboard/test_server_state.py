from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import Server, StepStatus
from analyzer.runtime.workers import LastRun, QueueState, WorkerState
from dashboard.servers.state import SamplingState, server_state

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("step", "state", "since"),
    [
        (None, SamplingState.WAITING, None),
        (StepStatus(step="snapshot"), SamplingState.WAITING, None),
        (StepStatus(step="snapshot", last_success_at=ago(20)), SamplingState.SAMPLING, None),
        (StepStatus(step="snapshot", last_success_at=ago(180)), SamplingState.SAMPLING, None),
        (StepStatus(step="snapshot", last_success_at=ago(181)), SamplingState.STALLED, ago(181)),
        (
            StepStatus(step="snapshot", last_success_at=ago(400), failing_since=ago(300), last_error="gone"),
            SamplingState.DOWN,
            ago(300),
        ),
        (StepStatus(step="snapshot", failing_since=ago(5), last_error="gone"), SamplingState.DOWN, ago(5)),
        (StepStatus(step="catalog", last_success_at=ago(5)), SamplingState.WAITING, None),
    ],
)
def test_state_follows_the_sampling_step(step, state, since):
    found = server_state(Server(sample_interval_s=60), [step] if step else [], NOW, lambda now: at_work())
    assert (found.state, found.since) == (state, since)


@pytest.mark.parametrize(
    ("others", "state", "since", "sentence"),
    [
        ([StepStatus(step="explain")], SamplingState.SAMPLING, None, "Sampled every 60 s."),
        (
            [StepStatus(step="explain", failing_since=ago(300), last_error="no right")],
            SamplingState.FAILING, ago(300), "The step explain fails: no right",
        ),
        (
            [
                StepStatus(step="schema", failing_since=ago(30), last_error="odd byte"),
                StepStatus(step="check", failing_since=ago(90), last_error="a fault"),
                StepStatus(step="advise", last_success_at=ago(9)),
            ],
            SamplingState.FAILING, ago(90), "2 steps fail (check, schema); check says: a fault",
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
    assert (found.state, found.texts) == (SamplingState.SAMPLING, "Reading texts (1,200 of 4,500)")
    other = StepStatus(step="texts", note="The statements' texts cannot be read here: ...")
    assert server_state(Server(sample_interval_s=60), [sampled, other], NOW).texts == ""


def test_no_figures_weigh_more_than_a_step_that_fails():
    steps = [
        StepStatus(step="snapshot", last_success_at=ago(400), failing_since=ago(300), last_error="gone"),
        StepStatus(step="explain", failing_since=ago(900), last_error="no right"),
    ]
    found = server_state(Server(sample_interval_s=60), steps, NOW)
    assert (found.state, found.sentence) == (SamplingState.DOWN, "gone")


def late(started_s: float = 400, due_in_s: float = 20, last_s: float = 399) -> StepStatus:
    return StepStatus(
        step="snapshot", last_success_at=ago(last_s), last_started_at=ago(started_s),
        due_at=NOW + timedelta(seconds=due_in_s),
    )  # fmt: skip


def at_work(queues=("sample",), *, started_s=7200.0, silent=False, tick_s: float | None = 1, waiting=0) -> QueueState:
    worker = WorkerState("w", tuple(queues), 2, ago(started_s), ago(1), silent)
    ticks = {} if tick_s is None else {"analyzer.tasks.tick": LastRun(ago(tick_s), "SUCCESS", "")}
    return QueueState({"sample": waiting, "explain": 9, "maintenance": 9}, 0, [worker], ticks)


@pytest.mark.parametrize(
    ("step", "queue", "state", "sentence"),
    [
        (late(), None, SamplingState.STALLED, "Redis does not answer, so no sample is begun."),
        (late(), at_work(silent=True), SamplingState.STALLED, "No worker takes samples."),
        (late(), at_work(("explain", "maintenance")), SamplingState.STALLED, "No worker takes samples."),
        (late(), at_work(tick_s=None), SamplingState.STALLED, "Nothing hands out work: beat does not run."),
        (late(), at_work(tick_s=60), SamplingState.STALLED, "Nothing hands out work: beat does not run."),
        (
            late(),
            at_work(waiting=1),
            SamplingState.STALLED,
            "The workers are busy: 1 task waits in the queue of samples.",
        ),
        (
            late(), at_work(waiting=40), SamplingState.STALLED,
            "The workers are busy: 40 tasks wait in the queue of samples.",
        ),
        (
            late(), at_work(), SamplingState.STALLED,
            "No sample has been begun for longer than three intervals; the workers' logs may say why.",
        ),
        # `make up` of this morning: yesterday's last sample is no trouble
        (
            late(last_s=50_000), at_work(started_s=5, tick_s=None), SamplingState.WAITING,
            "pgLoupe was just started: the next sample comes in a moment.",
        ),
        (late(started_s=60), None, SamplingState.WAITING, "A sample is being read."),
        (
            late(started_s=91), at_work(), SamplingState.STALLED,
            "A sample was begun and has not ended: the server answers slowly, or its worker was stopped.",
        ),
        (late(due_in_s=-5), None, SamplingState.SAMPLING, "Sampled every 60 s."),  # watched again after a pause
    ],
)  # fmt: skip
def test_somebody_is_said_to_be_away_only_when_away(step, queue, state, sentence):
    found = server_state(Server(sample_interval_s=60), [step], NOW, lambda now: queue)
    assert (found.state, found.sentence) == (state, sentence)
    assert found.is_trouble == (state == SamplingState.STALLED)


def test_a_paused_server_is_not_called_down():
    failing = StepStatus(step="snapshot", failing_since=ago(5), last_error="gone")
    assert server_state(Server(is_active=False), [failing], NOW).state == SamplingState.PAUSED


def test_short_intervals_still_have_half_a_minute():
    late = StepStatus(step="snapshot", last_success_at=ago(29))
    assert server_state(Server(sample_interval_s=5), [late], NOW).state == SamplingState.SAMPLING
