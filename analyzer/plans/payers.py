"""Who asks for an InitPlan or a CTE: EXPLAIN hangs them where they were planned, not where they run."""

import re
from collections.abc import Iterator

from analyzer.plans.node import Plan, PlanNode

RETURNS = re.compile(r"\(returns ([^)]*)\)")  # to 16: "InitPlan 1 (returns $0,$1)"
NAMED = re.compile(r"InitPlan (\d+)")  # from 17: "InitPlan 1", asked for as (InitPlan 1).col1
ASKED = re.compile(r"\$\d+|(?<=\()InitPlan \d+(?=\)\.col)")
STRING = re.compile(r"'(?:[^']|'')*'")
NO_EXPRESSION = frozenset(("Subplan Name", "Node Type", "Alias", "Relation Name", "Schema", "Index Name", "CTE Name"))
GATHERS = ("Gather", "Gather Merge")


def is_lazy(node: PlanNode) -> bool:
    """An InitPlan or CTE: its time is not inside the node it hangs on unless that one asks for it."""
    return node.parent_relationship == "InitPlan"


def is_cte(node: PlanNode) -> bool:
    return is_lazy(node) and (node.subplan_name or "").startswith("CTE ")


def is_initplan(node: PlanNode) -> bool:
    return is_lazy(node) and not is_cte(node)


class SubplanUsers:
    """A plan's CTEs and InitPlans with the nodes that ask for them.

    Positions are those of ``plan.nodes``: a node and all below it are one range, so nobody needs to walk.
    """

    def __init__(self, plan: Plan) -> None:
        self.nodes = plan.nodes
        self.at = {node: position for position, node in enumerate(self.nodes)}
        self.end = [position + 1 for position in range(len(self.nodes))]  # behind the last node below
        for position in range(len(self.nodes) - 1, 0, -1):
            above = self.at[self._parent(position)]
            self.end[above] = max(self.end[above], self.end[position])
        self.gathers = self._gathers()  # position -> nearest Gather above
        self.scans = self._scans()  # CTE -> its scans
        initplans = [node for node in self.nodes if is_initplan(node)]
        self.initplans = sorted(initplans, key=lambda node: -node.depth)  # innermost first
        self._asking = self._tokens() if initplans else {}

    def _parent(self, position: int) -> PlanNode:
        parent = self.nodes[position].parent
        assert parent is not None  # only the first has none
        return parent

    def is_inside(self, node: PlanNode, top: PlanNode) -> bool:
        start = self.at[top]
        return start <= self.at[node] < self.end[start]

    def _gathers(self) -> list[PlanNode | None]:
        """An InitPlan hung on a Gather itself is run by the leader alone: it is not below that Gather."""
        gathers: list[PlanNode | None] = [None]
        for position, node in enumerate(self.nodes[1:], 1):
            parent = self._parent(position)
            is_below = parent.node_type in GATHERS and not is_lazy(node)
            gathers.append(parent if is_below else gathers[self.at[parent]])
        return gathers

    def _scans(self) -> dict[PlanNode, list[PlanNode]]:
        scans: dict[PlanNode, list[PlanNode]] = {node: [] for node in self.nodes if is_cte(node)}
        by_name: dict[str | None, list[PlanNode]] = {}
        for cte in scans:
            by_name.setdefault(cte.subplan_name, []).append(cte)
        for node in self.nodes if scans else ():
            if node.node_type == "CTE Scan":
                visible = [
                    cte
                    for cte in by_name.get(f"CTE {node.raw.get('CTE Name')}", ())
                    if cte.parent is not None and self.is_inside(node, cte.parent) and not self.is_inside(node, cte)
                ]
                if visible:  # an inner WITH may use the name again
                    scans[max(visible, key=lambda cte: cte.depth)].append(node)
        return scans

    def _tokens(self) -> dict[str, list[PlanNode]]:
        """``$0`` and ``InitPlan 1`` -> executed nodes whose expressions hold it, as a whole token."""
        asking: dict[str, list[PlanNode]] = {}
        for node in self.nodes:
            if node.loops:
                for token in {token for text in expressions(node) for token in _asked(text)}:
                    asking.setdefault(token, []).append(node)
        return asking

    def consumers(self, initplan: PlanNode) -> list[PlanNode]:
        """Executed nodes that ask for its value; for one below a Gather, that Gather: its leader ran it."""
        owner = initplan.parent
        consumers: dict[PlanNode, None] = {}
        for token in _given(initplan.subplan_name or ""):
            for node in self._asking.get(token, ()):
                if owner is not None and self.is_inside(node, owner) and not self.is_inside(node, initplan):
                    consumers[self._lifted(node, owner)] = None
        return list(consumers)

    def _lifted(self, node: PlanNode, owner: PlanNode) -> PlanNode:
        while (gather := self.gathers[self.at[node]]) is not None and self.is_inside(gather, owner):
            node = gather
        return node


def subplan_users_of(plan: Plan) -> SubplanUsers:
    return plan.once(SubplanUsers)


def cte_scans(plan: Plan) -> dict[PlanNode, list[PlanNode]]:
    """Every CTE with the scans that read it."""
    return subplan_users_of(plan).scans


def _asked(text: str) -> list[str]:
    if "$" not in text and "(InitPlan " not in text:
        return []
    return ASKED.findall(STRING.sub("", text) if "'" in text else text)


def _given(name: str) -> list[str]:
    if returned := RETURNS.search(name):
        return re.findall(r"\$\d+", returned[1])
    named = NAMED.match(name)
    return [named[0]] if named else []


def expressions(node: PlanNode) -> Iterator[str]:
    """Every text in a node that may hold an expression, Output (VERBOSE) and lists of keys included."""
    for key, value in node.raw.items():
        kind = value.__class__
        if kind is str:
            if key not in NO_EXPRESSION:
                yield value
        elif kind is list:
            yield from (item for item in value if isinstance(item, str))


def without_subqueries_ms(inner: PlanNode) -> float | None:
    """Of all runs of the inner side; any other join would run the subqueries of its conditions, too."""
    if inner.total_time_ms is None:
        return None
    waiting, subqueries_ms = [inner], 0.0
    while waiting:
        for child in waiting.pop().children:
            if child.parent_relationship == "SubPlan":
                subqueries_ms += child.total_time_ms or 0.0
            else:
                waiting.append(child)
    return max(0.0, inner.total_time_ms - subqueries_ms)
