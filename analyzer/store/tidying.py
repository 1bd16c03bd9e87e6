"""Keeping the store in order: partitions ahead, sums, packing, retention. Every few minutes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from analyzer.models import ExplainAudit, LastReading, Server, Snapshot, Statement
from analyzer.store import clusters, events, finding_life, locks, plan_periods, planner_past
from analyzer.store.series import deltas, own_entries
from analyzer.store.series.packing import pack_hours
from analyzer.store.series.partitions import drop_old, ensure_partitions
from analyzer.store.series.rollups import roll_up, rolled_up_to
from analyzer.store.texts import name_vanished

# Readers add the rows that are not in the sums yet: at 60 s sampling three intervals, which costs them little.
ROLL_UP_EVERY = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class TidyResult:
    """What one run did. ``is_busy``: another run was at it, so this one did nothing."""

    rolled_up_rows: int = 0
    packed_points: int = 0
    is_busy: bool = False


def tidy_store(now: datetime | None = None) -> TidyResult:
    """Safe to run twice, at once, and to kill at any moment: each step is a transaction that leaves nothing half."""
    now = now or timezone.now()
    with locks.tried(locks.STORE, locks.TIDYING) as is_ours:
        if not is_ours:
            return TidyResult(is_busy=True)
        ensure_partitions(now)
        rolled = 0
        for server in Server.objects.all():
            if _is_due(server, now):
                rolled += roll_up(server)
                _tidy_entries(server, now)
        packed = pack_hours(now)
        drop_old(now)
        plan_periods.drop_old(now)
        planner_past.drop_old(now)
        events.drop_old(now)
        finding_life.drop_surplus()
        Snapshot.objects.filter(taken_at__lt=now - timedelta(days=settings.ANALYZER_KEEP_HOURS_DAYS)).delete()
        ExplainAudit.objects.filter(at__lt=now - timedelta(days=settings.ANALYZER_KEEP_DAYS_DAYS)).delete()
        clusters.keep_one_per_day(now, timedelta(days=settings.ANALYZER_KEEP_DAYS_DAYS))
    return TidyResult(rolled, packed)


def _is_due(server: Server, now: datetime) -> bool:
    """Sums are made every few minutes only, but the last rows of a server that is no longer read are not left out."""
    last = LastReading.objects.filter(server=server).values_list("taken_at", flat=True).first()
    if last is None:
        return False
    mark = rolled_up_to(server)
    return mark is None or last - mark >= ROLL_UP_EVERY or (last > mark and now - last >= ROLL_UP_EVERY)


def _tidy_entries(server: Server, now: datetime) -> None:
    last = LastReading.objects.filter(server=server).first()
    reading = deltas.load(bytes(last.data)) if last is not None else None
    if reading is None:
        return
    present = reading.entry_ids.tolist()
    name_vanished(server, present, now)
    own_entries.claim(server)
    # no figure of it is left, and the server does not know it any more
    oldest = now - timedelta(days=settings.ANALYZER_KEEP_DAYS_DAYS)
    Statement.objects.filter(server=server, last_seen__lt=oldest).exclude(entries__in=present).delete()
