"""How large a plan is, before anything is made of it. Nothing recurses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.words.sizes import size_words

ENDLESS_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class PlanSize:
    """``bytes`` as JSON."""

    nodes: int
    bytes: int

    def __str__(self) -> str:
        nodes = f"{self.nodes:,} node" + ("" if self.nodes == 1 else "s")
        if self.bytes == ENDLESS_BYTES:
            return f"{nodes}, nested too deep"
        return f"{nodes} in {size_words(self.bytes)}" if self.bytes >= 100_000 else nodes

    def is_above(self, nodes: int, bytes: int) -> bool:
        return self.nodes > nodes or self.bytes > bytes


def plan_size(plan_json: Any) -> PlanSize:
    """Of what EXPLAIN (FORMAT JSON) printed, decoded."""
    entries = plan_json if isinstance(plan_json, list) else [plan_json]
    tops = [entry.get("Plan", entry) for entry in entries if isinstance(entry, dict)]
    nodes = sum(node_count(top) for top in tops if isinstance(top, dict))
    try:
        return PlanSize(nodes, len(json.dumps(plan_json)))
    except RecursionError:
        return PlanSize(nodes, ENDLESS_BYTES)


def node_count(node: Mapping[str, Any]) -> int:
    """Of EXPLAIN's object of a node: itself and all below it."""
    count, waiting = 0, [node]
    while waiting:
        count += 1
        below = waiting.pop().get("Plans")
        waiting.extend(child for child in below or () if isinstance(child, dict))
    return count
