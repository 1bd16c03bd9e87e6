"""What a scattered page costs on one server, learnt from the plans it executed."""

import math
import statistics
from collections.abc import Sequence

from analyzer.plans.work import PlanWork, WorkWeights

LEAST_PLANS = 20  # judgement: with fewer the spread of times is chance
TOLD_BY_PAGES = 0.2  # of a plan's time, by the usual weights: others tell nothing of pages
TRIED = (0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2, 3.3, 5.0)
LEAST_GAIN = 0.1  # judgement: of the spread; less is chance


def learnt_weights(executed: Sequence[tuple[PlanWork, float]]) -> WorkWeights:
    """``executed``: each plan's work, by its estimates, and its time in ms; the usual weights where that is too little.

    The right weight makes times proportional to work, so the one is taken under which their ratios spread least.
    """
    usual = WorkWeights()
    known = [(work, time_ms) for work, time_ms in executed if time_ms > 0 and usual.time(work) > 0]
    telling = [w for w, _ in known if usual.scattered_page * w.scattered_pages > TOLD_BY_PAGES * usual.time(w)]
    if len(known) < LEAST_PLANS or not LEAST_PLANS / 4 <= len(telling) <= len(known) - LEAST_PLANS / 4:
        return usual
    spreads = {weight: _spread(known, WorkWeights(weight, usual.ordered_page)) for weight in TRIED}
    best = min(TRIED, key=lambda weight: (spreads[weight], weight))
    if spreads[best] > (1 - LEAST_GAIN) * spreads[usual.scattered_page]:
        return usual
    return WorkWeights(best, usual.ordered_page)


def _spread(executed: Sequence[tuple[PlanWork, float]], weights: WorkWeights) -> float:
    """Mean distance of the ratios' logarithms from their median."""
    ratios = [math.log(time_ms / weights.time(work)) for work, time_ms in executed]
    middle = statistics.median(ratios)
    return statistics.fmean(abs(ratio - middle) for ratio in ratios)
