"""What indexes save in time: the measured time of a statement, taken to change as the planner's cost of it does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from analyzer.words.durations import DAY_S, allows_daily_rate, rate_words, time_words


class CostEffect(Protocol):
    """A statement's cost of a call without and with the indexes."""

    @property
    def statement(self) -> str: ...
    @property
    def cost_before(self) -> float: ...
    @property
    def cost_after(self) -> float: ...


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """Seconds a day by statement, and of all statements there are, those nobody can plan too.

    Rates: said "a day" only where ``watched_s`` is an hour or more (durations.py).
    """

    by_statement: Mapping[str, float] = field(default_factory=dict)
    total_s_per_day: float = 0.0
    watched_s: float | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """``now_s_per_day`` is measured, ``then_s_per_day`` planned."""

    now_s_per_day: float
    then_s_per_day: float

    @property
    def saved_s_per_day(self) -> float:
        return self.now_s_per_day - self.then_s_per_day

    @property
    def saved_ratio(self) -> float:
        """Of what is measured now."""
        return self.saved_s_per_day / self.now_s_per_day


def by_cost(time_s: float, cost_before: float, cost_after: float) -> Gain:
    """A measured time that changes as the planner's cost does; what costs nothing stays as it is."""
    return Gain(time_s, time_s * (cost_after / cost_before if cost_before > 0 else 1.0))


def gain_of(effects: Iterable[CostEffect], times: Mapping[str, float]) -> Gain | None:
    """Of the statements whose time was measured; None where none was."""
    gains = [by_cost(t, e.cost_before, e.cost_after) for e in effects if (t := times.get(e.statement))]
    if not gains:
        return None
    return Gain(sum(gain.now_s_per_day for gain in gains), sum(gain.then_s_per_day for gain in gains))


def total_gain(effects: Iterable[CostEffect], times: MeasuredTimes) -> Gain | None:
    """Of everything the server does: what no index touches stays as it is."""
    gain = gain_of(effects, times.by_statement)
    if gain is None or not times.total_s_per_day:
        return None
    return Gain(times.total_s_per_day, max(0.0, times.total_s_per_day - gain.saved_s_per_day))


def gain_words(gain: Gain, watched_s: float | None, space: str = " ", with_what: str = "it") -> str:
    """ "30 min a day now (measured), about 1.1 s with it (planned)"; of less than an hour
    "41 s in 24 minutes (measured), about 2 s with it (planned)"."""
    is_day = allows_daily_rate(watched_s)
    share = 1.0 if is_day or watched_s is None else watched_s / DAY_S
    now = rate_words(gain.now_s_per_day, watched_s, space)
    then = time_words(gain.then_s_per_day * share * 1000, space)
    return f"{now}{' now' if is_day else ''} (measured), about {then} with {with_what} (planned)"


def short_gain_words(gain: Gain, watched_s: float | None, space: str = " ") -> str:
    """For a title: "30 min a day to about 1.1 s"; "41 s in 24 minutes to about 2 s"."""
    share = 1.0 if allows_daily_rate(watched_s) or watched_s is None else watched_s / DAY_S
    return (
        f"{rate_words(gain.now_s_per_day, watched_s, space)} to about"
        f" {time_words(gain.then_s_per_day * share * 1000, space)}"
    )


def less_words(gain: Gain) -> str:
    """ "81 % less", of the two figures that stand beside it."""
    ratio = gain.saved_ratio
    return (f"{ratio:.0%}" if ratio >= 0.0995 else f"{ratio:.1%}").replace("%", " % less")


def gain_as_json(gain: Gain | None) -> dict[str, Any]:
    return {
        "now_s_per_day": gain.now_s_per_day if gain else None,
        "then_s_per_day": gain.then_s_per_day if gain else None,
    }


def gain_from_json(kept: Mapping[str, float | None] | None) -> Gain | None:
    """What gain_as_json wrote; None where nothing was measured, also by a version that did not write it."""
    now, then = (kept.get("now_s_per_day"), kept.get("then_s_per_day")) if kept else (None, None)
    return None if now is None or then is None else Gain(now, then)
