"""Queries that may run slower although their planned cost falls, and indexes that win only on disk.

With random_page_cost 4 a nested loop over an index looks better than reading a table whenever the table is much larger
than the rows wanted; in a database that lies in memory the opposite is often true (measured on TPC-H at scale 1 in
memory: indexes on foreign keys made query 05 six times and query 07 1.7 times slower, at a lower planned cost). So
each set is planned a second time with the costs of such a database: a query whose plan uses a new index under the
server's constants and leaves it alone under cached ones is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.advice.planner import Refused
from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.costs import CostBook
from analyzer.advice.selection.search import Search
from analyzer.checks import Threshold
from analyzer.plans import Plan
from analyzer.plans.look_ups import rows_looked_up

LIMITS = {
    "clear_gain": Threshold(0.02, "of the workload's cost", "judgement: twice what the planner takes as equal"),
    "look_ups": Threshold(100_000, "rows", "measured: TPC-H in memory, query 05 at 1,200,000 took 4 times as long"),
    "guessed_look_ups": Threshold(
        10_000, "rows", "measured: TPC-H in memory, query 09 at 24,244 instead of 320,000 took 1.2 of the time"
    ),
    "small_gain": Threshold(
        0.15, "of a query's cost", "measured: TPC-H in memory, query 16 at 0.10 took 1.15 of the time"
    ),
    "gone_gain": Threshold(0.01, "of a query's cost", "pathnode.c: the planner itself takes costs 1 % apart as equal"),
}
MANY_LOOK_UPS = LIMITS["look_ups"].value
GUESSED_LOOK_UPS = LIMITS["guessed_look_ups"].value
SMALL_GAIN = LIMITS["small_gain"].value
CLEAR_GAIN = LIMITS["clear_gain"].value
GONE_GAIN = LIMITS["gone_gain"].value


def doubt(before: Plan, after: Plan, cost_before: float, cost_after: float, *, has_pattern: bool) -> str | None:
    """Why a plan that costs less may run longer all the same, in a sentence.

    ``has_pattern``: the statement searches inside texts, whose matches the planner guesses.
    """
    fetched = rows_looked_up(after)
    more = fetched > 1.5 * rows_looked_up(before)
    if has_pattern and more and fetched >= GUESSED_LOOK_UPS:
        return (
            f"Its new plan fetches about {fetched:,.0f} rows one by one, as far as the planner guesses how many texts"
            " match its search: with more of them it may run longer."
        )
    if more and fetched >= MANY_LOOK_UPS:
        return (
            f"Its new plan fetches about {fetched:,.0f} rows one by one through an index, which takes longer than the"
            " planner reckons where they lie scattered or are more than expected."
        )
    if before.shape != after.shape and 0 < 1 - cost_after / max(cost_before, 1e-9) < SMALL_GAIN:
        gain = 1 - cost_after / cost_before
        return f"The planner expects only {gain:.0%} less, which is within its error: it may as well run longer."
    return None


@dataclass(slots=True)
class Risks:
    """Plans under cached constants, each made once."""

    book: CostBook
    weights: Sequence[float]
    _plans: dict[tuple[int, int], tuple[float, int] | None] = field(default_factory=dict)

    def cached(self, q: int, chosen: int) -> tuple[float, int] | None:
        """Cost of one call and what it uses, in memory; None where it cannot be planned."""
        key = (q, chosen & self.book.relevant[q])
        if key not in self._plans:
            answer = self.book.ask(q, chosen, cached=True)
            if isinstance(answer, Refused):
                self._plans[key] = None
            else:
                self._plans[key] = (answer.total_cost, self.book.mask(answer.used))
        return self._plans[key]

    def worth(self, chosen: int, number: int) -> float:
        """What the queries cost more per day in memory without this one of the chosen."""
        total = 0.0
        for q, weight in enumerate(self.weights):
            if not self.book.relevant[q] >> number & 1:
                continue
            with_it = self.cached(q, chosen)
            if with_it and with_it[1] >> number & 1:
                without = self.cached(q, chosen & ~(1 << number))
                total += weight * (without[0] - with_it[0]) if without else 0.0
        return total

    def refused_in_memory(self, q: int, chosen: int) -> int:
        """New indexes that the query's plan uses, and the plan for a cached database would not."""
        _, used = self.book.cost(q, chosen)
        used &= chosen
        if not used:
            return 0
        cached = self.cached(q, chosen)
        return used & ~cached[1] if cached else 0

    def without_doubtful(self, search: Search, chosen: int) -> int:
        """Leaves out an index that gains nothing in memory, unless it wins clearly under the server's constants."""
        from analyzer.advice.selection.pruning import worth

        total = sum(w * a.base for w, a in zip(search.weights, search.alternatives, strict=True))
        for number in list(bits(chosen)):
            gain = worth(search, chosen, number)
            if gain < CLEAR_GAIN * total and self.worth(chosen, number) <= GONE_GAIN * max(gain, 1e-9):
                chosen &= ~(1 << number)
        return search.without_idle(chosen) if chosen else 0
