"""What to know of an index before it is made, beside what it costs and saves."""

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.sizing.key_widths import may_refuse_rows, too_wide_entry, undeclared_width
from analyzer.plans import Plan, PlanNode
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.predicates import searches_texts

SORTS = ("Sort", "Incremental Sort")
READS_ALL = (*SORTS, "Aggregate", "Hash", "Materialize", "WindowAgg")


def of_definition(definition: IndexDefinition) -> list[str]:
    """Sentences."""
    return [too_wide_entry(definition)] if may_refuse_rows(definition) else [*undeclared_width(definition)]


def early_stop(sql: str, facts: SchemaFacts, before: Plan, after: Plan) -> str | None:
    """Why reading in order under a LIMIT may take longer: the planner guesses how many texts match a search, and so how
    soon enough are found."""
    if not searches_texts(sql, facts):
        return None
    was = {node.index_name for node in before if _stops_early(node)}
    dearest_now = max(node.total_cost or 0.0 for node in before)
    for node in after:
        # its cost is that of reading on to the end
        if _stops_early(node) and node.index_name not in was and (node.total_cost or 0.0) >= dearest_now:
            return (
                f"Its new plan reads rows in the order of {node.index_name} and stops at its LIMIT, as soon as enough"
                " texts match the search, which the planner guesses: where few do, it reads nearly all of them one by"
                " one, and takes longer than now."
            )
    return None


def _stops_early(node: PlanNode) -> bool:
    """A filtering scan of an index in order, with a LIMIT above it and nothing between that wants all rows, or that
    looks up a few for each row of something else."""
    if node.index_name is None or not node.filter:
        return False
    below, above = node, node.parent
    while above is not None and above.node_type not in READS_ALL and not _is_looked_up(below, above):
        if above.node_type == "Limit":
            return True
        below, above = above, above.parent
    return False


def _is_looked_up(node: PlanNode, above: PlanNode) -> bool:
    is_inner = above.node_type == "Nested Loop" and node.parent_relationship == "Inner"
    return is_inner or node.parent_relationship in ("SubPlan", "InitPlan")
