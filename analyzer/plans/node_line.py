"""The line of EXPLAIN's text format that names a node, to the fields its JSON format has for it."""

import re
from typing import Any

from analyzer.plans.node import raw_inputs
from analyzer.plans.node_types import is_node_name, may_be_node_name

NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
# none of them goes back: dots alone would take the square of their number
NODE_FIGURES = re.compile(
    r"(?:^|(?<!\s)\s++)(?:\(cost=(?P<startup>\d*+(?:\.\d++)*+)\.\.(?P<total>[\d.]++) rows=(?P<rows>\d+)"
    r" width=(?P<width>\d+)\))?"
    r"(?:\s*\((?:actual (?:time=(?P<first>\d*+(?:\.\d++)*+)\.\.(?P<last>[\d.]++) )?rows=(?P<got>[\d.]++)"
    r" loops=(?P<loops>\d+)|(?P<never>never executed))\))?$(?<=\))"
)
THING = re.compile(
    rf"(?P<type>.+?)(?: (?P<backward>Backward))?(?: using (?P<index>{NAME}))?"
    rf"(?: on (?:(?P<schema>{NAME})\.)?(?P<thing>{NAME})(?: (?P<alias>{NAME}))?)?"
)
JOIN = re.compile(r"(Hash|Merge|Nested Loop)(?: (Left|Right|Full|Semi|Anti|Right Semi|Right Anti))?(?: Join)?")
AGGREGATES = {"Aggregate": "Plain", "GroupAggregate": "Sorted", "HashAggregate": "Hashed", "MixedAggregate": "Mixed"}
MODIFIERS = (
    ("Async ", "Async Capable", True), ("Partial ", "Partial Mode", "Partial"),
    ("Finalize ", "Partial Mode", "Finalize"), ("Parallel ", "Parallel Aware", True),
)  # fmt: skip
WRITES = ("Insert", "Update", "Delete", "Merge")
# node type -> the field its "on ..." names, where that is no table
NAMED = {
    "Bitmap Index Scan": "Index Name", "CTE Scan": "CTE Name", "WorkTable Scan": "CTE Name",
    "Function Scan": "Function Name", "Table Function Scan": "Table Function Name", "Subquery Scan": "Alias",
    "Values Scan": "Alias", "Named Tuplestore Scan": "Tuplestore Name",
}  # fmt: skip
TWO_INPUTS = ("Nested Loop", "Hash Join", "Merge Join", "SetOp", "Recursive Union")
MEMBERS = ("Append", "Merge Append", "BitmapAnd", "BitmapOr")


def node_head(text: str) -> dict[str, Any] | None:
    """``Parallel Seq Scan on public.t o  (cost=...) (actual ...)`` as JSON's fields; None for another line."""
    node: dict[str, Any] = {"Node Type": ""}
    if figures := NODE_FIGURES.search(text):
        text = text[: figures.start()]
        _set_figures(node, figures)
    text = text.strip()
    match = THING.fullmatch(text)
    if not match:
        return None
    is_known = is_node_name(match["type"])
    if not (_is_whole(match) if is_known else figures and may_be_node_name(match["type"])):
        return None
    whole = text
    for modifier, key, value in MODIFIERS:
        if text.startswith(modifier):
            text, node[key] = text.removeprefix(modifier), value
    if text is not whole:
        match = THING.fullmatch(text)
        assert match is not None
    _set_type(node, match["type"])
    _set_names(node, match)
    return node


def _is_whole(match: re.Match[str]) -> bool:
    """A scan and a write name what they read or write; only a pushed-down join has no name."""
    name = match["type"]
    if name.endswith(("Index Scan", "Index Only Scan")) and not name.endswith("Bitmap Index Scan"):
        return bool(match["index"] and match["thing"])
    if name.removeprefix("Foreign ") in WRITES:  # to 9.0 without the table
        return bool(match["thing"]) or name != "Merge"
    return bool(match["thing"]) or not name.endswith("Scan") or name == "Foreign Scan"


def _set_figures(node: dict[str, Any], match: re.Match[str]) -> None:
    if match["total"]:
        node.update({"Startup Cost": float(match["startup"]), "Total Cost": float(match["total"]),
                     "Plan Rows": int(match["rows"]), "Plan Width": int(match["width"])})  # fmt: skip
    if match["never"]:
        node.update({"Actual Rows": 0, "Actual Loops": 0})
    elif match["loops"]:
        rows = match["got"]
        node.update({"Actual Rows": float(rows) if "." in rows else int(rows), "Actual Loops": int(match["loops"])})
        if match["last"]:
            node.update({"Actual Startup Time": float(match["first"]), "Actual Total Time": float(match["last"])})


def _set_type(node: dict[str, Any], name: str) -> None:
    node["Node Type"] = name
    if name in AGGREGATES:
        node.update({"Node Type": "Aggregate", "Strategy": AGGREGATES[name]})
    elif join := JOIN.fullmatch(name):
        if join[0] == "Hash":
            return
        if join[0] == "Merge":
            node.update({"Node Type": "ModifyTable", "Operation": name})
            return
        kind = join[1] if join[1] == "Nested Loop" else f"{join[1]} Join"
        node.update({"Node Type": kind, "Join Type": join[2] or "Inner"})
    elif name in WRITES:
        node.update({"Node Type": "ModifyTable", "Operation": name})
    elif set_operation := re.fullmatch(r"(Hash)?SetOp (.+)", name):
        strategy = "Hashed" if set_operation[1] else "Sorted"
        node.update({"Node Type": "SetOp", "Strategy": strategy, "Command": set_operation[2]})
    elif foreign := re.fullmatch(r"Foreign (Insert|Update|Delete)", name):
        node.update({"Node Type": "Foreign Scan", "Operation": foreign[1]})
    elif custom := re.fullmatch(r"Custom Scan \((.+)\)", name):
        node.update({"Node Type": "Custom Scan", "Custom Plan Provider": custom[1]})


def _set_names(node: dict[str, Any], match: re.Match[str]) -> None:
    if match["index"]:
        node["Index Name"] = unquoted(match["index"])
    if match["backward"]:
        node["Scan Direction"] = "Backward"
    if not match["thing"]:
        return
    key = NAMED.get(node["Node Type"], "Relation Name")
    node[key] = unquoted(match["thing"])
    if key != "Index Name":
        node["Alias"] = unquoted(match["alias"] or match["thing"])
    if match["schema"]:
        node["Schema"] = unquoted(match["schema"])


def unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def relationship(node: dict[str, Any], parent: dict[str, Any], subplan: str | None) -> None:
    """Sets how ``node`` hangs below ``parent``, under the line ``InitPlan 1`` where there is one."""
    if subplan:
        kind = "SubPlan" if subplan.startswith("SubPlan") else "InitPlan"
        node["Subplan Name"] = subplan
    elif parent["Node Type"] in MEMBERS:
        kind = "Member"
    elif parent["Node Type"] == "Subquery Scan":
        kind = "Subquery"
    else:
        kind = "Inner" if parent["Node Type"] in TWO_INPUTS and raw_inputs(parent) else "Outer"
    node["Parent Relationship"] = kind
