"""How a statement's calls lie in time: since when, in a few intervals, or steadier than chance makes them."""

import numpy as np

from analyzer.behaviour.fit import Series


def began(calls: Series) -> int:
    """The first interval that has some."""
    return int(np.flatnonzero(calls)[0])


def age(calls: Series) -> int:
    """Intervals since it began."""
    return len(calls) - began(calls)


def is_steady(calls: Series, variation: float) -> bool:
    """Polling. The calls of a page spread as chance has it, bursts of several at once more than single ones."""
    return bool(calls.std() / calls.mean() < variation and calls.var() < 2 * calls.mean())


def is_in_few(calls: Series, intervals_ratio: float, share: float) -> bool:
    """More than ``share`` of the calls since it began fall into a few intervals: a job, not a page."""
    busiest = np.sort(calls[began(calls) :])[::-1]
    few = max(1, int(len(busiest) * intervals_ratio))
    return bool(busiest[:few].sum() > share * busiest.sum())
