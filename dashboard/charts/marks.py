"""What happened while a chart was drawn, as numbered marks on it and as a list below; what is close together is one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.models import ServerEvent
from analyzer.words.visible import visible_line

MOST_GROUPS = 20  # judgement: numbers of two digits do not touch on a plot 300 pixels wide
MOST_LISTED = 5  # of one group; hovering and the list say how many more there are
SHORTEST_AXIS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Mark:
    """``description`` shows as it is, so nothing in it is invisible; ``earliest``: it happened from then to ``at``."""

    at: datetime
    description: str
    kind: str = "plan"
    earliest: datetime | None = None

    @property
    def when(self) -> str:
        """ "4 Mar 10:02", "4 Mar 10:02 to 10:12"."""
        at = timezone.localtime(self.at)
        if self.earliest is None:
            return f"{at.day} {at:%b %H:%M}"
        earliest = timezone.localtime(self.earliest)
        until = f"{at:%H:%M}" if at.date() == earliest.date() else f"{at.day} {at:%b %H:%M}"
        return f"{earliest.day} {earliest:%b %H:%M} to {until}"

    def __str__(self) -> str:
        return f"{self.when}: {self.description}"


@dataclass(frozen=True, slots=True)
class MarkGroup:
    """Marks that a chart shows as one line, the oldest first."""

    number: int
    marks: tuple[Mark, ...]

    @property
    def at(self) -> datetime:
        return self.marks[0].at

    @property
    def listed(self) -> tuple[Mark, ...]:
        return self.marks[:MOST_LISTED]

    @property
    def more(self) -> int:
        return max(0, len(self.marks) - MOST_LISTED)

    @property
    def lines(self) -> list[str]:
        return [*map(str, self.listed), *([f"and {self.more} more"] if self.more else [])]

    @property
    def kind(self) -> str:
        """ "deploy" where one is among them: what people look for first."""
        return "deploy" if any(mark.kind == "deploy" for mark in self.marks) else self.marks[0].kind


def grouped(marks: Iterable[Mark], start: datetime, end: datetime, watched_since: datetime) -> list[MarkGroup]:
    """Of a chart from ``start`` to ``end``, which begins no earlier than the watching."""
    start = max(start, min(watched_since, end - SHORTEST_AXIS))
    apart = (end - start) / MOST_GROUPS
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if not start <= mark.at <= end:
            continue
        if groups and mark.at - groups[-1][0].at < apart:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [MarkGroup(number, tuple(some)) for number, some in enumerate(groups, 1)]


def of_events(events: Sequence[ServerEvent], dbname: str) -> list[Mark]:
    """``dbname``: of the database whose name goes without saying."""
    return [Mark(event.at, _said(event, dbname), event.kind, event.earliest) for event in events]


def _said(event: ServerEvent, dbname: str) -> str:
    where = f" (database {event.database.name})" if event.database and event.database.name != dbname else ""
    return visible_line(f"{event.description}{where}")
