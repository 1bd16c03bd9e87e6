"""The span of time a page or a check looks at, and how a chart cuts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from django.utils import timezone

SPANS: dict[str, timedelta] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_SPAN = "24h"
A_DAY = timedelta(hours=24)  # of which rates are: each hour of the day once
STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
MOST_POINTS = 300  # of a chart: about one per four pixels


@dataclass(frozen=True, slots=True)
class Window:
    """start < time <= end, both aware. ``key`` is the span's name in a page's address, "" for another span."""

    start: datetime
    end: datetime
    key: str = ""

    @classmethod
    def from_query(cls, params: Mapping[str, str], now: datetime | None = None) -> Self:
        """``?window=7d``; anything unknown gives the default."""
        key = params.get("window", DEFAULT_SPAN)
        return cls.last(key if key in SPANS else DEFAULT_SPAN, now)

    @classmethod
    def last(cls, key: str, now: datetime | None = None) -> Self:
        end = now or timezone.now()
        return cls(end - SPANS[key], end, key)

    @property
    def duration_s(self) -> float:
        return (self.end - self.start).total_seconds()

    def step_for(self, sample_interval_s: float) -> int:
        """Width of a chart's bucket: at least two intervals, so that a late reading leaves no hole."""
        return next(
            (s for s in STEPS_S if self.duration_s / s <= MOST_POINTS and s >= 2 * sample_interval_s), STEPS_S[-1]
        )

    def bucket_starts(self, step: int) -> list[datetime]:
        """Starts of the chart's buckets, on whole multiples of the step, the first one holding ``start``."""
        first = int(self.start.timestamp()) // step * step
        return [datetime.fromtimestamp(s, tz=UTC) for s in range(first, int(self.end.timestamp()) + 1, step)]
