"""What entries that pg_stat_statements dropped tell: for the check of a server, and for the preflight before there is
one."""

from analyzer.schema.cluster import Evictions
from analyzer.words.durations import DAY_S, span_words
from analyzer.words.lists import counted

LEAST_HOURS = 6  # judgement: one job of the night does not stand for a day
TIMES_A_DAY = 5  # judgement: a quarter of the entries; 5 % go each time (pg_stat_statements.c)
MOST_ENTRIES = 50_000  # judgement: with more, reading them all each minute costs the server


def times_a_day(evictions: Evictions, least_hours: float = LEAST_HOURS) -> float | None:
    """None where they were counted for too short a time."""
    if evictions.seen_s < max(1.0, least_hours * 3600):
        return None
    return evictions.times * DAY_S / evictions.seen_s


def dropped_words(evictions: Evictions, entries: int | None) -> str:
    """``entries``: pg_stat_statements.max."""
    of, span = f"{entries:,} " if entries is not None else "", span_words(evictions.seen_s)
    when = f"in the {span} since its counters were reset" if evictions.is_since_reset else f"in the last {span}"
    return (
        f"pg_stat_statements was full {counted(evictions.times, 'time')} {when} and dropped 5 % of its {of}entries each"
        " time: figures of rare statements have gaps."
    )


def larger(entries: int, most: float = MOST_ENTRIES) -> int | None:
    """A pg_stat_statements.max to set instead; None where it would be too large."""
    return entries * 2 if entries * 2 <= most else None
