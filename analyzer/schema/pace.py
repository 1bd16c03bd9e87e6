"""How fast something grows, by one reading a day: a robust slope with its error bar, and when it reaches a limit."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from analyzer.words.durations import DAY_S, months_words

AHEAD_DAYS = 90  # for how far a size is told
LEAST_DAYS = 7  # judgement: every weekday once
LOOKED_AT = timedelta(days=28)  # judgement: today's pace, with each weekday four times
CONFIDENCE_Z = 1.645  # of the normal distribution: 90 %, both sides
PARTS = 4
Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """``days`` seen; the slopes a day are None until ``LEAST_DAYS`` were. Low and high are the ends of the error bar.

    The error bar holds the slope of 90 % of such series (Sen's interval), and what all but the slowest and all but the
    fastest quarter of the time showed: one bulk load is no pace.
    """

    days: int = 0
    per_day: float | None = None
    low_per_day: float | None = None
    high_per_day: float | None = None
    grown: float | None = field(default=None, compare=False)  # from the first reading to the last

    @property
    def days_missing(self) -> int:
        return max(1, LEAST_DAYS - self.days) if self.per_day is None else 0

    @property
    def is_growing(self) -> bool:
        """Beyond doubt: the whole error bar is."""
        return self.low_per_day is not None and self.low_per_day > 0

    def reaches(self, room: float) -> "DaysUntil | None":
        """When ``room`` is used up; None where it is not known to grow."""
        if self.per_day is None or self.low_per_day is None or self.high_per_day is None or not self.is_growing:
            return None
        left = max(0.0, room)
        return DaysUntil(left / self.per_day, left / self.high_per_day, left / self.low_per_day)


@dataclass(frozen=True, slots=True)
class DaysUntil:
    """Days from now at the pace seen, at the fast and at the slow end of its error bar."""

    days: float
    earliest_days: float
    latest_days: float

    @property
    def words(self) -> str:
        """ "about 4 months (3 months to 7 months)"."""
        earliest, mean, latest = (months_words(d) for d in (self.earliest_days, self.days, self.latest_days))
        about = mean if mean.startswith("more") else f"about {mean}"
        return about if earliest == latest else f"{about} ({earliest} to {latest})"


def pace_of(points: Sequence[Point]) -> Pace:
    """The pace of the last four weeks: Theil and Sen's median of the slopes between any two readings.

    Source: Sen (1968), Estimates of the regression coefficient based on Kendall's tau, with its normal approximation.
    """
    seen = [(at, value) for at, value in points if points and points[-1][0] - at <= LOOKED_AT]
    days = [(at - seen[0][0]).total_seconds() / DAY_S for at, _ in seen]
    values = [value for _, value in seen]
    span = round(days[-1]) if days else 0
    if span < LEAST_DAYS or len(seen) < LEAST_DAYS - 1:
        return Pace(min(span, LEAST_DAYS - 1))
    slopes = sorted(
        (values[j] - values[i]) / (days[j] - days[i])
        for i in range(len(seen))
        for j in range(i + 1, len(seen))
        if days[j] > days[i]
    )
    slope, (low, high) = median(slopes), _interval(slopes, len(seen))
    rates = _rates_of_parts(days, values)
    return Pace(span, slope, min(low, rates[1], slope), max(high, rates[-2], slope), values[-1] - values[0])


def _interval(slopes: Sequence[float], readings: int) -> tuple[float, float]:
    deviation = CONFIDENCE_Z * math.sqrt(readings * (readings - 1) * (2 * readings + 5) / 18)
    lower = max(0, math.floor((len(slopes) - deviation) / 2))
    return slopes[lower], slopes[len(slopes) - 1 - lower]


def _rates_of_parts(days: Sequence[float], values: Sequence[float]) -> list[float]:
    """Growth a day in each quarter of the time, slowest first; two at least."""
    length = days[-1] / PARTS
    ends = [0] + [max(i for i, day in enumerate(days) if day <= n * length + 1e-9) for n in range(1, PARTS + 1)]
    rates = sorted((values[b] - values[a]) / (days[b] - days[a]) for a, b in itertools.pairwise(ends) if b > a)
    return rates if len(rates) > 1 else rates * 2
