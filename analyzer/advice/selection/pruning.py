"""Taking out what is not worth its place: each chosen index has to earn what it costs."""

from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.search import Search


def worth(search: Search, chosen: int, number: int) -> float:
    """How much the queries are planned dearer per day without this one of the chosen."""
    rest = chosen & ~(1 << number)
    total = 0.0
    for q, weight in enumerate(search.weights):
        if search.book.relevant[q] >> number & 1:
            total += weight * (search.book.cost(q, rest)[0] - search.book.cost(q, chosen)[0])
    return total


def without_unworthy(search: Search, chosen: int) -> int:
    """Leaves out, one after the other, the index whose absence makes the objective no worse."""
    while chosen:
        now = search.objective(chosen)
        smaller = [chosen & ~(1 << n) for n in bits(chosen)]
        best = min(smaller, key=lambda rest: (search.objective(rest), search.size(rest), rest))
        if search.objective(best) > now:
            return chosen
        chosen = best
    return chosen
