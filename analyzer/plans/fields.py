"""The names that EXPLAIN's JSON format has for its fields, and what other spellings of them stand for.

XML writes ``Node-Type``; programs write ``node_type`` or ``nodeType``. Sources: explain.c and auto_explain of
PostgreSQL 9.0 to 18. A field that stands in none of these lists is kept under the name it came with.
"""

import re

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
_BY_LETTERS = {re.sub(r"\W|_", "", name).lower(): name for name in (*TEXTS, *LISTS, *OTHERS)}
_IN_XML = {re.sub(r"[^\w.-]", "-", name): name for name in (*TEXTS, *LISTS, *OTHERS)}


def field_named(spelled: str) -> str:
    """``node_type``, ``nodeType`` and ``NODE TYPE`` are ``Node Type``; another name stays as it is."""
    return _BY_LETTERS.get(re.sub(r"\W|_", "", spelled).lower(), spelled)


def field_of_tag(tag: str) -> str:
    """``I-O-Read-Time`` is ``I/O Read Time``: XML writes a hyphen for what no name of an element may hold."""
    return _IN_XML.get(tag) or tag.replace("-", " ")
