"""How pgLoupe itself is doing: samples, queues, workers, failures, the store's size, what it costs the servers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError
from django.db.models import Avg, Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import ExplainAudit, Server, Snapshot, StepStatus
from analyzer.runtime.places import program
from analyzer.runtime.workers import QUEUES, LastRun, QueueState, queue_state
from analyzer.store.store_size import StoreSize, store_size
from dashboard.charts.bars import bars
from dashboard.health.faults import MOST_SHOWN, check_faults, fault_troubles, statement_faults
from dashboard.mail import queue as mail_queue
from dashboard.permissions import viewer_required
from dashboard.servers.state import TICK_LATE_S, SamplingState, ShownState, server_state

COST_WINDOW = timedelta(hours=24)
SHARE_PROMISED = 0.005  # docs: of a server's time at 60 s sampling
TIDYING_LATE_S = 1_200  # one a minute; a run may take 15 minutes
PURPOSE = {
    "tick": "All steps",
    "sample": "Samples",
    "explain": "EXPLAIN",
    "maintenance": "Schema, checks, tidying up",
    "texts": "Texts of new statements",
}
RETENTION = (
    ("Statement figures by interval; sessions seen at work", "ANALYZER_KEEP_MINUTES_DAYS"),
    ("Sums by hour, server load, table counters, samples taken", "ANALYZER_KEEP_HOURS_DAYS"),
    ("What planners knew, encrypted", "ANALYZER_KEEP_PLANNER_DAYS"),
    ("Sums by day, statements that no longer run, audit of EXPLAIN", "ANALYZER_KEEP_DAYS_DAYS"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What our statements took on a server in COST_WINDOW, as pg_stat_statements counted them by our marker.

    ``of_statements_ratio``: of all statements' execution time; ``of_time_ratio``: of the time that passed. The
    explain figures are those of the last hour, as its budget is. None: nothing was measured.
    """

    samples: int = 0
    own_exec_time_ms: float | None = None
    of_statements_ratio: float | None = None
    of_time_ratio: float | None = None
    read_time_ms: float | None = None
    explain_ms: float = 0.0
    explains: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    purpose: str
    waiting: int
    workers: int


@viewer_required
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    servers = list(Server.objects.order_by("name"))
    steps = defaultdict(list)
    for step in StepStatus.objects.select_related("server").order_by("pk"):
        steps[step.server_id].append(step)
    states = {server.pk: server_state(server, steps[server.pk], now) for server in servers}
    # a paused server's steps are not run: how they once ended is no news
    of_active = [s for of in steps.values() for s in of if s.server.is_active]
    failing = [s for s in of_active if s.failing_since is not None]
    statements, checks = statement_faults([s for s in servers if s.is_active], now), check_faults(of_active)
    costs = _costs(now)
    queue = queue_state(now)
    size = _size(now)
    measured = [cost.of_time_ratio for cost in costs.values() if cost.of_time_ratio is not None]
    context = {
        "section": "health",
        "rows": [(server, states[server.pk], costs.get(server.pk, Cost())) for server in servers],
        "troubles": [
            *troubles(servers, states, queue, now),
            *step_troubles(failing),
            *fault_troubles(statements, checks),
            *mail_troubles(now),
        ],
        "queue": queue,
        "queues": _queues(queue),
        "waiting": sum(queue.waiting.values()) if queue else None,
        "workers_alive": sum(not worker.is_silent for worker in queue.workers) if queue else None,
        "last_runs": _last_runs(queue),
        "failing": failing,
        "faults": [*checks, *statements][:MOST_SHOWN],
        "more_faults": max(0, len(checks) + len(statements) - MOST_SHOWN),
        "last_sample_at": max((s.last_sample_at for s in states.values() if s.last_sample_at), default=None),
        "highest_share": max(measured, default=None),
        "share_promised": SHARE_PROMISED,
        "size": size,
        # One bar would say nothing.
        "growth": bars([(f"{day:%a %d %b}", n) for day, n in size.by_day]) if size and len(size.by_day) > 1 else "",
        "retention": [(what, name, getattr(settings, name)) for what, name in RETENTION],
    }
    return render(request, "dashboard/health.html", context)


def step_troubles(failing: Iterable[StepStatus]) -> list[tuple[str, str]]:
    """Steps that fail, by server."""
    by_server: dict[str, list[str]] = defaultdict(list)
    for step in failing:
        by_server[step.server.name].append(step.step)
    said = [f"{', '.join(steps)} on {name}" for name, steps in sorted(by_server.items())]
    if not said:
        return []
    n = sum(len(steps) for steps in by_server.values())
    more = f" and on {len(said) - 5} more servers" if len(said) > 5 else ""
    return [
        (f"{n} step{'s fail' if n > 1 else ' fails'}: {'; '.join(said[:5])}{more}.", "What they said stands below.")
    ]


def mail_troubles(now: datetime) -> list[tuple[str, str]]:
    """Mails that did not go out, with the mail server's last words."""
    mails = mail_queue.mail_health(now)
    sentences = []
    if mails.failed:
        sentences.append((f"Reports given up in the last two days: {mails.failed}.", mails.last_error))
    elif mails.late:
        sentences.append((f"Reports that wait for another attempt: {mails.late}.", mails.last_error))
    return sentences


def troubles(
    servers: list[Server], states: dict[int, ShownState], queue: QueueState | None, now: datetime
) -> list[tuple[str, str]]:
    """What an operator should see to: (what happens, what to do), the cause before its effects."""
    if queue is None:
        return [
            (
                "Redis does not answer, so sampling waits.",
                "What is stored stays and is shown. Sampling goes on by itself when Redis is back; the time between is"
                " one long interval. See REDIS_URL and the Redis server's log.",
            )
        ]
    sentences = []
    active = sum(server.is_active for server in servers)
    tick = queue.last_runs.get("analyzer.tasks.tick")
    for name in queue.queues_without_worker():
        sentences.append(
            (
                f"No worker takes from the queue {name}.",
                f"{PURPOSE[name]} wait until one does: celery -A dashboard.celery:app worker --queues {name}",
            )
        )
    if servers and not sentences and (tick is None or (now - tick.at).total_seconds() > TICK_LATE_S):
        sentences.append(
            (
                "Nothing hands out work: beat does not run.",
                "Start it, once: celery -A dashboard.celery:app beat",
            )
        )
    for name, waiting in queue.waiting.items():
        # At most two steps of a server wait in one queue, and five ticks: then they expire or are held back.
        if waiting > 2 * active + 5:
            sentences.append(
                (
                    f"{waiting} tasks wait in the queue {name}: its workers cannot keep up.",
                    f"Start another one: celery -A dashboard.celery:app worker --queues {name}",
                )
            )
    tidying = queue.last_runs.get("analyzer.tasks.tidy_store")
    if tidying and tidying.state == "FAILURE":
        sentences.append((f"Tidying up the store failed ({tidying.error}).", "The worker's log says where."))
    elif tidying and not sentences and (now - tidying.at).total_seconds() > TIDYING_LATE_S:
        sentences.append(("The store has not been tidied up for long.", "See the log of the worker for maintenance."))
    stalled = [server.name for server in servers if states[server.pk].state is SamplingState.STALLED]
    if stalled and not sentences:
        sentences.append((f"Samples are late: {', '.join(stalled[:5])}.", "See the workers' logs."))
    if active and not queue.are_sessions_watched:
        sentences.append(
            (
                "No process looks at the servers’ sessions.",
                f"N+1 within a session and real parameter values wait until one does: {program()} watch_sessions",
            )
        )
    return sentences


def _costs(now: datetime) -> dict[int, Cost]:
    """By server. Two queries."""
    explained = {
        row["server_id"]: (row["ms"] or 0.0, row["n"])
        for row in ExplainAudit.objects.filter(at__gt=now - timedelta(hours=1), duration_ms__isnull=False)
        .values("server_id")
        .annotate(ms=Sum("duration_ms"), n=Count("pk"))
    }
    costs = {pk: Cost(explain_ms=ms, explains=n) for pk, (ms, n) in explained.items()}
    for row in (
        Snapshot.objects.filter(taken_at__gt=now - COST_WINDOW, gap_reason="")
        .values("server_id")
        .annotate(
            n=Count("pk"),
            own_ms=Sum("own_exec_time_ms"),
            all_ms=Sum("total_exec_time_ms"),
            covered_s=Sum("interval_s"),
            read_ms=Avg("read_time_ms"),
        )
    ):
        ms, n = explained.get(row["server_id"], (0.0, 0))
        costs[row["server_id"]] = Cost(
            samples=row["n"],
            own_exec_time_ms=row["own_ms"],
            of_statements_ratio=row["own_ms"] / row["all_ms"] if row["all_ms"] else None,
            of_time_ratio=row["own_ms"] / 1000 / row["covered_s"] if row["covered_s"] else None,
            read_time_ms=row["read_ms"],
            explain_ms=ms,
            explains=n,
        )
    return costs


def _size(now: datetime) -> StoreSize | None:
    try:
        return store_size(now)
    except OperationalError:  # the files' sizes took too long
        return None


def _queues(queue: QueueState | None) -> list[Queue]:
    if queue is None:
        return []
    alive = [worker for worker in queue.workers if not worker.is_silent]
    return [
        Queue(name, PURPOSE[name], queue.waiting[name], sum(name in worker.queues for worker in alive))
        for name in QUEUES
    ]


def _last_runs(queue: QueueState | None) -> list[tuple[str, LastRun | None]]:
    if queue is None:
        return []
    return [
        ("Handing out what is due", queue.last_runs.get("analyzer.tasks.tick")),
        ("Tidying up the store", queue.last_runs.get("analyzer.tasks.tidy_store")),
    ]
