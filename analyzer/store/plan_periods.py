"""Which plan a statement had when: periods of one shape, per kind of values and planner."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from analyzer.behaviour.past import CauseOfChange, PlanPeriod, shape_changes
from analyzer.errors import costing_only
from analyzer.models import Database, PlanCause, PlanPeriodRecord, PlanRecord, Statement
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.compare import differences_in_words
from analyzer.store.secrets import CannotDecrypt, decrypt, encrypt

MOST_COMPARED = 200  # judgement: pairs of plans put in words at once; two plans are read for each


def note_plan(
    statement: Statement, database: Database, shape: str, values_source: str, now: datetime, *, is_by_twin: bool
) -> None:
    """Lengthen the newest period, or begin one where the shape is another than at the last plan for such values."""
    newest = (
        PlanPeriodRecord.objects.filter(
            statement=statement, database=database, values_source=values_source, is_by_twin=is_by_twin
        )
        .order_by("-last_seen", "-pk")
        .first()
    )
    if newest is not None and newest.shape == shape:
        PlanPeriodRecord.objects.filter(pk=newest.pk).update(last_seen=now, times_seen=F("times_seen") + 1)
        return
    PlanPeriodRecord.objects.create(
        statement=statement, database=database, shape=shape, values_source=values_source, is_by_twin=is_by_twin,
        first_seen=now, last_seen=now,
    )  # fmt: skip


def note_values(statement: Statement, database: Database, sql: str) -> None:
    """The newest text with its values, of the period that plans for such values are in now."""
    newest = PlanPeriodRecord.objects.filter(statement=statement, database=database, values_source="sampled")
    last = newest.order_by("-last_seen", "-pk").values("pk")[:1]
    if settings.ANALYZER_KEEP_PLANNER_DAYS:
        PlanPeriodRecord.objects.filter(pk__in=last).update(sql_encrypted=encrypt(sql))


def values_of_period(statement: Statement, database: Database, period: PlanPeriod) -> str:
    """That text; "" where none was kept, or its key is gone."""
    records = PlanPeriodRecord.objects.filter(
        statement=statement, database=database, values_source=period.values, first_seen=period.first_seen
    )
    token = records.values_list("sql_encrypted", flat=True).first()
    try:
        return decrypt(token or "")
    except CannotDecrypt:
        return ""


def periods_of(database: Database, statement_ids: Collection[int], since: datetime) -> dict[int, list[PlanPeriod]]:
    """By statement, the oldest first; those that ended before ``since`` are left out. One query."""
    periods: defaultdict[int, list[PlanPeriod]] = defaultdict(list)
    records = PlanPeriodRecord.objects.filter(
        database=database, statement_id__in=list(statement_ids), last_seen__gte=since
    )
    for record in records.order_by("first_seen", "pk"):
        periods[record.statement_id].append(_period(record))
    return dict(periods)


def _period(record: PlanPeriodRecord) -> PlanPeriod:
    return PlanPeriod(
        record.shape, record.values_source, record.is_by_twin, record.first_seen, record.last_seen, record.times_seen
    )


def changes_in_words(
    database: Database, periods: Iterable[tuple[int, list[PlanPeriod]]]
) -> dict[int, dict[tuple[str, str], str]]:
    """By statement: (shape before, shape after) -> what changed between the two plans; "" where one is not kept."""
    wanted = {(pk, c.before.shape, c.after.shape) for pk, some in periods for c in shape_changes(some)}
    said: dict[int, dict[tuple[str, str], str]] = {}
    for statement_id, before, after in sorted(wanted)[:MOST_COMPARED]:
        said.setdefault(statement_id, {})[before, after] = _in_words(database, statement_id, before, after)
    return said


def causes_of(database: Database, statement_ids: Collection[int]) -> dict[int, dict[tuple[str, str], CauseOfChange]]:
    """By statement and shapes: what was found of the newest such change. One query."""
    found: dict[int, dict[tuple[str, str], CauseOfChange]] = {}
    causes = PlanCause.objects.filter(database=database, statement_id__in=list(statement_ids)).order_by("changed_at")
    for cause in causes:
        told = CauseOfChange(cause.description, cause.hint)
        found.setdefault(cause.statement_id, {})[cause.shape_before, cause.shape_after] = told
    return found


def _in_words(database: Database, statement_id: int, before: str, after: str) -> str:
    plans = PlanRecord.objects.filter(statement_id=statement_id, database=database).order_by("-is_analyzed")
    kept = [plans.filter(shape=shape).values_list("plan", flat=True).first() for shape in (before, after)]
    if not all(kept):
        return ""
    with costing_only(f"{before} to {after}", {}, "the words of a changed plan"), suppress(PlanError):
        return "; ".join(differences_in_words(parse_plan(kept[0]), parse_plan(kept[1])))
    return ""


def drop_old(now: datetime) -> None:
    """Periods that ended, and causes that were found, before the time that sums of hours are kept."""
    oldest = now - timedelta(days=settings.ANALYZER_KEEP_HOURS_DAYS)
    PlanPeriodRecord.objects.filter(last_seen__lt=oldest).delete()
    PlanCause.objects.filter(found_at__lt=oldest).delete()
