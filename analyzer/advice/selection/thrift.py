"""Giving up bytes that buy next to nothing: an index beside its partial twin, columns included for a last percent.

The choice takes whatever pays for itself, however little. A person would leave out the member that hardly matters, and
take the smaller of two indexes that do nearly the same.
"""

from collections.abc import Iterator, Sequence

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.search import Search
from analyzer.checks import Threshold
from analyzer.schema.foreign_keys import is_unindexed, would_serve

LIMITS = {
    "given_up": Threshold(0.02, "of what is left", "judgement: well within the planner's errors"),
    "given_up_of_budget": Threshold(0.002, "of what is left", "judgement: as HiGHS' gap; the bytes were granted"),
    "bytes": Threshold(0.05, "of the set's bytes", "judgement: less is not worth a thought"),
}


def drop_low_value_bytes(
    search: Search, definitions: Sequence[IndexDefinition], chosen: int, budget: float | None
) -> int:
    """The set after steps that each save bytes and together lose no more than the limit."""
    share = LIMITS["given_up"].value if budget is None else LIMITS["given_up_of_budget"].value
    most = search.objective(chosen) * (1 + share)
    while search.book.may_plan:
        least = LIMITS["bytes"].value * search.size(chosen)
        steps = sorted(
            (-saved, step)
            for step in _steps(definitions, chosen)
            if (saved := search.size(chosen) - search.size(step)) >= least and _at_most(search, step) <= most
        )
        better = next((step for _, step in steps if search.objective(step) <= most), None)
        if better is None:
            return chosen
        chosen = search.without_idle(better)
    return chosen


def serving_keys(search: Search, definitions: Sequence[IndexDefinition], chosen: int) -> int:
    """The set with, for each index, one on the same columns about as good and as small that also serves a foreign key
    without an index: what deletes would gain is in no plan."""
    most = search.objective(chosen) * (1 + LIMITS["given_up"].value)
    for out in bits(chosen):
        if _keys_served(definitions[out]):
            continue
        for number, other in enumerate(definitions):
            step = chosen & ~(1 << out) | 1 << number
            if not _has_same_columns(definitions[out], other) or not _keys_served(other):
                continue
            if search.size(step) <= search.size(chosen) and search.objective(step) <= most:
                chosen = step
                break
    return chosen


def _has_same_columns(one: IndexDefinition, other: IndexDefinition) -> bool:
    same = (one.table.oid, one.method, one.predicate) == (other.table.oid, other.method, other.predicate)
    return same and one.include == other.include and set(one.columns) == set(other.columns)


def _keys_served(definition: IndexDefinition) -> int:
    keys = [key for key in definition.table.foreign_keys if is_unindexed(definition.table, key)]
    return sum(would_serve(k, definition.method, definition.plain_columns, definition.predicate) for k in keys)


def _steps(definitions: Sequence[IndexDefinition], chosen: int) -> Iterator[int]:
    """Without one of them, or with one on fewer columns in its place."""
    for out in bits(chosen):
        rest = chosen & ~(1 << out)
        yield rest
        table, columns = definitions[out].table.oid, _columns(definitions[out])
        for number, other in enumerate(definitions):
            if other.table.oid == table and not chosen >> number & 1 and _columns(other) <= columns:
                yield rest | 1 << number


def _columns(definition: IndexDefinition) -> frozenset[str]:
    return frozenset((*(c.name for c in definition.columns), *definition.include))


def _at_most(search: Search, step: int) -> float:
    """What it can at most come to, by the plans that are known."""
    total = search.charges.cost(step)
    for q, weight in enumerate(search.weights):
        known = search.book.bounds(q, step)
        total += weight * search.valuation.value(q, known.high, known.time)
    return total
