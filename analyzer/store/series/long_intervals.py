"""A long interval in parts, one for each hour it touches, so that no hour is charged with another's work.

After an outage the counters tell what ran meanwhile, not when: it counts as one long interval at an even rate.
Pure numpy.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from analyzer.store.series.columns import N_SUMS
from analyzer.store.series.partitions import floor_to, next_start


@dataclass(frozen=True, slots=True)
class IntervalPart:
    """``rows`` are indexes into the interval's values of the entries that have a share in it, ``values`` the shares."""

    taken_at: datetime
    interval_s: float
    rows: NDArray[np.int64]
    values: NDArray[np.int64]


def parts(begin: datetime, end: datetime, values: NDArray[np.int64]) -> list[IntervalPart]:
    """Cut at full hours. The shares of each sum add up to it; gauges are the whole interval's and stand at its end."""
    whole_s = (end - begin).total_seconds()
    closed_parts, start, before = [], begin, np.zeros_like(values[:, :N_SUMS])
    while start < end:
        stop = min(end, next_start(floor_to(start, "hour"), "hour"))
        upto = np.rint(values[:, :N_SUMS] * ((stop - begin).total_seconds() / whole_s)).astype(np.int64)
        if stop == end:
            upto = values[:, :N_SUMS]
        share = np.zeros_like(values)
        share[:, :N_SUMS] = upto - before
        if stop == end:
            share[:, N_SUMS:] = values[:, N_SUMS:]
        rows = np.flatnonzero((share > 0).any(axis=1))
        closed_parts.append(IntervalPart(stop, (stop - start).total_seconds(), rows, share[rows]))
        start, before = stop, upto
    return closed_parts
