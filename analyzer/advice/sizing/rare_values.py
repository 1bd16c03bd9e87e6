"""How many values ANALYZE's sample must have missed, where few values are common and many are rare.

Words, names, URLs and the customers of an application are taken about as often as a power of their rank (Zipf). Of one
hundred thousand such values a sample of 30,000 rows shows a tenth, and the estimate of their number
(n_distinct; Haas and Stokes' Duj1, analyze.c) is three to ten times too low: on a million rows of 200,000 words taken
by Zipf's law it says 16,000, and 121,000 are there. The list of the most common values tells that it is such a column:
their shares fall by about the power of the rank at which the rare ones would have to go on. A few hot values before
many that are equally frequent fall, too, and then no power fits, or another one.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from analyzer.checks import Threshold
from analyzer.values.column_statistics import SAMPLED_ROWS

LIMITS = {
    "common_values": Threshold(50, "values", "judgement: a list that ANALYZE filled, half of its usual 100 and more"),
    "falling": Threshold(1.3, "share / share", "judgement: the list at a fifth of it to its end; by chance 1.2"),
    "reached": Threshold(0.95, "values / values", "measured: 0.97 and more, Zipf's; below it no power law fits"),
    "less_steep": Threshold(0.85, "power / power", "measured: 0.87 to 1.21, Zipf's; 0.3 to 0.86 before a flat tail"),
    "steeper": Threshold(1.9, "power / power", "measured: 1.3 to 1.87, log-normal; 1.6 to 2.5 before a flat tail"),
}
STEPS = 40
MOST_VALUES = 1e9


def falls_by_rank(frequencies: Sequence[float]) -> bool:
    """Whether the common values go over into the rare ones: many of them, each rarer than the one before."""
    if len(frequencies) < LIMITS["common_values"].value or frequencies[-1] <= 0:
        return False
    return frequencies[len(frequencies) // 5] / frequencies[-1] > LIMITS["falling"].value


def rare_values(
    frequencies: Sequence[float], null_frac: float, distinct: float, table_rows: float
) -> list[tuple[float, float]]:
    """``values_by_rank`` of a column as pg_stats has it; empty, too, where its common values do not fall by rank."""
    present = 1 - null_frac
    common = tuple(f / present for f in frequencies if f > 0) if present > 0 else ()
    if not falls_by_rank(common):
        return []
    return values_by_rank(common, distinct, present * table_rows, present * min(SAMPLED_ROWS, table_rows))


@lru_cache(maxsize=256)
def values_by_rank(
    frequencies: tuple[float, ...], observed: float, rows: float, sampled: float
) -> list[tuple[float, float]]:
    """Values behind the common ones, as (how many, share of the rows each): as many as ANALYZE would have to have
    found ``observed`` in all, in ``sampled`` of ``rows``, their shares falling by a power of the rank from the last
    common one's. ``frequencies``: of the common ones, of all rows that hold a value. Empty where the shares do not go
    on so: what ANALYZE estimated is as good then.
    """
    low, high = math.log(len(frequencies) + 1.0), math.log(MOST_VALUES)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _estimated(frequencies, _tail(frequencies, math.exp(middle))[0], rows, sampled) < observed:
            low = middle
        else:
            high = middle
    tail, power = _tail(frequencies, math.exp(high))
    is_reached = _estimated(frequencies, tail, rows, sampled) >= LIMITS["reached"].value * observed
    goes_on = LIMITS["less_steep"].value <= power / _power(frequencies) <= LIMITS["steeper"].value
    return tail if is_reached and goes_on else []


def _power(frequencies: Sequence[float]) -> float:
    """By which the common values' shares fall with the rank, but for the first ones'."""
    first = len(frequencies) // 5
    ranks = np.arange(first + 1, len(frequencies) + 1)
    return float(-np.polyfit(np.log(ranks), np.log(frequencies[first:]), 1)[0])


def _tail(frequencies: Sequence[float], values: float) -> tuple[list[tuple[float, float]], float]:
    """Of so many values by ranks, in steps that widen, with the power at which they take the rows that are left."""
    common, last, left = len(frequencies), frequencies[-1], 1 - sum(frequencies)
    edges = [(common + 0.5) * ((values + common + 0.5) / (common + 0.5)) ** (at / STEPS) for at in range(STEPS + 1)]
    steps = [(b - a, math.sqrt(a * b) / common) for a, b in itertools.pairwise(edges)]
    low, high = 0.0, 8.0
    for _ in range(STEPS):
        power = (low + high) / 2
        if sum(count * last * rank**-power for count, rank in steps) > left:
            low = power
        else:
            high = power
    shares = [(count, last * rank**-high) for count, rank in steps]
    taken = sum(count * share for count, share in shares)
    return [(count, share * left / taken) for count, share in shares], high


def _estimated(frequencies: Sequence[float], tail: Sequence[tuple[float, float]], rows: float, sampled: float) -> float:
    """What ANALYZE would say of the number of values."""
    seen, once = float(len(frequencies)), 0.0
    for count, share in tail:
        seen += count * -math.expm1(-sampled * share)
        once += count * sampled * share * math.exp(-sampled * share)
    return sampled * seen / max(1.0, sampled - once + once * sampled / rows)
