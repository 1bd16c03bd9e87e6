"""A statement written otherwise with the same rows: what the planner says of both, side by side."""

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.advice.planner import Planner, Query, Refused
from analyzer.advice.predicted import PlannedRewrite
from analyzer.advice.queries import generic_query
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.questions.what_if import explained_change
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import Equivalent, equivalents


def planned_rewrites(
    planner: Planner, original: Query, explained: Mapping[str, Any], facts: SchemaFacts
) -> tuple[PlannedRewrite, ...]:
    """Of each kind that changes it, the cheapest first; those that cannot be planned last.

    Both are planned alike: with the values in their text, without those of parameters.
    """
    found = _planned(planner, original, explained, facts)
    return tuple(sorted(found, key=lambda each: (each.cost_after is None, each.cost_after or 0.0)))


def _planned(
    planner: Planner, original: Query, explained: Mapping[str, Any], facts: SchemaFacts
) -> Iterator[PlannedRewrite]:
    cost = float(explained["Plan"]["Total Cost"])
    for each in equivalents(original.sql, facts):
        after = _explained(planner, each, facts)
        if isinstance(after, Refused):
            yield PlannedRewrite(each.kind, each.laid_out, each.given, cost, problem=after.reason)
            continue
        yield PlannedRewrite(
            each.kind,
            each.laid_out,
            each.given,
            cost,
            cost_after=float(after["Plan"]["Total Cost"]),
            change=explained_change(explained, after),
            explained=after,
        )


def _explained(planner: Planner, found: Equivalent, facts: SchemaFacts) -> Mapping[str, Any] | Refused:
    statement = WorkloadStatement(found.kind, found.sql, calls_per_day=1.0, total_time_s_per_day=0.0, mean_time_ms=0.0)
    query = generic_query(statement, facts)
    return query if isinstance(query, Refused) else planner.explain(query)
