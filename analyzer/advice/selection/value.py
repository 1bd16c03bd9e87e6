"""What a plan counts in the choice: half its cost, half the time it takes where the data lies in memory.

Cost alone chose sets that were planned at 0.58 and ran in 0.93 of the time: it takes the pages of repeated inner scans
to be at hand for nothing (``analyzer/plans/work.py``). Time alone would choose badly for what has to be read from disk.
A server does some of both, and of two sets of about the same cost the one that touches less is the better in any case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.checks import Threshold

LIMITS = {
    "time_share": Threshold(0.5, "of the value", "judgement: neither is trusted more than the other"),
    "slower": Threshold(0.10, "time / time", "judgement: below it the estimates' own errors are larger"),
    "slower_counts": Threshold(3.0, "times", "judgement: what got slower is noticed, what got faster is not"),
}
TIME_SHARE = LIMITS["time_share"].value
SLOWER = LIMITS["slower"].value
SLOWER_COUNTS = LIMITS["slower_counts"].value


@dataclass(frozen=True, slots=True)
class StatementWeights:
    """``unit``: by which times are multiplied, so that the workload has the same sum of both as things are.
    ``times_before``: of one call of each query."""

    unit: float
    times_before: Sequence[float]

    @classmethod
    def of(cls, weights: Sequence[float], costs: Sequence[float], times: Sequence[float]) -> "StatementWeights":
        cost = sum(w * c for w, c in zip(weights, costs, strict=True))
        time = sum(w * t for w, t in zip(weights, times, strict=True))
        return cls(cost / time if time > 0 else 1.0, times)

    def value(self, q: int, cost: float, time: float) -> float:
        """Of one call, in the planner's units. What is slower than before by more than SLOWER counts several times."""
        lost = max(0.0, time - (1 + SLOWER) * self.times_before[q])
        return (1 - TIME_SHARE) * cost + TIME_SHARE * self.unit * (time + (SLOWER_COUNTS - 1) * lost)
