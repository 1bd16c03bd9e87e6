"""Workers tell Redis that they live; the self-monitoring page reads that, and how long the queues are.

Kept beside the queues and nowhere else: without Redis there is nothing to work on, so nothing to tell. A container's
health check reads the time of ``PGLOUPE_ALIVE_FILE`` instead, which costs it no Python.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

SAMPLES = "sample"  # the queue of them
QUEUES = ("tick", SAMPLES, "explain", "maintenance", "texts")
SESSIONS = "sessions"  # no queue: what the process that looks at sessions calls itself (session_process.py)
WATCHED = ("analyzer.tasks.tick", "analyzer.tasks.tidy_store")  # what no server's step status tells
WORKERS, RAN = "pgloupe:workers", "pgloupe:ran"
TELL_EVERY_S = 5.0  # Celery's heart beats every 2 s
SILENT_AFTER_S = 20.0  # three beats missed, and some
FORGOTTEN_AFTER_S = 86_400.0
PATIENCE_S = 0.5  # a page waits no longer for Redis
RECENT_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """``is_silent``: not heard of for longer than SILENT_AFTER_S, and it did not say that it stops.

    ``status``: what it is at, in its own words.
    """

    name: str
    queues: tuple[str, ...]
    concurrency: int | None
    started_at: datetime
    seen_at: datetime
    is_silent: bool
    status: str = ""


@dataclass(frozen=True, slots=True)
class LastRun:
    """``state``: Celery's word, SUCCESS or FAILURE; ``error`` names the kind of error only."""

    at: datetime
    state: str
    error: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """``waiting``: messages by queue. ``taken``: handed to workers and not finished. ``last_runs`` by task name."""

    waiting: dict[str, int]
    taken: int
    workers: list[WorkerState]
    last_runs: dict[str, LastRun]

    def queues_without_worker(self) -> list[str]:
        return [queue for queue in QUEUES if queue not in self._served]

    @property
    def are_sessions_watched(self) -> bool:
        return SESSIONS in self._served

    @property
    def _served(self) -> set[str]:
        return {queue for worker in self.workers if not worker.is_silent for queue in worker.queues}


def queue_state(now: datetime) -> QueueState | None:
    """None when Redis does not answer within PATIENCE_S. One round trip."""
    try:
        with contextlib.closing(_client()) as client:
            pipeline = client.pipeline(transaction=False)
            for queue in QUEUES:
                pipeline.llen(queue)
            pipeline.hlen("unacked")  # kombu's: what workers hold
            pipeline.hgetall(WORKERS)
            pipeline.hgetall(RAN)
            *lengths, taken, workers, ran = pipeline.execute()
    except redis.RedisError:
        return None
    return QueueState(
        waiting=dict(zip(QUEUES, lengths, strict=True)),
        taken=taken,
        workers=sorted((_worker(w, now) for w in map(json.loads, workers.values())), key=lambda w: w.name),
        last_runs={
            name.decode(): LastRun(_time(run["at"]), run["state"], run["error"])
            for name, run in ((name, json.loads(text)) for name, text in ran.items())
        },
    )


_recent: tuple[float, QueueState | None] = (-RECENT_S, None)


def recent_queue_state(now: datetime) -> QueueState | None:
    """As queue_state, asked at most every RECENT_S: a page may show many servers that are late."""
    global _recent
    asked_at = time.monotonic()
    if asked_at - _recent[0] >= RECENT_S:
        _recent = (asked_at, queue_state(now))
    return _recent[1]


def _worker(answer: dict[str, Any], now: datetime) -> WorkerState:
    seen_at = _time(answer["seen_at"])
    return WorkerState(
        name=answer["name"],
        queues=tuple(answer["queues"]),
        concurrency=answer["concurrency"],
        started_at=_time(answer["started_at"]),
        seen_at=seen_at,
        is_silent=(now - seen_at).total_seconds() > SILENT_AFTER_S,
        status=answer.get("status", ""),
    )


def _time(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S, retry=None
    )


# -- what workers and beat do ---------------------------------------------------------------------------------------


class Heartbeat:
    """In a worker's main process: says every few seconds that it lives."""

    def __init__(self, name: str, queues: list[str], concurrency: int | None) -> None:
        # A node name may be used twice on one machine; with its process id it is not.
        self.field = f"{name} {os.getpid()}"
        self.state = {
            "name": name,
            "queues": queues,
            "concurrency": concurrency,
            "started_at": time.time(),
            "seen_at": 0.0,
        }
        self.client = _client()

    def beat(self, status: str = "") -> None:
        """Never raises: a worker without Redis waits for it anyway."""
        now = time.time()
        if now - float(str(self.state["seen_at"])) < TELL_EVERY_S:
            return
        self.state |= {"seen_at": now, "status": status}
        with contextlib.suppress(redis.RedisError):
            self.client.hset(WORKERS, self.field, json.dumps(self.state))
            touch_alive_file()

    def forget_the_gone(self) -> None:
        """Workers that were killed long ago and will not take themselves off the list."""
        with contextlib.suppress(redis.RedisError):
            for field, text in self.client.hgetall(WORKERS).items():
                if time.time() - json.loads(text)["seen_at"] > FORGOTTEN_AFTER_S:
                    self.client.hdel(WORKERS, field)

    def leave(self) -> None:
        with contextlib.suppress(redis.RedisError):
            self.client.hdel(WORKERS, self.field)


def keep_last_run(task: str, state: str, error: str) -> None:
    with contextlib.suppress(redis.RedisError), contextlib.closing(_client()) as client:
        client.hset(RAN, task, json.dumps({"at": time.time(), "state": state, "error": error}))


def touch_alive_file() -> None:
    if path := os.environ.get("PGLOUPE_ALIVE_FILE"):
        with contextlib.suppress(OSError):
            Path(path).touch()
