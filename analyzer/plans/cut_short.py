"""Nodes whose rows cannot be held against the estimate, because nobody asked for all of them, or for some twice.

The planner's rows are those of a node read to its end, once. A Limit stops what is below it; a semi join goes on at
the first match; a merge join leaves the rest of one side unread and reads equal rows of its inner side again.
Source: the nodes' Exec functions, PostgreSQL 9.6 to 18.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.payers import cte_scans, expressions, is_cte, is_initplan

CURSOR = re.compile(r"\s*(?:declare|fetch|move)\b", re.IGNORECASE)
HASHED = re.compile(r"hashed (SubPlan \d+)")
OF_ONE_INPUT = ("Result", "Append", "Merge Append")
# the sides that a merge join reads to the end even when the other one is exhausted, by its join type
WHOLE_OUTER = ("Left", "Full", "Anti")
WHOLE_INNER = ("Right", "Full", "Right Anti")
GENERIC_LIMIT_RATIO = 0.1  # what the planner assumes of LIMIT $1 (limit.c's callers: preprocess_limit())


@dataclass(slots=True)
class Comparable:
    """Why a node's rows do not tell about its estimate; a reason is the node or the join that read it so."""

    stopped: dict[PlanNode, str] = field(default_factory=dict)  # it may have more rows than were read
    repeated: dict[PlanNode, str] = field(default_factory=dict)  # rows were counted more than once
    uncounted: dict[PlanNode, str] = field(default_factory=dict)  # EXPLAIN shows no rows, or not rows

    def may_be_over(self, node: PlanNode) -> bool:
        """Whether fewer rows than planned mean a wrong estimate."""
        return node not in self.stopped and node not in self.uncounted

    def may_be_under(self, node: PlanNode) -> bool:
        """Whether more rows than planned mean a wrong estimate."""
        return node not in self.repeated and node not in self.uncounted


def comparable(plan: Plan) -> Comparable:
    """What of an analyzed plan can be compared; a CTE is read as far as its scans together read it."""
    return plan.once(_comparable)


def _comparable(plan: Plan) -> Comparable:
    result = Comparable()
    scans = cte_scans(plan)
    hashed = _hashed(plan)
    _read(plan.root, _reader_of_root(plan), result, hashed)
    for cte in reversed(tuple(scans)):  # one that is defined later may read an earlier one, not the other way
        stops = [result.stopped.get(scan) for scan in scans[cte] if scan.loops]
        stop = stops[0] if stops and None not in stops and cte.node_type != "ModifyTable" else None
        _read(cte, stop, result, hashed)
    for node in plan:
        if (reason := _uncounted(node)) is not None:
            result.uncounted[node] = reason
    _set_taken_away(plan, result, scans)
    return result


def _hashed(plan: Plan) -> frozenset[str]:
    """The SubPlans that were read whole, into a hash table."""
    # a SubPlan hangs on the node whose expression asks for it
    asking = {node.parent for node in plan if node.parent_relationship == "SubPlan" and node.parent is not None}
    return frozenset(name for node in asking for text in expressions(node) for name in HASHED.findall(text))


def _reader_of_root(plan: Plan) -> str | None:
    """auto_explain prints a cursor's plan with as many rows as were fetched."""
    return "cursor" if CURSOR.match(plan.query_text or "") else None


def _read(top: PlanNode, stop: str | None, result: Comparable, hashed: frozenset[str]) -> None:
    """``top`` and what is below, but for CTEs, which their scans read."""
    if stop is not None:
        result.stopped[top] = stop
    waiting = [top]
    while waiting:
        parent = waiting.pop()
        for child in parent.children:
            if is_cte(child):
                continue
            if (reason := _stops(parent, child, result.stopped.get(parent), hashed)) is not None:
                result.stopped[child] = reason
            waiting.append(child)
        if parent.node_type == "Merge Join":
            for node in _marked(parent):
                result.repeated[node] = "Merge Join"


def _stops(parent: PlanNode, child: PlanNode, stopped: str | None, hashed: frozenset[str]) -> str | None:
    """Who may leave rows of ``child`` unread; None when it is read to its end."""
    if is_initplan(child):
        return "InitPlan"  # EXISTS needs one row
    if child.parent_relationship == "SubPlan":
        return None if child.subplan_name in hashed else "SubPlan"
    match parent.node_type:
        case "Sort" | "Hash" | "Bitmap Heap Scan" | "BitmapAnd" | "BitmapOr" | "ModifyTable":
            return None  # reads all before it gives the first
        case "Aggregate" if parent.raw.get("Strategy") != "Sorted":
            return None
        case "SetOp" if parent.raw.get("Strategy") == "Hashed":
            return None
        case "SetOp" if len(parent.children) > 1:
            return stopped or "SetOp"
        case "Limit":
            return stopped or ("Limit" if _may_be_satisfied(parent, child) else None)
        case "WindowAgg" if "Run Condition" in parent.raw:
            return stopped or "WindowAgg"
        case "Recursive Union" if child.parent_relationship == "Inner":
            return stopped or "Recursive Union"  # planned with ten times the first rows each time; the last has none
        case "Custom Scan" | "Foreign Scan":
            return stopped or parent.node_type
        case "Nested Loop" | "Hash Join" | "Merge Join":
            return _stops_in_join(parent, child, stopped)
    return stopped


def _stops_in_join(join: PlanNode, child: PlanNode, stopped: str | None) -> str | None:
    is_inner = child.parent_relationship == "Inner"
    if join.node_type == "Merge Join":
        whole = WHOLE_INNER if is_inner else WHOLE_OUTER
        return stopped or (None if join.join_type in whole else "Merge Join")
    if join.node_type == "Hash Join":
        other = next((c for c in join.children if c.parent_relationship == "Inner"), None)
        empty = other is not None and other.loops and not other.actual_rows and not is_inner
        return None if is_inner else stopped or ("Hash Join" if empty else None)
    if is_inner and (join.join_type in ("Semi", "Anti") or join.raw.get("Inner Unique") is True):
        return stopped or f"Nested Loop {join.join_type}".removesuffix(" Inner")
    return stopped


def _may_be_satisfied(limit: PlanNode, child: PlanNode) -> bool:
    """Only one that gave fewer rows than it was planned to, once, has surely read all: it had none left."""
    if limit.loops != 1 or limit.plan_rows is None or limit.actual_rows is None:
        return True
    guessed = max(1, round((child.plan_rows or 0) * GENERIC_LIMIT_RATIO))
    return limit.actual_rows > 0 and (limit.actual_rows >= limit.plan_rows or limit.plan_rows == guessed)


def _marked(join: PlanNode) -> Iterator[PlanNode]:
    """The inner side of a merge join, as far down as it goes back to its mark."""
    node = next((c for c in join.children if c.parent_relationship == "Inner"), None)
    while node is not None:
        yield node
        below = [c for c in node.children if c.parent_relationship in ("Outer", "Member", "Subquery")]
        node = below[0] if node.node_type in OF_ONE_INPUT and len(below) == 1 else None


def _uncounted(node: PlanNode) -> str | None:
    if node.node_type in ("BitmapAnd", "BitmapOr"):
        return "its rows are not counted"
    if node.node_type == "ModifyTable":
        return "it returns rows only with RETURNING"
    if node.node_type == "Bitmap Index Scan" and _may_be_brin(node):
        return "a BRIN index counts pages"
    return None


def _may_be_brin(node: PlanNode) -> bool:
    """BRIN gives whole pages, ten "rows" for each, and all of them lossy."""
    heap = next((a for a in node.ancestors() if a.node_type == "Bitmap Heap Scan"), None)
    if heap is None or not node.actual_rows or node.actual_rows * (node.loops or 0) % 10:
        return False
    blocks = heap.heap_blocks
    return blocks is None or blocks.exact == 0


def _set_taken_away(plan: Plan, result: Comparable, scans: dict[PlanNode, list[PlanNode]]) -> None:
    """What the planner could not know takes rows from every node above: nobody erred.

    Partitions pruned at run time, a false One-Time Filter, a recursion that ends before the ten rounds assumed.
    """
    for node in reversed(plan.nodes):
        waiting = [node] if node.loops and node not in result.stopped and _takes_rows_away(node) else []
        while waiting:
            above = waiting.pop()
            if result.stopped.get(above) != "taken away":
                result.stopped[above] = "taken away"
                waiting += readers(above, scans)


def _takes_rows_away(node: PlanNode) -> bool:
    if node.node_type == "Recursive Union":
        return True
    if node.node_type == "Result":
        return "One-Time Filter" in node.raw
    if node.node_type not in ("Append", "Merge Append"):
        return False
    least = 1 if node.is_parallel_aware else node.loops or 0  # processes share out what is below a Parallel Append
    return bool(node.count("Subplans Removed")) or any((c.loops or 0) < least for c in node.children)


def readers(node: PlanNode, scans: dict[PlanNode, list[PlanNode]]) -> list[PlanNode]:
    """Who gets the rows of ``node``: of a CTE its scans, of an InitPlan or SubPlan nobody whose rows they make."""
    if is_cte(node):
        return scans.get(node, [])
    if node.parent is None or is_initplan(node) or node.parent_relationship == "SubPlan":
        return []
    return [node.parent]
