"""The names that EXPLAIN's JSON format has for its fields, and what other spellings of them stand for.

XML writes ``Node-Type``; programs write ``node_type`` or ``nodeType``. Sources: explain.c and auto_explain of
PostgreSQL 9.0 to 18. A field that stands in none of these lists is kept under the name it came with.
"""

import re
from collections.abc import Mapping
from typing import Any

INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,30})")
DECIMAL = re.compile(r"-?\d{1,30}\.\d{1,30}(?:[eE][-+]?\d{1,3})?")
WORDS = {"true": True, "false": False}
# Text, whatever it looks like: a table may be called 7, an alias true.
TEXTS = (
    "Node Type", "Strategy", "Partial Mode", "Operation", "Command", "Parent Relationship", "Subplan Name",
    "Custom Plan Provider", "Scan Direction", "Index Name", "Relation Name", "Schema", "Alias", "Function Name",
    "Table Function Name", "Tuplestore Name", "CTE Name", "Join Type", "Function Call", "Table Function Call",
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond", "Filter", "Join Filter", "One-Time Filter",
    "Order By", "Run Condition", "Conflict Filter", "Conflict Resolution", "Cache Key", "Cache Mode", "Sort Method",
    "Sort Space Type", "Storage", "Window", "Sampling Method", "Repeatable Seed", "Remote SQL", "Relations",
    "Trigger Name", "Constraint Name", "Relation", "Query Text", "Query Parameters", "Format",
)  # fmt: skip
LISTS = (
    "Plans", "Workers", "Triggers", "Output", "Sort Key", "Presorted Key", "Group Key", "Group Keys", "Hash Keys",
    "Grouping Sets", "Target Tables", "Params Evaluated", "Sampling Parameters", "Sort Methods Used",
    "Conflict Arbiter Indexes",
)  # fmt: skip
OTHERS = (
    "Plan", "Parallel Aware", "Async Capable", "Disabled", "Inner Unique", "Single Copy", "Startup Cost", "Total Cost",
    "Plan Rows", "Plan Width", "Actual Startup Time", "Actual Total Time", "Actual Rows", "Actual Loops",
    "Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck",
    "Rows Removed by Conflict Filter", "Heap Fetches", "Index Searches", "Exact Heap Blocks", "Lossy Heap Blocks",
    "Workers Planned", "Workers Launched", "Worker Number", "Subplans Removed", "Sort Space Used", "Full-sort Groups",
    "Pre-sorted Groups", "Sort Space Memory", "Sort Space Disk", "Group Count", "Average Sort Space Used",
    "Peak Sort Space Used", "Hash Buckets", "Original Hash Buckets", "Hash Batches", "Original Hash Batches",
    "Peak Memory Usage", "HashAgg Batches", "Disk Usage", "Planned Partitions", "Cache Hits", "Cache Misses",
    "Cache Evictions", "Cache Overflows", "Maximum Storage", "Tuples Inserted", "Tuples Updated", "Tuples Deleted",
    "Tuples Skipped", "Conflicting Tuples", "WAL Records", "WAL FPI", "WAL Bytes", "WAL Buffers Full", "I/O Read Time",
    "I/O Write Time",
    *(f"{kind} {what} Blocks" for kind in ("Shared", "Local") for what in ("Hit", "Read", "Dirtied", "Written")),
    "Temp Read Blocks", "Temp Written Blocks",
    *(f"{kind} I/O {what} Time" for kind in ("Shared", "Local", "Temp") for what in ("Read", "Write")),
    "Planning", "Planning Time", "Execution Time", "Total Runtime", "Memory Used", "Memory Allocated",
    "Query Identifier", "Settings", "Calls", "Time", "Serialization", "Output Volume", "JIT", "Functions", "Options",
    "Inlining", "Optimization", "Expressions", "Deforming", "Timing", "Generation", "Deform", "Emission", "Total",
)  # fmt: skip
_OF_EVERY_NODE = ("Total Cost", "Plan Rows", "Plan Width", "Actual Rows", "Actual Loops")
_FIGURES = frozenset(OTHERS)
_BY_LETTERS = {re.sub(r"\W|_", "", name).lower(): name for name in (*TEXTS, *LISTS, *OTHERS)}
_IN_XML = {re.sub(r"[^\w.-]", "-", name): name for name in (*TEXTS, *LISTS, *OTHERS)}


def field_named(spelled: str) -> str:
    """``node_type``, ``nodeType`` and ``NODE TYPE`` are ``Node Type``; another name stays as it is."""
    return _BY_LETTERS.get(re.sub(r"\W|_", "", spelled).lower(), spelled)


def field_of_tag(tag: str) -> str:
    """``I-O-Read-Time`` is ``I/O Read Time``: XML writes a hyphen for what no name of an element may hold."""
    return _IN_XML.get(tag) or tag.replace("-", " ")


def figure(text: str) -> int | float | bool | str:
    """The number or truth value that a text stands for where no text is meant; another text as it is."""
    stripped = text.strip()
    if INTEGER.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if DECIMAL.fullmatch(stripped) else WORDS.get(stripped, text)


def with_numbers(entry: Any) -> Any:
    """An entry of EXPLAIN's JSON whose figures a program made texts: a copy with numbers, whatever the depth."""
    root = entry.get("Plan", entry) if isinstance(entry, Mapping) else None
    if not isinstance(root, Mapping) or not any(isinstance(root.get(name), str) for name in _OF_EVERY_NODE):
        return entry
    made: dict[str, Any] = {}
    waiting: list[tuple[Any, Any]] = [(entry, made)]
    while waiting:
        source, target = waiting.pop()
        for key, value in source.items() if isinstance(source, Mapping) else enumerate(source):
            if isinstance(value, str) and key in _FIGURES:
                value = figure(value)
            elif isinstance(value, Mapping | list) and key != "Settings":
                copy: Any = {} if isinstance(value, Mapping) else []
                waiting.append((value, copy))
                value = copy
            if isinstance(target, list):
                target.append(value)
            else:
                target[key] = value
    return made
