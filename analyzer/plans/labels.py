"""Names for nodes, close to PostgreSQL's text output, the same on every run of a statement.

So nothing that varies from run to run is in them: no cost or figure, no "Parallel", "Partial" or
"Finalize", no schema (printed only with VERBOSE), and no alias like ``m_3`` that PostgreSQL makes up for
the third partition left after pruning.
"""

import re
from collections.abc import Mapping
from typing import Any

GENERATED_SUFFIX = re.compile(r"_\d+$")
AGGREGATES = {
    "Plain": "Aggregate",
    "Sorted": "GroupAggregate",
    "Hashed": "HashAggregate",
    "Mixed": "MixedAggregate",
}
THINGS = ("Relation Name", "Function Name", "CTE Name", "Tuplestore Name", "Table Function Name")
JOINS = ("Nested Loop", "Hash Join", "Merge Join")


def node_name(raw: Mapping[str, Any]) -> str:
    """``Hash Left Join``, ``GroupAggregate``, ``Insert``: as the text format says it."""
    node_type = str(raw["Node Type"])
    if node_type == "Aggregate":
        return AGGREGATES.get(str(raw.get("Strategy")), node_type)
    if node_type in JOINS and raw.get("Join Type", "Inner") != "Inner":
        if node_type == "Nested Loop":
            return f"Nested Loop {raw['Join Type']} Join"
        return f"{node_type.removesuffix(' Join')} {raw['Join Type']} Join"
    if node_type == "ModifyTable":
        return str(raw.get("Operation", node_type))
    if node_type == "SetOp":
        prefix = "Hash" if raw.get("Strategy") == "Hashed" else ""
        return f"{prefix}SetOp {raw.get('Command', '')}".strip()
    if node_type == "Foreign Scan" and raw.get("Operation", "Select") != "Select":
        return f"Foreign {raw['Operation']}"
    if node_type == "Custom Scan" and raw.get("Custom Plan Provider"):
        return f"Custom Scan ({raw['Custom Plan Provider']})"
    return node_type


def label(raw: Mapping[str, Any], *, is_only_scan_in_append: bool = False) -> str:
    """``is_only_scan_in_append``: the table is scanned once, below an Append; its alias may be made up."""
    name = node_name(raw)
    if raw.get("Index Name"):
        using = "on" if raw["Node Type"] == "Bitmap Index Scan" else "using"
        name = f"{name} {using} {raw['Index Name']}"
    thing = next((raw[key] for key in THINGS if raw.get(key)), None)
    alias = raw.get("Alias")
    if alias and is_only_scan_in_append and GENERATED_SUFFIX.search(alias):
        alias = None
    if thing is None:
        return f"{name} on {alias}" if alias else name
    return f"{name} on {thing} {alias}" if alias and alias != thing else f"{name} on {thing}"
