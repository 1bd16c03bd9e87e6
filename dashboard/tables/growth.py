"""How fast tables and databases grow, in words: with the error bar, what they come to, and when the disk is full."""

from datetime import datetime

from analyzer.models import Database, Server
from analyzer.schema.pace import AHEAD_DAYS, LEAST_DAYS, Pace, pace_of
from analyzer.store.series.sizes import database_points, total_points
from analyzer.words.durations import THIN
from analyzer.words.sizes import size_words

MINUS = "\u2212"


def growth_words(pace: Pace | None) -> str:
    """ "+1.2 GB a day"; "none" where it stays as it is; "known in 3 days"; "" where nobody measures it."""
    if pace is None:
        return ""
    if pace.per_day is None:
        return f"known in {pace.days_missing} day{'s' if pace.days_missing > 1 else ''}"
    if abs(pace.per_day) < 0.5:
        return "none"
    sign = "+" if pace.per_day > 0 else MINUS
    return f"{sign}{size_words(abs(pace.per_day)).replace(' ', THIN)} a day"


def growth_in_words(what: str, pace: Pace, size_bytes: float) -> str:
    """A sentence on how fast it grows and what it comes to; how many days are missing, where that is not known yet."""
    if pace.per_day is None:
        return f"A pace needs {LEAST_DAYS} days of sizes; {days_words(pace.days_missing)} more to go."
    seen = f"{_bar(pace)}, {days_words(pace.days)} seen"
    if not pace.is_growing:
        return f"{what.capitalize()} does not grow steadily: {growth_words(pace)} ({seen})."
    comes_to = size_words(size_bytes + pace.per_day * AHEAD_DAYS)
    return f"At {growth_words(pace)} ({seen}) {what} takes {comes_to} in {AHEAD_DAYS} days."


def databases_in_words(server: Server, database: Database, now: datetime) -> list[str]:
    """Of the database, and of all of the server's on the disk that an operator entered. One query."""
    points = database_points(server, now)
    said = []
    if own := points.get(database.pk):
        said.append(growth_in_words("the database", pace_of(own), own[-1][1]))
    totals = total_points(points)
    if server.disk_bytes and totals:
        size, pace = totals[-1][1], pace_of(totals)
        reached = pace.reaches(server.disk_bytes - size)
        end = f", which they fill in {reached.words} at {growth_words(pace)}" if reached is not None else ""
        said.append(f"All databases take {size_words(size)} of the {size_words(server.disk_bytes)} of their disk{end}.")
    return said


def days_words(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"


def _bar(pace: Pace) -> str:
    low, high = growth_words(Pace(pace.days, pace.low_per_day)), growth_words(Pace(pace.days, pace.high_per_day))
    return f"between {low} and {high}" if low != high else "every day alike"
