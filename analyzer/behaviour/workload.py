"""How statements behaved over a window of equal intervals: what the N+1 check looks at. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.orm_models import Models
from analyzer.words.durations import DAY_S


@dataclass(frozen=True, slots=True)
class StatementSeries:
    """One statement of one role in one database; the arrays have one element per interval, 0 where it did not run."""

    fingerprint: str
    normalized_sql: str
    role_oid: int
    toplevel: bool
    calls: NDArray[np.float64]
    rows: NDArray[np.float64]
    exec_time_ms: NDArray[np.float64]
    tags: dict[str, str] = field(default_factory=dict)


class Origin(NamedTuple):
    """Which code asked for a statement, by its comment's tags and the session's application_name; "" where not said."""

    route: str = ""
    file: str = ""
    application: str = ""


@dataclass(frozen=True, slots=True)
class SessionEvidence:
    """What pg_stat_activity sampling saw in single sessions, summed over the window.

    ``sampled[f]``: how often statement f was seen (distinct executions); ``follows[(g, f)]``: how often g was the
    previous distinct execution of the same session, at most 1 s before; ``runs[f]``: lengths of runs of f within one
    transaction, or at most 1 s apart outside of any, the longest first; ``origins[f]``: how many of f's executions
    came from where.
    """

    sampled: dict[str, int] = field(default_factory=dict)
    follows: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    origins: dict[str, dict[Origin, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedWorkload:
    """``interval_s`` is the usual length of an interval; intervals next to a gap are left out.

    ``calls_per_day``: by fingerprint, from the longer span of ``watched_s`` seconds; empty where it was not looked at.
    """

    interval_s: float
    series: tuple[StatementSeries, ...]
    facts: SchemaFacts | None = None
    sessions: SessionEvidence = field(default_factory=SessionEvidence)
    round_trip_ms: float = 0.5  # assumed
    models: Models = field(default_factory=Models)  # the application's classes, as far as somebody told them
    calls_per_day: Mapping[str, float] = field(default_factory=dict)
    watched_s: float | None = None

    def per_day(self, fingerprint: str) -> tuple[float, float]:
        """What the statement's calls in these intervals are to be multiplied by to be those of a day, and how many
        seconds that was seen in."""
        calls = sum(float(s.calls.sum()) for s in self.series if s.fingerprint == fingerprint)
        known = self.calls_per_day.get(fingerprint)
        if known is not None and calls and self.watched_s is not None and self.watched_s > self.window_s:
            return known / calls, self.watched_s
        return DAY_S / self.window_s, self.window_s

    @property
    def intervals(self) -> int:
        return len(self.series[0].calls) if self.series else 0

    @property
    def window_s(self) -> float:
        return self.intervals * self.interval_s
