"""One statement's past: time per call over two weeks, and which plans it had when. Pure.

What the checks of statements that got slower look at. Times per call are compared by medians of spans (hours, or five
minutes of the last two days), so that one bad span moves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOUR_S, DAY_S = 3600, 86_400
# Whose plans tell most of what the application gets, the best first.
BEST_VALUES = ("sampled", "none", "typical", "generic", "rare")
RECENT_S = 2 * DAY_S  # that spans of five minutes are kept
LEAST_OTHERS = 5  # judgement: fewer statements tell nothing of the server


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """Sums of spans of ``step_s`` seconds in which it ran, the oldest first. ``starts_s``: Unix seconds."""

    step_s: int
    starts_s: Floats
    calls: Floats
    time_ms: Floats
    rows: Floats
    blocks: Floats

    def __len__(self) -> int:
        return len(self.starts_s)

    def pick(self, where: NDArray[np.bool_]) -> "SpanFigures":
        columns = (self.starts_s, self.calls, self.time_ms, self.rows, self.blocks)
        return SpanFigures(self.step_s, *(column[where] for column in columns))

    def between(self, start_s: float, end_s: float) -> "SpanFigures":
        """The spans that lie in it as a whole."""
        return self.pick((self.starts_s >= start_s) & (self.starts_s + self.step_s <= end_s))

    def with_calls(self, least: float) -> "SpanFigures":
        return self.pick(self.calls >= max(1.0, least))

    @property
    def ms_per_call(self) -> Floats:
        return self.time_ms / self.calls

    @property
    def median_ms(self) -> float:
        return float(np.median(self.ms_per_call))

    @property
    def mad_ms(self) -> float:
        """Median distance from the median: 0.67 standard deviations where values are normally distributed."""
        return float(np.median(np.abs(self.ms_per_call - self.median_ms)))

    @property
    def total_calls(self) -> float:
        return float(self.calls.sum())

    @property
    def rows_per_call(self) -> float:
        """At the median span, as the time."""
        return float(np.median(self.rows / self.calls))

    @property
    def blocks_per_call(self) -> float:
        return float(np.median(self.blocks / self.calls))

    @property
    def watched_s(self) -> float:
        """From the first span to the end of the last."""
        return float(self.starts_s[-1] - self.starts_s[0]) + self.step_s if len(self) else 0.0


def no_figures(step_s: int) -> SpanFigures:
    none = np.zeros(0)
    return SpanFigures(step_s, none, none, none, none, none)


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """From when to when all plans of a statement, made for one kind of values by one planner, had one shape."""

    shape: str
    values: str  # where its values came from: sampled, typical, rare, generic, none
    is_by_twin: bool
    first_seen: datetime
    last_seen: datetime
    times_seen: int = 1


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """``alternates``: the shape was there before the one that it took the place of, so it is no news.

    ``is_in_force``: the newest plan for such values has the new shape.
    """

    before: PlanPeriod
    after: PlanPeriod
    alternates: bool = False
    is_in_force: bool = True


@dataclass(frozen=True, slots=True)
class CauseOfChange:
    """What the twin says of a change of plan, and what to do; ``hint`` "" where nothing is proved."""

    description: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class StatementPast:
    """``hours``: finished hours of two weeks; ``recent``: spans of five minutes of two days.

    ``what_changed``, ``causes``: by (shape before, shape after); the latter where they were looked for. ``others``: the
    pasts of all statements of the database, itself included, which tell whether the whole server got slower.
    """

    fingerprint: str
    read_at: datetime
    hours: SpanFigures
    recent: SpanFigures
    plans: tuple[PlanPeriod, ...] = ()
    what_changed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    causes: Mapping[tuple[str, str], CauseOfChange] = field(default_factory=dict)
    others: Sequence["StatementPast"] = field(default=(), repr=False, compare=False)

    @property
    def changes(self) -> list[ShapeChange]:
        """The newest first; of those seen at once, the one for the values that tell most."""
        shape_change = shape_changes(self.plans)
        return sorted(shape_change, key=lambda c: (-c.after.first_seen.timestamp(), BEST_VALUES.index(c.after.values)))


@dataclass(frozen=True, slots=True)
class BeforeAndSince:
    """Spans before and since ``since_s``, and how many times slower the other statements got at the same time."""

    since_s: float
    before: SpanFigures
    after: SpanFigures
    others_factor: float | None = None

    @property
    def factor(self) -> float:
        return self.after.median_ms / self.before.median_ms if self.before.median_ms else float("inf")

    @property
    def lost_ms(self) -> float:
        """Of each call."""
        return self.after.median_ms - self.before.median_ms


def shape_changes(plans: Sequence[PlanPeriod]) -> list[ShapeChange]:
    """Changes between plans that can be compared: made for the same kind of values, by the same planner."""
    series: dict[tuple[str, bool], list[PlanPeriod]] = {}
    for period in sorted(plans, key=lambda p: p.first_seen):
        series.setdefault((period.values, period.is_by_twin), []).append(period)
    changes = []
    for periods in series.values():
        for n in range(1, len(periods)):
            before, after = periods[n - 1], periods[n]
            if before.shape != after.shape:
                known = {period.shape for period in periods[: n - 1]}
                changes.append(ShapeChange(before, after, after.shape in known, after.shape == periods[-1].shape))
    return sorted(changes, key=lambda change: change.after.first_seen)


def figures_during(past: StatementPast, start: datetime, end: datetime) -> SpanFigures:
    """The spans that lie in it as a whole: of five minutes where these are kept, else hours."""
    is_recent = start.timestamp() > past.read_at.timestamp() - RECENT_S
    return (past.recent if is_recent else past.hours).between(start.timestamp(), end.timestamp())


def compare_around(past: StatementPast, change: ShapeChange, least_calls: float) -> BeforeAndSince | None:
    """Time per call before and since a change of plan; None where either is not known.

    When between its two plans it changed is not known: it is taken to be where times per call part most clearly.
    """
    gap = change.before.last_seen.timestamp(), change.after.first_seen.timestamp()
    figures = past.recent if gap[0] - HOUR_S > past.read_at.timestamp() - RECENT_S else past.hours
    earlier = [p.last_seen for p in past.plans if p.last_seen < change.before.first_seen]
    start_s = max([gap[0] - DAY_S, *(at.timestamp() for at in earlier)])
    known = figures.pick(figures.starts_s >= start_s).with_calls(least_calls)
    split = _split(known, *gap)
    if split is None:
        return None
    since_s = float(known.starts_s[split])
    at = np.arange(len(known))
    after = known.pick(at >= split)
    after = after.pick(after.starts_s >= after.starts_s[-1] - DAY_S)
    before = known.pick(at < split)
    return BeforeAndSince(since_s, before, after, others_factor(past, before, after))


def _split(known: SpanFigures, after_s: float, until_s: float) -> int | None:
    """The span, begun in (after, until] or just at hand, from which on times differ most from those before."""
    if len(known) < 2:
        return None
    logs = np.log(np.maximum(known.ms_per_call, 1e-6))
    places = np.flatnonzero((known.starts_s > after_s - known.step_s) & (known.starts_s <= until_s))
    if not len(places):
        later = np.flatnonzero(known.starts_s > until_s)
        places = later[:1]

    def left_over(place: int) -> float:
        parts = logs[:place], logs[place:]
        return sum(float(np.abs(part - np.median(part)).sum()) for part in parts)

    inside = [int(place) for place in places if 0 < place < len(known)]
    return min(inside, key=left_over, default=None)


def others_factor(past: StatementPast, before: SpanFigures, after: SpanFigures) -> float | None:
    """How many times slower the database's other statements got between the same spans, at the median.

    None of fewer than LEAST_OTHERS.
    """
    if not len(before) or not len(after):
        return None
    factors = []
    for other in past.others:
        if other.fingerprint == past.fingerprint:
            continue
        figures = other.recent if before.step_s == other.recent.step_s else other.hours
        old, new = (
            figures.between(part.starts_s[0], part.starts_s[-1] + part.step_s).with_calls(1) for part in (before, after)
        )
        if len(old) and len(new) and old.median_ms:
            factors.append(new.median_ms / old.median_ms)
    return float(np.median(factors)) if len(factors) >= LEAST_OTHERS else None


def same_time_of_day(hours: SpanFigures, since_s: float, spans: SpanFigures) -> SpanFigures:
    """The hours before ``since_s`` at the times of day (an hour around) that ``spans`` are of."""
    before = hours.pick(hours.starts_s < since_s)
    wanted = np.unique(spans.starts_s // HOUR_S % 24)
    of_day = before.starts_s // HOUR_S % 24
    apart = np.abs((of_day[:, None] - wanted[None, :] + 12) % 24 - 12)
    return before.pick(apart.min(axis=1, initial=24.0) <= 1)


def usual(hours: SpanFigures, at_s: float, least_hours: int, least_same: int) -> SpanFigures | None:
    """What an hour is compared with: the same time of day (an hour around) of other days, where there are
    ``least_same`` of these; else all hours before, ``least_hours`` at least; None of fewer."""
    before = hours.pick(hours.starts_s < at_s)
    if len(before) < least_hours:
        return None
    apart = np.abs((before.starts_s - at_s + DAY_S / 2) % DAY_S - DAY_S / 2)
    same = before.pick((apart <= HOUR_S) & (before.starts_s <= at_s - DAY_S / 2))
    return same if len(same) >= least_same else before


def utc_words(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, tz=UTC):%Y-%m-%d %H:%M} UTC"
