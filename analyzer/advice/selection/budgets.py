"""The best set of a task's candidates for one budget, or for several with the same plans."""

from collections.abc import Sequence

from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.local_search import improve
from analyzer.advice.selection.pruning import without_unworthy
from analyzer.advice.selection.result import Selection
from analyzer.advice.selection.search import BestSet
from analyzer.advice.selection.set_figures import selection
from analyzer.advice.selection.task import Task
from analyzer.advice.selection.thrift import drop_low_value_bytes, serving_keys
from analyzer.advice.sizing.reserve import LIMITS, reserve_ratio
from analyzer.errors import BadInput

# judgement: each gives up some bytes of the room; TPC-H's sets need none, one of skewed texts two or three
MOST_ROOMS = 5


def best_set(task: Task, budget_bytes: int | None) -> Selection:
    return _in_figures(task, _best_within(task, budget_bytes), budget_bytes)


def best_sets(task: Task, budgets_bytes: Sequence[int | None]) -> list[Selection]:
    """One for each budget, ascending (None, without a limit, last)."""
    limited = sorted({b for b in budgets_bytes if b is not None})
    for budget in limited:
        if budget <= 0:
            raise BadInput(f"The budget is {budget:,} bytes; give more than 0.")
    wanted: list[int | None] = [*limited, *([None] if None in budgets_bytes else [])]
    # twice the plans for the first of them, some more for each other one
    task.book.max_plans += len(wanted) * task.book.max_plans // 4
    best = [_best_within(task, budget) for budget in wanted]
    # what a later budget found may fit an earlier one
    for at, one in enumerate(best):
        for other in best:
            better = task.search.objective(other.chosen) < task.search.objective(one.chosen)
            if better and task.fits(other.chosen, wanted[at]):
                best[at] = one = BestSet(other.chosen, one.bound, one.budget_bytes)
    return [_in_figures(task, one, budget) for one, budget in zip(best, wanted, strict=True)]


def _best_within(task: Task, budget_bytes: int | None) -> BestSet:
    """The best set that fits when built: what its indexes may take beyond their estimates is taken off the room, until
    it does."""
    if budget_bytes is None:
        return _best(task, None)
    whole = task.room(budget_bytes)
    room = whole / (1 + LIMITS["known"].value)
    for _ in range(MOST_ROOMS):
        best = _best(task, room)
        if task.fits(best.chosen, budget_bytes):
            return best
        room -= task.most_bytes(best.chosen) - whole
    return _best(task, whole / (1 + max(reserve_ratio(i.definition) for i in task.indexes)))


def _best(task: Task, budget: float | None) -> BestSet:
    search = task.search
    first = search.run(budget)
    chosen = improve(search, first.chosen, budget)
    chosen = without_unworthy(search, chosen)
    chosen = improve(search, chosen, budget)
    definitions = [i.definition for i in task.indexes]
    chosen = drop_low_value_bytes(search, definitions, chosen, budget)
    chosen = serving_keys(search, definitions, chosen)
    return BestSet(chosen, min(first.bound, search.planned(chosen)), budget)


def _in_figures(task: Task, best: BestSet, budget_bytes: int | None) -> Selection:
    picked = [task.indexes[n] for n in bits(best.chosen)]
    dropped = list(task.dropped)
    if picked:
        dropped += [v.dropped() for v in task.proved_drops(task.gone, picked) if v.without.may_go]
    ratio = max(0.0, task.search.planned(best.chosen) / best.bound - 1) if best.bound > 0 else None
    return selection(task, best.chosen, dropped, ratio, budget_bytes)
