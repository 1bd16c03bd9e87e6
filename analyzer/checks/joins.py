"""What checks of joins and subqueries share: a join's sides, which tables a part of a plan reads and refers to."""

import re
from collections.abc import Iterable, Iterator

from analyzer.findings import Quantity
from analyzer.plans import PlanNode
from analyzer.plans.payers import expressions, is_lazy
from analyzer.schema.quoting import quote_identifier

JOINS = ("Nested Loop", "Hash Join", "Merge Join")
SCANS_OF_TABLES = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan",
                   "Sample Scan", "Foreign Scan")  # fmt: skip
SAME_ROWS = frozenset(("Hash", "Sort", "Incremental Sort", "Materialize", "Memoize", "Gather", "Gather Merge"))


def side(join: PlanNode, which: str) -> PlanNode | None:
    """``Outer`` or ``Inner``."""
    return next((child for child in join.children if child.parent_relationship == which), None)


def below_same_rows(node: PlanNode) -> PlanNode:
    """What it sorts, hashes, keeps or gathers the rows of; the node itself where it does none of that."""
    while node.node_type in SAME_ROWS:
        below = [child for child in node.children if not is_lazy(child) and child.parent_relationship != "SubPlan"]
        if len(below) != 1:
            break
        node = below[0]
    return node


def aliases_of(top: PlanNode) -> frozenset[str]:
    """Names that expressions call the rows of ``top`` and below by."""
    names = (node.alias or node.relation_name for node in top.walk())
    return frozenset(name for name in names if name)


def refers_to(top: PlanNode, aliases: Iterable[str]) -> bool:
    """Whether anything printed at ``top`` or below names a column of ``aliases``."""
    words = [re.escape(quote_identifier(alias)) for alias in aliases]
    if not words:
        return False
    pattern = re.compile(rf'(?<![\w$".])(?:{"|".join(words)})\.')
    return any(pattern.search(text) for node in top.walk() for text in expressions(node))


def is_correlated(subplan: PlanNode) -> bool:
    """Whether a subplan asks for columns of the tables outside it, so that each row needs it again."""
    inside = {id(node) for node in subplan.walk()}
    plan = subplan.plan
    outside = {
        name
        for node in (plan.nodes if plan is not None else ())
        if id(node) not in inside and (name := node.alias or node.relation_name)
    }
    return refers_to(subplan, outside - aliases_of(subplan))


def tables_below(top: PlanNode) -> Iterator[PlanNode]:
    """The scans of tables that bring ``top`` its rows."""
    return (node for node in top.walk() if node.relation_name is not None)


def rounded(**figures: float | None) -> dict[str, Quantity]:
    """Figures for ``Finding.evidence``: whole, without those that are not known."""
    return {name: round(figure) for name, figure in figures.items() if figure is not None}


def times(count: float) -> str:
    """ "once", "1,200 times"."""
    return "once" if round(count) == 1 else f"{count:,.0f} times"
