"""What the twin reads of EXPLAIN's objects, and changes in them. They are as deep as ``limits.MOST_LEVELS`` at most."""

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.advice.planner import Query
from analyzer.plans.node import raw_inputs


def cost_under_limit(top: Mapping[str, Any], query: Query) -> float:
    """The plan's cost, with the share of its input that a LIMIT really reads.

    A scan in the order asked for looks cheap under LIMIT, because the planner expects matches early on. With few rows
    to choose from it reads far, and calls that return fewer rows than the limit read to the end. InitPlans are in the
    plan's cost and not in its input's.
    """
    cost = float(top["Total Cost"])
    if top["Node Type"] != "Limit" or not (inputs := raw_inputs(top)):
        return cost
    limit, source = max(1.0, float(top["Plan Rows"])), inputs[0]
    once = sum(float(p["Total Cost"]) for p in top["Plans"] if p.get("Parent Relationship") == "InitPlan")
    start, end = once + float(source["Startup Cost"]), once + float(source["Total Cost"])
    if query.rows_before_limit is not None:
        return start + (end - start) * min(1.0, limit / max(1.0, query.rows_before_limit))
    if query.rows_per_call is not None:
        return cost + (1 - min(1.0, query.rows_per_call / limit)) * max(0.0, end - cost)
    return cost


def index_names(node: Mapping[str, Any], schema: str | None) -> Iterator[tuple[str, str | None]]:
    """Each with its schema where that is shown; a bitmap index scan's is that of the heap scan above it."""
    schema = node.get("Schema", schema)
    if (name := node.get("Index Name")) is not None:
        yield name, schema
    for conflict in node.get("Conflict Arbiter Indexes", ()):
        yield conflict, schema
    for child in node.get("Plans", ()):
        yield from index_names(child, schema)
