"""Plans, once per statement, database, shape and way of running."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from analyzer.models import Database, PlanRecord, Statement
from analyzer.plans.size import plan_size
from analyzer.store.plan_periods import note_plan

# Measured: a join of three tables of 2,000 partitions each has 6,010 nodes in 2.9 MB; to read it takes 13 MB.
MOST_NODES, MOST_BYTES = 10_000, 4_000_000


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
    is_by_twin: bool = False,
    now: datetime | None = None,
) -> PlanRecord:
    """Keep a plan (redacted, as EXPLAIN printed it); one of a known shape replaces the older figures.

    Of one that is too large only the figures are kept: ``plan`` is then empty, and one of ``rewrites`` says why.
    """
    now = now or timezone.now()
    size = plan_size(plan)
    if size.is_above(MOST_NODES, MOST_BYTES):
        plan, rewrites = [], [*(rewrites or ()), f"the plan itself is not kept, because it is too large ({size})"]
    latest = {
        "plan": plan,
        "values_source": values_source,
        "server_version_num": server_version_num,
        "not_analyzed_because": not_analyzed_because,
        "rewrites": rewrites or [],
        "total_cost": total_cost,
        "execution_time_ms": execution_time_ms,
        "planning_time_ms": planning_time_ms,
        "is_by_twin": is_by_twin,
        "judged_with": "",
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
        note_plan(statement, database, shape, values_source, now, is_by_twin=is_by_twin)
    return record
