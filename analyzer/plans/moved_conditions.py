"""Conditions that one plan finds rows by, in an index, and another one only filters them with."""

from analyzer.plans.conditions import read_condition
from analyzer.plans.node import PlanNode
from analyzer.plans.shape import condition_shape

MOST_SHOWN = 120  # characters


def moved_conditions(before: PlanNode, after: PlanNode) -> list[str]:
    """Of two scans of a table that both use an index: what was an Index Cond and is a Filter, without its values."""
    by_index, still = _conditions(_index_conditions(before)), _conditions(_index_conditions(after))
    if not still:
        return []
    filtered = _conditions([after.filter] if after.filter else [])
    return [_shown(text) for shape, text in filtered.items() if shape in by_index and shape not in still]


def _index_conditions(node: PlanNode) -> list[str]:
    parts = [node, *(below for below in node.walk() if below.node_type == "Bitmap Index Scan")]
    return [text for part in parts if (text := part.expression("Index Cond")) is not None]


def _conditions(texts: list[str]) -> dict[str, str]:
    """Those that AND joins: how they are written but for values and qualifiers -> as they are shown."""
    read = [read_condition(text) for text in texts]
    return {condition_shape(c.text): c.text for each in read if each is not None for c in each.comparisons}


def _shown(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
