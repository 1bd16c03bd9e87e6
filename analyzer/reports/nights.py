"""When a nightly mail is due: an hour on the clock of the person who reads it.

A night is named by the local date of its mail, so there is one a date whatever the clocks do:
an hour that is left out in spring is due when the clocks jump over it, one that comes twice in autumn is due
the first time (PEP 495, fold=0).
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

LATEST = timedelta(hours=12)  # judgement: after half a day the next morning's mail says it better
LONGEST = timedelta(days=3)  # judgement: what a report looks back on when mails before it were missed
NIGHT = timedelta(days=1)


def due_at(night: date, hour: int, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, when the clocks of ``zone`` first show (or pass) ``hour`` o'clock on that date."""
    return datetime.combine(night, time(hour), tzinfo=zone).astimezone(UTC)


def latest_night(now: datetime, hour: int, zone: ZoneInfo) -> tuple[date, datetime]:
    """The last night whose mail was due by ``now``, and when that was."""
    night = now.astimezone(zone).date() + NIGHT  # a day ahead: at some jumps the date is passed over
    while due_at(night, hour, zone) > now:
        night -= NIGHT
    return night, due_at(night, hour, zone)


def next_due(now: datetime, hour: int, zone: ZoneInfo) -> datetime:
    """When the next mail comes, strictly after ``now``."""
    night, due = latest_night(now, hour, zone)
    while due <= now:
        night += NIGHT
        due = due_at(night, hour, zone)
    return due


def window_start(due: datetime, reported_until: datetime | None) -> datetime:
    """Where a report begins: where the last one ended, so that nothing falls between two; at most LONGEST ago."""
    if reported_until is None or reported_until >= due:
        return due - NIGHT
    return max(reported_until, due - LONGEST)
