"""What is going on with a server, in one word and one sentence, from what its steps last did."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from analyzer.models import Server, StepStatus


class State(enum.StrEnum):
    SAMPLING = "sampling"
    WAITING = "waiting"
    DOWN = "down"
    STALLED = "stalled"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class ServerState:
    """``since``: when the state began, None where it is not known or does not matter."""

    state: State
    sentence: str
    since: datetime | None = None
    last_sample_at: datetime | None = None

    @property
    def is_trouble(self) -> bool:
        return self.state in (State.DOWN, State.STALLED)


def server_state(server: Server, steps: Iterable[StepStatus], now: datetime) -> ServerState:
    """Judged by the step ``snapshot``: the others wait for it."""
    snapshot = next((s for s in steps if s.step == "snapshot"), None)
    last = snapshot.last_success_at if snapshot else None
    if not server.is_active:
        return ServerState(State.PAUSED, "Paused: nothing is read from this server.", None, last)
    if snapshot is not None and snapshot.failing_since is not None:
        return ServerState(State.DOWN, snapshot.last_error or "The last reading failed.", snapshot.failing_since, last)
    if last is None:
        return ServerState(State.WAITING, "The first sample comes in a few seconds.")
    # Three missed samples, and never less than 30 s: a busy worker may be late once.
    if now - last > timedelta(seconds=max(30, 3 * server.sample_interval_s)):
        return ServerState(
            State.STALLED,
            "No sample has come for longer than three intervals: a worker, beat or Redis may be away.",
            last,
            last,
        )
    return ServerState(State.SAMPLING, f"Sampled every {server.sample_interval_s} s.", None, last)
