"""When each step of each server is due. The due times are rows of the store, so any worker can take the next one."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from analyzer.models import Server, StepStatus

MOST_BUSY_RATIO = 0.05  # judgement: of the time, for a step that others bring forward
LOG_APART_S = 60.0
SPREAD_S = 10.0  # at most, of first runs
STEPS = ("snapshot", "texts", "activity", "schema", "explain", "check", "advise", "log")

# sample intervals until a new server's first run: explaining and checking need two snapshots, advice a workload
FIRST_AFTER = {"snapshot": 0.0, "schema": 0.0, "advise": 12.0, "log": 0.0}


@dataclass(frozen=True, slots=True)
class DueStep:
    server_id: int
    step: str
    expires_s: float  # later than that the next one has come


def interval_s(server: Server, step: str) -> float:
    """Seconds between two runs. Everything follows the sample interval, so that a demo at 5 s is quick throughout."""
    sample = float(server.sample_interval_s)
    return {
        "snapshot": sample,
        "texts": 10 * sample,  # a sample that finds many new statements brings it forward
        "activity": min(sample, float(settings.ANALYZER_ACTIVITY_INTERVAL_S)),
        "schema": min(float(settings.ANALYZER_CATALOG_INTERVAL_S), 10 * sample),
        "explain": max(15.0, sample),
        "check": max(15.0, 2 * sample),
        "advise": max(60.0, 30 * sample),
        "log": max(LOG_APART_S, sample),
    }[step]


def claim_due_steps(now: datetime, steps: Collection[str] = STEPS) -> list[DueStep]:
    """Of these ``steps`` those due by ``now``, each given to one caller only, with their next time set."""
    _add_missing(now)
    _pull_back(now)
    due = []
    with transaction.atomic():
        claimed = (
            # not the servers: whoever stores something of one holds a lock on it, and would make its steps late
            StepStatus.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("server")
            .filter(server__is_active=True, due_at__lte=now, step__in=steps)
            .exclude(step="log", server__reads_log=False)
            .order_by("due_at")
        )
        for status in claimed:
            interval = interval_s(status.server, status.step)
            status.due_at = _next_due(status.due_at or now, interval, now)
            status.save(update_fields=["due_at"])
            if status.step == "texts":  # every sample asks anew as long as many are left
                interval = status.server.sample_interval_s
            due.append(DueStep(status.server_id, status.step, max(interval, 10.0)))
    return due


def make_due_now(server: Server, *steps: str, now: datetime) -> None:
    """Make steps due at once, without losing their rhythm."""
    StepStatus.objects.filter(server=server, step__in=steps).update(due_at=now)


def put_off(server_id: int, step: str, *, until: datetime) -> None:
    """Of a step that was handed out and cannot run now; sooner than its next run."""
    StepStatus.objects.filter(server_id=server_id, step=step, due_at__gt=until).update(due_at=until)


def run_soon(server: Server, step: str, *, now: datetime, apart_s: float) -> None:
    """Let a step run soon: ``apart_s`` after its last start, and never for more than a small share of the time."""
    status = StepStatus.objects.filter(server=server, step=step).first()
    if status is None:
        return
    busy_s = (status.last_duration_ms or 0.0) / 1000 / MOST_BUSY_RATIO
    soonest = status.last_started_at + timedelta(seconds=max(apart_s, busy_s)) if status.last_started_at else now
    due = max(now, soonest)
    StepStatus.objects.filter(pk=status.pk, due_at__gt=due).update(due_at=due)


def _next_due(due: datetime, interval: float, now: datetime) -> datetime:
    """The first point of the step's own rhythm after ``now``: what was missed is not caught up."""
    missed = max(0.0, (now - due).total_seconds()) // interval
    return due + timedelta(seconds=interval * (missed + 1))


def _pull_back(now: datetime) -> None:
    """Steps due later than they can be are due at once: the clock went back, or the interval was made shorter."""
    later = StepStatus.objects.filter(server__is_active=True, due_at__gt=now, step__in=STEPS).select_related("server")
    wrong = [s.pk for s in later if s.due_at and (s.due_at - now).total_seconds() > _longest_wait_s(s.server, s.step)]
    if wrong:
        StepStatus.objects.filter(pk__in=wrong, due_at__gt=now).update(due_at=now)


def _longest_wait_s(server: Server, step: str) -> float:
    """Until the next run, or a new server's first."""
    return max(interval_s(server, step), FIRST_AFTER.get(step, 2.5) * server.sample_interval_s + SPREAD_S)


def _add_missing(now: datetime) -> None:
    """Rows for servers that have none yet. The first run is at once; a jitter of the server's own spreads the rest."""
    have = set(StepStatus.objects.filter(step__in=STEPS).values_list("server_id", "step"))
    new = []
    for server in Server.objects.filter(is_active=True):
        jitter = zlib.crc32(f"{server.pk} {server.slug}".encode()) % 1000 / 1000
        for step in STEPS:
            if (server.pk, step) not in have and (step != "log" or server.reads_log):
                wait = FIRST_AFTER.get(step, 2.5) * server.sample_interval_s
                spread = jitter * min(SPREAD_S, interval_s(server, step) / 12)
                new.append(StepStatus(server=server, step=step, due_at=now + timedelta(seconds=wait + spread)))
    StepStatus.objects.bulk_create(new, ignore_conflicts=True)
