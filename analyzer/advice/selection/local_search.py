"""Small steps from a good set: add, drop, exchange one for one or two. Every step taken was costed by the planner."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.search import Search


@dataclass(frozen=True, slots=True)
class _Place:
    """A set from which steps are tried: its value, that of all queries (``reads``) and of each, weighted.

    ``users``: by index, the queries whose plans it can change.
    """

    chosen: int
    objective: float
    reads: float
    costs: Sequence[float]
    users: Sequence[Sequence[int]]

    @classmethod
    def at(cls, search: Search, chosen: int, users: Sequence[Sequence[int]]) -> "_Place":
        objective = search.objective(chosen)
        costs = [w * search.value(q, chosen) for q, w in enumerate(search.weights)]
        return cls(chosen, objective, objective - search.charges.cost(chosen), costs, users)


def improve(search: Search, start: int, budget: float | None, most_tries: int = 20, most_steps: int = 200) -> int:
    """The best set that no step makes better, of those steps that looked best before they were planned.

    ``most_tries``: sets costed by the planner in search of one step.
    """
    best = start
    users = _users(search)
    for _ in range(most_steps):
        place = _Place.at(search, best, users)
        now = place.objective
        promising = sorted(
            (estimate, step)
            for step in set(_steps(search, best, budget))
            if (estimate := _estimate(search, place, step)) is not None
        )
        for _, step in promising[:most_tries]:
            if not search.book.may_plan:
                return best
            if search.objective(step) < now * (1 - 1e-9):
                best = search.without_idle(step)
                break
        else:
            return best
    return best


def _users(search: Search) -> list[list[int]]:
    """By index, the queries whose plans it can change."""
    users: list[list[int]] = [[] for _ in search.sizes]
    for q, relevant in enumerate(search.book.relevant):
        for number in bits(relevant):
            users[number].append(q)
    return users


def _steps(search: Search, chosen: int, budget: float | None) -> Iterator[int]:
    candidates = [n for n in range(len(search.sizes)) if not chosen >> n & 1]
    size = search.size(chosen)
    for out in (None, *bits(chosen)):
        rest = chosen if out is None else chosen & ~(1 << out)
        room = None if budget is None else budget - size + (0 if out is None else search.sizes[out])
        if out is not None:
            yield rest
        for n in candidates:
            if room is None or search.sizes[n] <= room:
                yield rest | 1 << n


def _estimate(search: Search, place: _Place, step: int) -> float | None:
    """A guess at the step's cost between what it must cost and what it can at most; None where it cannot be better."""
    low = high = place.reads + search.charges.cost(step)
    for q in {q for number in bits(place.chosen ^ step) for q in place.users[number]}:
        known = search.book.bounds(q, step)
        most = search.valuation.value(q, known.high, known.time)
        least = most * known.low / known.high if known.high else 0.0
        low += search.weights[q] * least - place.costs[q]
        high += search.weights[q] * most - place.costs[q]
    if low >= place.objective * (1 - 1e-9):
        return None
    # judgement: the upper estimate is usually near, the lower one far too hopeful
    return 0.9 * high + 0.1 * low
