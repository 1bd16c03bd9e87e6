"""A statement written otherwise with the same rows: what the planner says of both, side by side."""

from collections.abc import Mapping
from typing import Any

from analyzer.advice.planner import Planner, Query, Refused
from analyzer.advice.predicted import PlannedRewrite
from analyzer.advice.queries import generic_query
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.plans.compare import explained_change
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import Equivalent, equivalents


def planned_rewrites(
    planner: Planner, original: Query, explained: Mapping[str, Any], facts: SchemaFacts
) -> tuple[PlannedRewrite, ...]:
    """Of each kind that changes it, the cheapest first; those that cannot be planned last.

    Both are planned alike: with the values in their text, without those of parameters.
    """
    found = [planned_rewrite(planner, each, explained, facts) for each in equivalents(original.sql, facts)]
    return tuple(sorted(found, key=lambda each: (each.cost_after is None, each.cost_after or 0.0)))


def planned_rewrite(
    planner: Planner, written: Equivalent, explained: Mapping[str, Any], facts: SchemaFacts
) -> PlannedRewrite:
    """``explained``: EXPLAIN's object of the statement as it is, planned without values of parameters."""
    cost, after = float(explained["Plan"]["Total Cost"]), _explained(planner, written, facts)
    if isinstance(after, Refused):
        return PlannedRewrite(written.kind, written.laid_out, written.assumptions, cost, problem=after.reason)
    return PlannedRewrite(
        written.kind,
        written.laid_out,
        written.assumptions,
        cost,
        cost_after=float(after["Plan"]["Total Cost"]),
        change=explained_change(explained, after),
        explained=after,
    )


def _explained(planner: Planner, equivalent: Equivalent, facts: SchemaFacts) -> Mapping[str, Any] | Refused:
    statement = WorkloadStatement(
        equivalent.kind, equivalent.sql, calls_per_day=1.0, total_time_s_per_day=0.0, mean_time_ms=0.0
    )
    query = generic_query(statement, facts)
    return query if isinstance(query, Refused) else planner.explain(query)
