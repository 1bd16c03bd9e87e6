"""Keeping the store in order: partitions ahead, sums, packing, retention. Every few minutes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from analyzer.models import ExplainAudit, Server, Snapshot
from analyzer.store.packing import pack_hours
from analyzer.store.partitions import LOCK_CLASS, LOCK_HOUSE, drop_old, ensure_partitions
from analyzer.store.rollups import roll_up

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run did. ``is_busy``: another run was at it, so this one did nothing."""

    rolled_up_rows: int = 0
    packed_points: int = 0
    dropped_partitions: int = 0
    is_busy: bool = False


def keep_house(now: datetime | None = None) -> Kept:
    """Safe to run twice, at once, and to kill at any moment: each step is a transaction that leaves nothing half."""
    now = now or timezone.now()
    with _only_one() as is_ours:
        if not is_ours:
            return Kept(is_busy=True)
        ensure_partitions(now)
        rolled = sum(roll_up(server) for server in Server.objects.all())
        packed = pack_hours(now)
        dropped = drop_old(now)
        oldest = now - timedelta(days=settings.ANALYZER_KEEP_HOURS_DAYS)
        Snapshot.objects.filter(taken_at__lt=oldest).delete()
        ExplainAudit.objects.filter(at__lt=now - timedelta(days=settings.ANALYZER_KEEP_DAYS_DAYS)).delete()
    return Kept(rolled, packed, len(dropped))


@contextmanager
def _only_one() -> Iterator[bool]:
    """A session's advisory lock: gone with its connection, should we be killed."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, LOCK_HOUSE])
        (is_ours,) = cursor.fetchone()
        try:
            yield is_ours
        finally:
            if is_ours and connection.is_usable():
                cursor.execute("select pg_advisory_unlock(%s, %s)", [LOCK_CLASS, LOCK_HOUSE])
