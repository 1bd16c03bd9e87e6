"""Which plan a statement had when, for its page: rows of a table and marks on its chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.behaviour.past import PlanPeriod, ShapeChange, StatementPast, figures_during, shape_changes
from analyzer.models import Database, PlanRecord, Statement
from analyzer.store.series.past import pasts
from analyzer.words.visible import visible
from dashboard.charts.marks import Mark

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """``ended_at``: the first plan of another shape for such values; None where it is the newest. What was not
    measured in it is None."""

    period: PlanPeriod
    values: str
    ended_at: datetime | None
    changed: str  # against the period before, in words
    cause: str  # as the twin found it; "" where it was not looked for
    ms_per_call: float | None
    calls: int | None


def plan_periods(statement: Statement, now: datetime) -> tuple[list[PeriodRow], list[Mark]]:
    """Periods, the newest first, and marks; none where every plan for the same values had the same shape."""
    newest = statement.plan_periods.order_by("-last_seen").values("database")[:1]
    database = Database.objects.filter(pk__in=newest).first()
    if database is None or statement.plan_periods.filter(database=database).count() < 2:
        return [], []
    past = next(iter(pasts(database, {statement.pk: statement.fingerprint}, now)), None)
    changes = shape_changes(past.plans) if past else []
    if past is None or not changes:
        return [], []
    return list(_rows(past, changes, now))[:MOST_SHOWN], _marks(past, changes)


def _rows(past: StatementPast, changes: Sequence[ShapeChange], now: datetime) -> list[PeriodRow]:
    before = {id(change.after): change for change in changes}
    after = {id(change.before): change for change in changes}
    rows = []
    for period in sorted(past.plans, key=lambda p: p.first_seen, reverse=True):
        next_change = after.get(id(period))
        ended_at = next_change.after.first_seen if next_change else None
        change = before.get(id(period))
        cause = past.causes.get((change.before.shape, change.after.shape)) if change else None
        figures = figures_during(past, period.first_seen, period.last_seen if ended_at else now)
        rows.append(
            PeriodRow(
                period,
                PlanRecord.Values(period.values).label,
                ended_at,
                _words(past, change) if change else "",
                cause.description if cause else "",
                figures.median_ms if len(figures) else None,
                int(figures.total_calls) if len(figures) else None,
            )
        )
    return rows


def _marks(past: StatementPast, changes: Sequence[ShapeChange]) -> list[Mark]:
    """One for what was seen at once."""
    at_once: dict[datetime, str] = {}
    for change in changes:
        at_once.setdefault(change.after.first_seen, _words(past, change))
    return [Mark(at, said) for at, said in sorted(at_once.items())]


def _words(past: StatementPast, change: ShapeChange) -> str:
    what = past.what_changed.get((change.before.shape, change.after.shape), "") or "its steps are others"
    verb = "Plan alternates" if change.alternates else "Plan changed"
    return visible(f"{verb}: {what}")
