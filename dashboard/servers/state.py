"""What is going on with a server, in one word and one sentence, from what its steps last did."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.models import Server, StepStatus
from analyzer.runtime.workers import SAMPLES, QueueState, recent_queue_state
from analyzer.store.texts import READING

LEAST_PATIENCE_S = 30
LONGEST_SAMPLE_S = 90  # then its task is ended (analyzer/tasks.py)
TICK_LATE_S = 15  # beat sends one a second


class SamplingState(enum.StrEnum):
    SAMPLING = "sampling"
    WAITING = "waiting"
    DOWN = "down"
    STALLED = "stalled"
    FAILING = "failing"  # sampled, while another step fails
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class ShownState:
    """``since``: when the state began, None where it is not known or does not matter.

    ``texts``: how far their reading has come; "" when all are there.
    """

    state: SamplingState
    sentence: str
    since: datetime | None = None
    last_sample_at: datetime | None = None
    texts: str = ""

    @property
    def is_trouble(self) -> bool:
        """No figures come."""
        return self.state in (SamplingState.DOWN, SamplingState.STALLED)

    @property
    def needs_sentence(self) -> bool:
        """Whether the sentence says more than the word."""
        is_late = self.state == SamplingState.WAITING and self.last_sample_at is not None
        return self.is_trouble or is_late or self.state == SamplingState.FAILING


def server_state(
    server: Server,
    steps: Iterable[StepStatus],
    now: datetime,
    at_work: Callable[[datetime], QueueState | None] = recent_queue_state,
) -> ShownState:
    """Judged by the step ``snapshot``, for figures come from it alone; then by whichever other ``steps`` are given.

    ``at_work``: asked only where samples are late, so that nobody is said to be away who is not.
    """
    steps = list(steps)
    snapshot = next((s for s in steps if s.step == "snapshot"), None)
    last = snapshot.last_success_at if snapshot else None
    if not server.is_active:
        return ShownState(SamplingState.PAUSED, "Paused: nothing is read from this server.", None, last)
    if snapshot is not None and snapshot.failing_since is not None:
        return ShownState(
            SamplingState.DOWN, snapshot.last_error or "The last reading failed.", snapshot.failing_since, last
        )
    if last is None:
        return ShownState(SamplingState.WAITING, "The first sample comes in a few seconds.")
    # Three missed samples, and never less than 30 s: a busy worker may be late once.
    patience = timedelta(seconds=max(LEAST_PATIENCE_S, 3 * server.sample_interval_s))
    if snapshot is not None and now - last > patience and not _was_just_made_due(snapshot, last + patience, now):
        return _late(snapshot, last, patience, now, at_work)
    texts = next((s.note for s in steps if s.step == "texts" and s.note.startswith(READING)), "")
    failing = [s for s in steps if s.failing_since is not None]
    if failing:
        first = min(failing, key=lambda s: (s.failing_since, s.step))
        sentence = f"The step {first.step} fails: {first.last_error}"
        if len(failing) > 1:
            names = ", ".join(sorted(s.step for s in failing))
            sentence = f"{len(failing)} steps fail ({names}); {first.step} says: {first.last_error}"
        return ShownState(SamplingState.FAILING, sentence, first.failing_since, last, texts)
    return ShownState(SamplingState.SAMPLING, f"Sampled every {server.sample_interval_s} s.", None, last, texts)


def sampling_state(server: Server) -> ShownState:
    """Whether figures come from it, for a page about something else."""
    return server_state(server, server.steps.filter(step="snapshot"), timezone.now())


def _was_just_made_due(snapshot: StepStatus, late_at: datetime, now: datetime) -> bool:
    """A server that was paused is late by the whole pause when it is watched again: it has a moment."""
    due = snapshot.due_at
    return due is not None and due > late_at and timedelta(0) <= now - due <= timedelta(seconds=LEAST_PATIENCE_S)


def _late(
    snapshot: StepStatus,
    last: datetime,
    patience: timedelta,
    now: datetime,
    at_work: Callable[[datetime], QueueState | None],
) -> ShownState:
    """Why no sample came for so long: being read, just started, or stalled, and at which part."""

    def stalled(why: str) -> ShownState:
        return ShownState(SamplingState.STALLED, f"{why[0].upper()}{why[1:]}", last, last)

    begun = snapshot.last_started_at
    is_begun = begun is not None and begun > last
    if is_begun and begun is not None and (now - begun).total_seconds() <= LONGEST_SAMPLE_S:
        return ShownState(SamplingState.WAITING, "A sample is being read.", last, last)
    queue = at_work(now)
    if queue is None:
        return stalled("Redis does not answer, so no sample is begun.")
    takers = [w for w in queue.workers if SAMPLES in w.queues and not w.is_silent]
    if not takers:
        return stalled("no worker takes samples.")
    if now - min(w.started_at for w in takers) <= patience:
        return ShownState(
            SamplingState.WAITING, "pgLoupe was just started: the next sample comes in a moment.", last, last
        )
    if is_begun:
        return stalled("a sample was begun and has not ended: the server answers slowly, or its worker was stopped.")
    tick = queue.last_runs.get("analyzer.tasks.tick")
    if tick is None or (now - tick.at).total_seconds() > TICK_LATE_S:
        return stalled("nothing hands out work: beat does not run.")
    if waiting := queue.waiting.get(SAMPLES):
        tasks = "1 task waits" if waiting == 1 else f"{waiting} tasks wait"
        return stalled(f"the workers are busy: {tasks} in the queue of samples.")
    return stalled("no sample has been begun for longer than three intervals; the workers' logs may say why.")
