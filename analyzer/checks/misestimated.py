"""The misestimates of a plan, worked out once for all checks that explain them, and what they cost."""

from collections.abc import Iterable, Sequence

from analyzer.checks.joins import tables_below
from analyzer.checks.node import place, shown
from analyzer.checks.scan import table_facts
from analyzer.checks.work_mem import spilled_ratio
from analyzer.findings import Quantity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import Condition, read_condition
from analyzer.plans.estimates import AffectedNode, Misestimate, misestimates
from analyzer.plans.payers import RETURNS
from analyzer.schema.facts import SchemaFacts

ROW_MS = 0.0002  # measured: a cached row read and hashed takes 0.0001 to 0.0003 ms on PostgreSQL 18


def misestimates_of(plan: Plan) -> tuple[Misestimate, ...]:
    return plan.once(misestimates)


def cost_ms(sufferers: Sequence[AffectedNode]) -> float | None:
    """What the nodes took that would have been planned otherwise, no part of it twice; None without times.

    An upper bound of what a right estimate saves: the other plan takes time, too.
    """
    parts = [
        cost_of_misestimate_ms(s) for s in sufferers if s.kind != "memoize_evictions"
    ]  # part of the inner side's runs
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def cost_of_misestimate_ms(sufferer: AffectedNode) -> float | None:
    """What it took; of a hashed Aggregate that spilled the share that did."""
    if sufferer.kind != "aggregate_on_disk" or sufferer.time_ms is None:
        return sufferer.time_ms
    return sufferer.time_ms * spilled_ratio(sufferer.node)


def other_join_ms(inner: PlanNode, facts: SchemaFacts | None) -> float:
    """What a Hash Join takes to read a Nested Loop's inner table once; 0 where its rows are not known."""
    scans = list(tables_below(inner))
    table = table_facts(scans[0], facts) if len(scans) == 1 else None
    return max(0.0, table.rows or 0.0) * ROW_MS if table is not None else 0.0


def loops_that_suffer(misestimates: Iterable[Misestimate]) -> tuple[str, ...]:
    """Places of the nested loops that ran their inner side too often, for ``Finding.also_at``."""
    sufferers = (sufferer for wrong in misestimates for sufferer in wrong.sufferers)
    return tuple(place(sufferer.node) for sufferer in sufferers if sufferer.kind == "inner_runs")


def rows_in_words(misestimate: Misestimate) -> str:
    """ "was planned with 2,000 rows and gave 400,000 (200 times as many)"."""
    estimate, runs = misestimate.estimate, misestimate.node.loops or 1
    each = " in each run" if runs > 1 else ""
    times = f"{estimate.factor:,.0f} times {'as many' if misestimate.direction == 'under' else 'fewer'}"
    return f"was planned with {estimate.planned_rows:,.0f} rows and gave {estimate.actual_rows:,.0f}{each} ({times})"


def statement_parameters(plan: Plan, numbers: frozenset[int]) -> frozenset[int]:
    """Those of ``$n`` that stand for the statement's values: up to 16 results of InitPlans are printed alike."""
    return numbers - plan.once(_returned_parameters)


def _returned_parameters(plan: Plan) -> frozenset[int]:
    matches = [RETURNS.search(node.subplan_name) for node in plan if node.subplan_name]
    return frozenset(int(name.strip(" $")) for match in matches if match for name in match[1].split(","))


def misestimate_evidence(wrong: Misestimate, suffering_ms: float | None) -> dict[str, Quantity]:
    return {
        "planned_rows": round(wrong.estimate.planned_rows),
        "actual_rows": round(wrong.estimate.actual_rows),
        "estimate_factor": round(wrong.factor, 1),
        "suffering_ms": None if suffering_ms is None else round(suffering_ms, 3),
    }


def mending(wrong: Misestimate) -> str:
    """What gives the planner what it lacks there."""
    node = wrong.table_node
    read = [condition for text in node.conditions.values() if (condition := read_condition(text)) is not None]
    if node.relation_name is None:
        if "Group Key" in node.raw:
            return "The number of groups is wrong: ANALYZE, or CREATE STATISTICS (ndistinct) on the columns grouped by."
        if len(wrong.node.inputs) > 1:
            return (
                "Its inputs were planned right, so it is how the two sides match: the planner has no statistics across"
                " tables, takes joined values for evenly spread and several columns of one for independent. A foreign"
                " key over all columns of a join tells it that each row finds one; else compute this step first, into a"
                " temporary table, and ANALYZE that."
            )
        return "Its input was planned right: what it keeps of it is not known to the planner."
    if (wrapped := _wrapped(read)) is not None:
        return (
            f"The planner has no statistics of the expression in {shown(wrapped)} and assumes a fixed share: CREATE"
            " STATISTICS on the expression (14+), or an index on it, then ANALYZE."
        )
    if any(c.other in ("initplan", "subplan") for condition in read for c in condition.comparisons):
        return "The planner does not know the subquery's value when it plans: look it up first and pass it on."
    return "ANALYZE the table; where that changes nothing, raise the statistics target of the columns compared."


def _wrapped(conditions: list[Condition]) -> str | None:
    return next(
        (c.text for of in conditions for c in of.comparisons if c.columns and (c.functions or c.operators)), None
    )
