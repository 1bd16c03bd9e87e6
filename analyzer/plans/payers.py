"""Who asks for an InitPlan or a CTE: EXPLAIN hangs them where they were planned, not where they run."""

import re
from collections.abc import Iterator

from analyzer.plans.node import Plan, PlanNode

RETURNS = re.compile(r"\(returns ([^)]*)\)")  # to 16: "InitPlan 1 (returns $0,$1)"
NAMED = re.compile(r"InitPlan (\d+)")  # from 17: "InitPlan 1", asked for as (InitPlan 1).col1
NO_EXPRESSION = frozenset(("Subplan Name", "Node Type", "Alias", "Relation Name", "Schema", "Index Name", "CTE Name"))


def is_lazy(node: PlanNode) -> bool:
    """An InitPlan or CTE: its time is not inside the node it hangs on unless that one asks for it."""
    return node.parent_relationship == "InitPlan"


def is_cte(node: PlanNode) -> bool:
    return is_lazy(node) and (node.subplan_name or "").startswith("CTE ")


def is_initplan(node: PlanNode) -> bool:
    return is_lazy(node) and not is_cte(node)


def cte_scans(plan: Plan) -> dict[PlanNode, list[PlanNode]]:
    """Every CTE with the scans that read it, innermost definition first where names repeat."""
    scans: dict[PlanNode, list[PlanNode]] = {node: [] for node in plan if is_cte(node)}
    for node in plan:
        if node.node_type == "CTE Scan" and (owner := _definition(node)) is not None:
            scans[owner].append(node)
    return scans


def _definition(scan: PlanNode) -> PlanNode | None:
    name = f"CTE {scan.raw.get('CTE Name')}"
    child = scan
    for ancestor in (scan, *scan.ancestors()):  # a scan may own what it reads
        for candidate in ancestor.children:
            if is_cte(candidate) and candidate.subplan_name == name and candidate is not child:
                return candidate
        child = ancestor
    return None


def initplan_consumers(initplan: PlanNode) -> list[PlanNode]:
    """Executed nodes that ask for its value; for one below a Gather, that Gather: its leader ran it."""
    owner = initplan.parent
    token = _token(initplan.subplan_name or "")
    if owner is None or token is None:
        return []
    inside = set(initplan.walk())
    consumers: dict[PlanNode, None] = {}
    for node in owner.walk():
        if node.loops and node not in inside and any(token.search(text) for text in expressions(node)):
            consumers[_lifted(node, owner)] = None
    return list(consumers)


def _token(name: str) -> re.Pattern[str] | None:
    """Finds the value as a whole token: ``$1`` is not in ``$10``, nor InitPlan 1 in InitPlan 10."""
    if returned := RETURNS.search(name):
        parameters = re.findall(r"\$\d+", returned[1])
        return re.compile("|".join(rf"{re.escape(p)}(?!\d)" for p in parameters)) if parameters else None
    if named := NAMED.match(name):
        return re.compile(rf"\(InitPlan {named[1]}\)\.col")
    return None


def _lifted(node: PlanNode, owner: PlanNode) -> PlanNode:
    outermost, child, current = node, node, node
    while current is not owner and current.parent is not None:
        child, current = current, current.parent
        if current.node_type in ("Gather", "Gather Merge") and not is_lazy(child):
            outermost = current
    return outermost


def expressions(node: PlanNode) -> Iterator[str]:
    """Every text in a node that may hold an expression, Output (VERBOSE) and lists of keys included."""
    for key, value in node.raw.items():
        if key in NO_EXPRESSION:
            continue
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))
