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


def test_a_paused_server_is_not_called_down():
    failing = StepStatus(step="snapshot", failing_since=ago(5), last_error="gone")
    assert server_state(Server(is_active=False), [failing], NOW).state == State.PAUSED


def test_short_intervals_still_have_half_a_minute():
    late = StepStatus(step="snapshot", last_success_at=ago(29))
    assert server_state(Server(sample_interval_s=5), [late], NOW).state == State.SAMPLING
