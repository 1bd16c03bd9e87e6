"""Where the ticks of an axis stand and what they say: shared by the drawn figure and the one to zoom in."""

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from django.utils import timezone

from dashboard.templatetags.quantities import short_count

MOST_INTERVALS = 5
HEADROOM = 1.04  # judgement: the highest point keeps clear of the frame
MOST_TIMES = 9  # labels that fit the page's width; a narrow one shows every second
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
_DAYS = (1, 2, 5, 7, 14, 30)
CLOCK_CHANGE = timedelta(hours=2)  # more than a clock is ever put forward or back


@dataclass(frozen=True, slots=True)
class Tick:
    """``at``: 0 to 1 along the axis. ``is_major``: shown where there is little room, too."""

    at: float
    label: str
    is_major: bool = True


@dataclass(frozen=True, slots=True)
class AmountAxis:
    """From 0 to ``top``."""

    top: float
    ticks: list[Tick]

    def place(self, value: float) -> float:
        return value / self.top


@dataclass(frozen=True, slots=True)
class TimeAxis:
    start: datetime
    end: datetime
    ticks: list[Tick]

    def place(self, at: datetime) -> float:
        return (at - self.start) / (self.end - self.start)

    def time_at(self, place: float) -> datetime:
        return self.start + (self.end - self.start) * place


def amount_axis(highest: float) -> AmountAxis:
    """Whole multiples of 1, 2, 2.5 or 5; of zeros only, up to 1."""
    reach = highest * HEADROOM or 1.0
    magnitude = 10.0 ** math.floor(math.log10(reach / MOST_INTERVALS))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if reach / (m * magnitude) <= MOST_INTERVALS)
    n = math.ceil(reach / step - 1e-9)
    return AmountAxis(n * step, [Tick(i / n, _amount(i * step, step)) for i in range(n + 1)])


def time_axis(start: datetime, end: datetime) -> TimeAxis:
    """Whole minutes, hours or days of the reader's clock; midnight is named by its date."""
    zone = timezone.get_current_timezone()
    span_minutes = (end - start).total_seconds() / 60
    minutes = next((m for m in _MINUTES if span_minutes / m < MOST_TIMES), None)
    if minutes is not None:
        times = _times(start, end, zone, timedelta(minutes=minutes))
    else:
        days = next((d for d in _DAYS if span_minutes / 1440 / d < MOST_TIMES), _DAYS[-1])
        times = [t for t in _times(start, end, zone, timedelta(days=1)) if t.toordinal() % days == 0]
    odd = next((i % 2 for i, t in enumerate(times) if t.time() == time()), 0)
    return TimeAxis(
        start,
        end,
        [
            Tick((t - start) / (end - start), _clock(t), is_major=i % 2 == odd or len(times) <= 3)
            for i, t in enumerate(times)
        ],
    )


def _times(start: datetime, end: datetime, zone: tzinfo, step: timedelta) -> list[datetime]:
    local = start.astimezone(zone).replace(tzinfo=None)
    midnight = datetime.combine(local.date(), time())
    first = math.floor((local - midnight - CLOCK_CHANGE) / step)
    times = []
    for i in range(first, first + math.ceil((end - start + 2 * CLOCK_CHANGE) / step) + 2):
        at = (midnight + i * step).replace(tzinfo=zone)
        if start <= at <= end:
            times.append(at)
    return times


def _clock(at: datetime) -> str:
    return f"{at.day} {at:%b}" if at.time() == time() else f"{at:%H:%M}"


def _amount(value: float, step: float) -> str:
    if step >= 1:
        return f"{value:.1f}" if value and step == 2.5 else short_count(value)
    exponent = math.floor(math.log10(step) + 1e-9)
    digits = -exponent + (abs(step - 2.5 * 10.0**exponent) < step / 100)
    return "0" if value == 0 else f"{value:.{digits}f}" if digits <= 4 else f"{value:.2g}".replace("e-0", "e-")
