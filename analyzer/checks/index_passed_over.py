"""Why a sequential scan did not use an index that serves its condition: what the planner weighed.

With the schema known, an index that begins with all columns of a condition was there to be chosen. Where the planner
expected the rows that came, it took reading the table for cheaper, and usually is right.
"""

from analyzer.checks.scan import table_facts
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Condition, read_condition
from analyzer.plans.estimates import estimate_of
from analyzer.plans.indexable import can_use_some_index, indexable, of_table
from analyzer.schema.facts import IndexFacts, SchemaFacts
from analyzer.schema.quoting import quote_identifier

EXPECTED_FACTOR = 10.0  # judgement: with fewer rows than a tenth of those expected, an index scan costs much less


def serving_index(node: PlanNode, condition: str | None, facts: SchemaFacts | None) -> IndexFacts | None:
    """A usable index of all rows that serves every part of the condition that an index can serve; None without one."""
    table = table_facts(node, facts)
    read = read_condition(condition) if condition is not None and table is not None else None
    if table is None or read is None:
        return None
    read = of_table(read, node.alias)
    return next((index for index in table.indexes if _serves(index, read)), None)


def _serves(index: IndexFacts, condition: Condition) -> bool:
    wanted = indexable(condition)
    if any(can_use_some_index(other) for other in wanted.other) or not wanted.columns:
        return False
    if not index.is_usable or index.predicate is not None:
        return False
    columns = [None if column is None else quote_identifier(column) for column in index.columns]
    if index.method == "hash":
        return not wanted.ranges and tuple(columns) == wanted.equal
    count = len(wanted.equal)
    begins = index.method == "btree" and set(columns[:count]) == set(wanted.equal)
    return begins and (not wanted.ranges or (len(columns) > count and columns[count] in wanted.ranges))


def why_unused(node: PlanNode, index: IndexFacts, runs: float) -> str | None:
    """A sentence; None where the planner had reason enough to read the table."""
    estimate = estimate_of(node)
    if estimate is None or runs > 1:
        return (
            f"Index {index.name} begins with the columns compared and was not used: see whether both sides have the"
            " same type, and compare planned and actual rows."
        )
    if estimate.direction != "over" or estimate.least_factor < EXPECTED_FACTOR:
        return None
    return (
        f"Index {index.name} would serve it, but the planner expected {estimate.planned_rows:,.0f} rows where"
        f" {estimate.actual_rows:,.0f} came: mend the estimate, by ANALYZE or a higher statistics target."
    )
