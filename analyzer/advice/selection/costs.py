"""What each query costs with each set of indexes: planned once, then concluded.

A plan with the set X that uses only U costs the same with every set between U and X: more indexes never cost more, and
the plan in hand stays possible. So a plan is a lower bound for every subset of X and an upper bound for every superset
of U, and many sets need no plan of their own. PostgreSQL is very nearly that regular: it takes paths whose costs differ
by less than 1 % as equal (pathnode.c, STD_FUZZ_FACTOR), so a cost can rise by that little when an index is added. Above
GEQO's threshold of 12 tables the order of joins is a random search, and the bound holds only as well as that does.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.advice.planner import Planned, Planner, Query, Refused
from analyzer.advice.selection.bits import bits
from analyzer.plans.work import WorkWeights

SAME = 1e-9  # relative: rounding of printed costs is two decimals, on costs from 1 on


@dataclass(slots=True)
class KnownPlan:
    """One plan: with the indexes ``available`` those of ``used`` were taken."""

    available: int
    used: int
    cost: float
    time: float  # in memory, in the same units; the cost itself where the planner does not tell the work


class Bounds(NamedTuple):
    """Least and greatest possible cost, and what the plan of the greatest one uses and takes in memory."""

    low: float
    high: float
    used: int
    time: float

    @property
    def is_exact(self) -> bool:
        return self.high - self.low <= SAME * self.high


@dataclass(slots=True)
class CostBook:
    """``relevant[q]``: the indexes in sight of the query's plans; ``usable[q]``: all that it could use, before
    ``screen``. Costs are of one call, in the planner's units."""

    planner: Planner
    queries: Sequence[Query]
    ids: Sequence[int]  # the planner's id of each index, by number
    relevant: list[int]
    without: frozenset[int] = frozenset()  # existing indexes hidden in every plan
    max_plans: int = 1_000_000
    refused: dict[int, str] = field(default_factory=dict)  # by query
    plans: int = 0
    usable: list[int] = field(default_factory=list)
    _entries: list[list[KnownPlan]] = field(default_factory=list)
    weights: WorkWeights = field(default_factory=WorkWeights)
    _bounds: list[dict[int, Bounds]] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.usable = list(self.relevant)
        self._entries = [[] for _ in self.queries]
        self._bounds = [{} for _ in self.queries]
        self._numbers = {id_: number for number, id_ in enumerate(self.ids)}

    @property
    def may_plan(self) -> bool:
        return self.plans < self.max_plans

    def screen(self, q: int, liked: int) -> None:
        """From now on only these are in sight of the query's plans: the fewer, the faster each is made."""
        self.relevant[q] &= liked
        self._bounds[q].clear()

    def entries(self, q: int) -> list[KnownPlan]:
        return self._entries[q]

    def bounds(self, q: int, chosen: int) -> Bounds:
        """With ``chosen``, by the plans made so far."""
        chosen &= self.relevant[q]
        known = self._bounds[q].get(chosen)
        if known is not None:
            return known
        low, high, used, time = 0.0, float("inf"), 0, float("inf")
        for entry in self._entries[q]:
            if not chosen & ~entry.available and entry.cost > low:
                low = entry.cost
            if not entry.used & ~chosen and (entry.cost < high or (entry.cost == high and entry.used < used)):
                high, used, time = entry.cost, entry.used, entry.time
        result = Bounds(min(low, high), high, used, time)
        self._bounds[q][chosen] = result
        return result

    def cost(self, q: int, chosen: int) -> tuple[float, int]:
        """Cost with exactly these indexes and those used: concluded where that is possible, else planned."""
        bounds = self.exact(q, chosen)
        return bounds.high, bounds.used

    def exact(self, q: int, chosen: int) -> Bounds:
        """Both bounds are the cost with exactly these indexes."""
        known = self.bounds(q, chosen)
        if known.is_exact:
            return known
        entry = self.plan(q, chosen)
        return Bounds(entry.cost, entry.cost, entry.used, entry.time)

    def plan(self, q: int, chosen: int) -> KnownPlan:
        """Always asks the planner, unless this very set was planned."""
        return self._plan(q, chosen & self.relevant[q])

    def plan_unscreened(self, q: int, chosen: int) -> KnownPlan:
        """With all of them that the query could use in sight, as in life."""
        return self._plan(q, chosen & self.usable[q])

    def _plan(self, q: int, chosen: int) -> KnownPlan:
        for entry in self._entries[q]:
            if entry.available == chosen:
                return entry
        answer = self.ask(q, chosen)
        if isinstance(answer, Refused):
            self.refused.setdefault(q, answer.reason)
            base, time = next(((e.cost, e.time) for e in self._entries[q] if e.available == 0), (0.0, 0.0))
            entry = KnownPlan(chosen, 0, base, time)
        else:
            used = self.mask(answer.used) & chosen
            time = answer.total_cost if answer.work is None else self.weights.time(answer.work)
            entry = KnownPlan(chosen, used, answer.total_cost, time)
        self._entries[q].append(entry)
        self._bounds[q].clear()
        return entry

    def ask(self, q: int, chosen: int, without: Collection[int] = ()) -> Planned | Refused:
        """A plan that is not remembered: other indexes hidden."""
        self.plans += 1
        hidden = self.without | frozenset(without)
        ids = frozenset(self.ids[b] for b in bits(chosen & self.usable[q]))
        return self.planner.plan(self.queries[q], ids, hidden)

    def mask(self, ids: Collection[int]) -> int:
        mask = 0
        for id_ in ids:
            number = self._numbers.get(id_)
            if number is not None:
                mask |= 1 << number
        return mask
