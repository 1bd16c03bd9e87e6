"""Plans, once per statement, database, shape and way of running."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from analyzer.models import Database, PlanRecord, Statement


def keep_plan(
    statement: Statement,
    database: Database,
    *,
    shape: str,
    plan: Any,
    values_source: str,
    is_analyzed: bool,
    server_version_num: int,
    not_analyzed_because: str = "",
    rewrites: list[str] | None = None,
    total_cost: float | None = None,
    execution_time_ms: float | None = None,
    planning_time_ms: float | None = None,
    now: datetime | None = None,
) -> PlanRecord:
    """Keep a plan (redacted, as EXPLAIN printed it); one of a known shape replaces the older figures."""
    now = now or timezone.now()
    latest = {
        "plan": plan,
        "values_source": values_source,
        "server_version_num": server_version_num,
        "not_analyzed_because": not_analyzed_because,
        "rewrites": rewrites or [],
        "total_cost": total_cost,
        "execution_time_ms": execution_time_ms,
        "planning_time_ms": planning_time_ms,
        "last_seen": now,
    }
    with transaction.atomic():
        record, is_new = PlanRecord.objects.get_or_create(
            statement=statement,
            database=database,
            shape=shape,
            is_analyzed=is_analyzed,
            defaults={**latest, "first_seen": now},
        )
        if not is_new:
            PlanRecord.objects.filter(pk=record.pk).update(**latest, times_seen=F("times_seen") + 1)
            record.refresh_from_db()
    return record
