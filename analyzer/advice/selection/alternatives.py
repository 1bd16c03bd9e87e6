"""The ways one query can be planned, found by taking away what its best plan uses.

The plan with every index but those in D either uses indexes that are all chosen, and then its cost is the query's cost;
or some index it uses is not chosen, and then the query costs at least what the plan without that one too does. Followed
from D = nothing, this leads from any set of indexes to its exact cost. The branches taken so far make a tree: its open
ends, each with the indexes that are chosen (``kept``) and not chosen (``dropped``) on the way there, divide all sets
among them. Options are what the choice may count on: a plan (its indexes must be chosen), or a guess (an open end),
whose cost is a lower bound until its plan is made. With guesses the best choice is a bound on every choice; without
them it is a set that can be had.
"""

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field

from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.costs import SAME, CostBook

MOST_GUESSES = 120  # judgement: of one query; more make the programme slow and its bound hardly better


@dataclass(frozen=True, slots=True)
class Option:
    """``cost`` of one call if all of ``needed`` and none of ``absent`` are chosen, and none of ``unless`` wholly."""

    cost: float
    needed: int = 0
    absent: int = 0
    unless: tuple[int, ...] = ()


@dataclass(slots=True)
class Alternatives:
    """``base`` and ``floor``: cost with no new index and with all of ``scope``."""

    book: CostBook
    q: int
    scope: int
    base: float
    floor: float
    # (dropped, kept) -> its branches, or None where it is an open end
    _ends: dict[tuple[int, int], list[tuple[int, int]] | None] = field(default_factory=dict)
    _open: int = 1

    @classmethod
    def start(cls, book: CostBook, q: int, base: float, floor: float) -> "Alternatives":
        return cls(book, q, book.relevant[q], base, floor, {(0, 0): None})

    def walk(self, chosen: int, most_plans: int) -> int:
        """Makes the plans that lead to the exact cost of ``chosen``, at most so many; the number of branchings."""
        at, made = (0, 0), 0
        plans = self.book.plans
        while True:
            branches = self._ends.get(at)
            if branches is None:
                if self._is_base(at[0]) or self._open > MOST_GUESSES:
                    return made
                if self.book.plans - plans >= most_plans or not self.book.may_plan:
                    return made
                branches = self._branch(at)
                made += 1
            following = next((b for b in branches if not b[0] & chosen), None)
            if following is None:
                return made
            at = following

    def _branch(self, at: tuple[int, int]) -> list[tuple[int, int]]:
        """The first index not chosen of those the plan without ``dropped`` uses decides the branch."""
        dropped, kept = at
        _, used = self.book.cost(self.q, self.scope & ~dropped)
        branches = []
        for number in bits(used & ~kept):
            branches.append((dropped | 1 << number, kept))
            kept |= 1 << number
        self._ends[at] = branches
        for branch in branches:
            self._ends.setdefault(branch, None)
        self._open += len(branches) - 1
        for branch in branches:
            # what is known already costs no plan
            is_known = self.book.bounds(self.q, self.scope & ~branch[0]).is_exact
            if self._ends[branch] is None and is_known and self._open < MOST_GUESSES and not self._is_base(branch[0]):
                self._branch(branch)
        return branches

    def _low(self, dropped: int) -> float:
        return self.book.bounds(self.q, self.scope & ~dropped)[0]

    def _is_base(self, dropped: int) -> bool:
        return self._low(dropped) >= self.base * (1 - SAME)

    def plans(self) -> list[Option]:
        """Never empty: the plan without any new index is always one. Dearer ones that ask for more are left out."""
        options: list[Option] = []
        for entry in sorted(self.book.entries(self.q), key=lambda e: (e.used.bit_count(), e.cost, e.used)):
            if entry.used and entry.cost > self.base * (1 - SAME):
                continue
            if not any(not p.needed & ~entry.used and p.cost <= entry.cost * (1 + SAME) for p in options):
                options.append(Option(entry.cost, entry.used))
        return options

    def valued(self, value: Callable[[float, float], float]) -> list[Option]:
        """The plans by ``value`` of cost and time.

        The planner goes by cost alone: it takes a cheaper plan of less value wherever that plan's indexes are chosen.
        """
        planned = {p.needed: p.cost for p in self.plans()}
        entries = {e.used: e for e in self.book.entries(self.q) if planned.get(e.used) == e.cost}
        values = {used: value(e.cost, e.time) for used, e in entries.items()}
        options = []
        for used, entry in sorted(entries.items()):
            preferred = [
                other & ~used
                for other, cheaper in entries.items()
                if cheaper.cost < entry.cost and values[other] > values[used] * (1 + SAME)
            ]
            if 0 not in preferred:
                options.append(Option(values[used], used, unless=tuple(sorted(preferred))))
        return options

    def options(self, never: int = 0) -> list[Option]:
        """Plans and guesses; ``never``: indexes that cannot be chosen, being too large."""
        plans = self.plans()
        cheapest_first = sorted(plans, key=lambda p: p.cost)
        costs = [p.cost for p in cheapest_first]
        guesses = []
        for (dropped, kept), branches in sorted(self._ends.items()):
            if branches is not None or kept & never:
                continue
            low = self._low(dropped | never)
            no_dearer = cheapest_first[: bisect.bisect_right(costs, low * (1 + SAME))]
            if not any(not p.needed & ~kept for p in no_dearer):
                guesses.append(Option(low, kept, dropped))
        return plans + guesses
