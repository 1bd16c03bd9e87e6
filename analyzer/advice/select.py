"""The best set of indexes for a workload: reads' gain less the writes' cost, within a budget, as the planner costs it.

``select`` answers for one budget, ``pareto`` for several with the same plans. Both give the same answer for the same
input, in whatever order it comes: limits are counts of plans and of nodes, never seconds.
"""

from collections.abc import Sequence

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import Planner, Query
from analyzer.advice.selection.budgets import best_set, best_sets
from analyzer.advice.selection.result import Progress, Selection, SelectionOptions
from analyzer.advice.selection.task import Task
from analyzer.schema.facts import SchemaFacts

__all__ = ["Selection", "SelectionOptions", "pareto", "select"]


def select(
    queries: Sequence[Query],
    candidates: Sequence[IndexDefinition],
    planner: Planner,
    facts: SchemaFacts,
    options: SelectionOptions | None = None,
    progress: Progress | None = None,
) -> Selection:
    """Raises BadInput for a budget that is not above 0, and for a workload without a query."""
    options = options or SelectionOptions()
    return best_set(Task(queries, candidates, planner, facts, options, progress), options.budget_bytes)


def pareto(
    queries: Sequence[Query],
    candidates: Sequence[IndexDefinition],
    planner: Planner,
    facts: SchemaFacts,
    budgets_bytes: Sequence[int | None],
    options: SelectionOptions | None = None,
    progress: Progress | None = None,
) -> list[Selection]:
    """One selection per budget, ascending (None, without a limit, last): gain against bytes. No point is worse than a
    smaller one."""
    task = Task(queries, candidates, planner, facts, options or SelectionOptions(), progress)
    return best_sets(task, budgets_bytes)
