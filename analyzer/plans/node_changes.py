"""Two plans node by node: which stayed, which are gone and which came, each with its figures before and after."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from analyzer.plans.node import Plan, PlanNode

HEADINGS = ("", "own ms", "after", "rows", "after", "blocks", "after", "node")
MOST_NODES = 2_000  # of both; judgement: nobody reads more, and pairing them takes their product of steps


@dataclass(frozen=True, slots=True)
class NodeChange:
    """``before`` None: it came; ``after`` None: it is gone."""

    before: PlanNode | None
    after: PlanNode | None

    @property
    def node(self) -> PlanNode:
        node = self.after if self.after is not None else self.before
        assert node is not None
        return node

    @property
    def sign(self) -> str:
        return "+" if self.before is None else "-" if self.after is None else " "


def node_changes(before: Plan, after: Plan) -> list[NodeChange] | None:
    """In the order of the plans, what is gone before what came in its place; None for plans too large to pair."""
    if len(before.nodes) + len(after.nodes) > MOST_NODES:
        return None
    return list(_paired(before.nodes, after.nodes))


def _paired(old: tuple[PlanNode, ...], new: tuple[PlanNode, ...]) -> Iterator[NodeChange]:
    matcher = SequenceMatcher(None, [_key(node) for node in old], [_key(node) for node in new], autojunk=False)
    for what, start, end, other_start, other_end in matcher.get_opcodes():
        if what == "equal":
            for pair in zip(old[start:end], new[other_start:other_end], strict=True):
                yield NodeChange(*pair)
            continue
        yield from (NodeChange(node, None) for node in old[start:end])
        yield from (NodeChange(None, node) for node in new[other_start:other_end])


def _key(node: PlanNode) -> tuple[str, str | None, bool]:
    return node.label, node.subplan_name, node.is_parallel_aware


def changes_as_text(before: Plan, after: Plan) -> list[str]:
    """Lines of a table; a node that stayed has both its figures."""
    changes = node_changes(before, after)
    if changes is None:
        return [f"The plans have {len(before.nodes):,} and {len(after.nodes):,} nodes: too many to pair."]
    rows = [HEADINGS, *map(_row, changes)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True)), row[-1]]
        )
        for row in rows
    ]


def _row(change: NodeChange) -> tuple[str, ...]:
    cells = []
    for name in ("exclusive_time_ms", "total_actual_rows", "touched_blocks"):
        cells += [_figure(change.before, name), _figure(change.after, name)]
    node = change.node
    parallel = "Parallel " if node.is_parallel_aware else ""
    subplan = f"{node.subplan_name}: " if node.subplan_name else ""
    return change.sign, *cells, f"{'  ' * node.depth}{'-> ' if node.parent else ''}{subplan}{parallel}{node.label}"


def _figure(node: PlanNode | None, name: str) -> str:
    if node is None:
        return ""
    value = getattr(node, name)
    if value is None or node.loops == 0:
        return "-"
    return f"{max(0.0, value):,.2f}" if name.endswith("_ms") else f"{value:,.0f}"


def changes_as_json(before: Plan, after: Plan) -> list[dict[str, Any]] | None:
    """``before`` and ``after``: the node's number in its plan, from 0; ``null`` where it came or is gone."""
    changes = node_changes(before, after)
    if changes is None:
        return None
    numbers: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for which, plan in enumerate((before, after)):
        numbers[which] = {id(node): number for number, node in enumerate(plan)}
    return [
        {
            "label": change.node.label,
            "before": None if change.before is None else numbers[0][id(change.before)],
            "after": None if change.after is None else numbers[1][id(change.after)],
        }
        for change in changes
    ]
