"""The nodes that EXPLAIN's text format names, and how many inputs each has: a line that is none of them is no node.

Source: ExplainNode() in PostgreSQL's explain.c, 13 to 18.
"""

import re

MANY = 1_000_000
SCANS = (
    "Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan", "Tid Scan", "Tid Range Scan",
    "Function Scan", "Table Function Scan", "Values Scan", "CTE Scan", "Named Tuplestore Scan", "WorkTable Scan",
)  # fmt: skip
ONE_INPUT = (
    "ProjectSet", "Gather", "Gather Merge", "Bitmap Heap Scan", "Subquery Scan", "Materialize", "Memoize", "Sort",
    "Incremental Sort", "Group", "Aggregate", "WindowAgg", "Unique", "LockRows", "Limit", "Hash",
)  # fmt: skip
# node type, as its JSON format has it -> fewest and most inputs, subplans apart
INPUTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(SCANS, (0, 0)),
    **dict.fromkeys(ONE_INPUT, (1, 1)),
    **dict.fromkeys(("Nested Loop", "Hash Join", "Merge Join", "Recursive Union"), (2, 2)),
    "Result": (0, 1),
    "SetOp": (1, 2),
    "ModifyTable": (1, MANY),  # to 13 one for each table
    **dict.fromkeys(("BitmapAnd", "BitmapOr"), (2, MANY)),
    **dict.fromkeys(("Append", "Merge Append", "Foreign Scan", "Custom Scan"), (0, MANY)),  # all may be pruned
}
_JOIN_KIND = r"(?: (?:Left|Full|Right|Semi|Anti|Right Semi|Right Anti))?"
_NODE = re.compile(
    rf"(?:Async )?(?:Partial |Finalize )?(?:Parallel )?(?:{'|'.join((*SCANS, *ONE_INPUT))}"
    rf"|Result|Append|Merge Append|Recursive Union|BitmapAnd|BitmapOr|Nested Loop{_JOIN_KIND}(?: Join)?"
    rf"|(?:Hash|Merge){_JOIN_KIND} Join|(?:Foreign )?(?:Insert|Update|Delete)|Merge|Foreign Scan"
    rf"|Custom Scan \([^()]+\)|(?:Group|Hash|Mixed)Aggregate|(?:Hash)?SetOp (?:Intersect|Except)(?: All)?)"
)


def is_node_name(name: str) -> bool:
    """Of a node's line, what stands before ``using`` and ``on``: ``Parallel Seq Scan``."""
    return _NODE.fullmatch(name) is not None


_NAME = re.compile(r"[A-Z][a-z]\w*(?: (?:[A-Z][a-z]\w*|\([A-Z]\w*\)))*")
_KNOWN_WORDS = frozenset(re.findall(r"[A-Z][a-zA-Z]+", _NODE.pattern))


def may_be_node_name(name: str) -> bool:
    """Of a node that a later PostgreSQL or a fork prints: words like those of a node, and not only a known one's."""
    return _NAME.fullmatch(name) is not None and not _KNOWN_WORDS.issuperset(re.findall(r"[A-Za-z]+", name))
