"""How much work_mem a node would need, as a setting to copy for one transaction."""

import math
import re

from analyzer.findings import Fix
from analyzer.plans import Plan, PlanNode
from analyzer.words.sizes import MB, memory_setting, setting_bytes, size_words

SORT_FACTOR = 2.5  # memory / temporary file; measured: 0.7 to 2.2 for six tables of 300,000 rows on PostgreSQL 18
# Bytes of a group in a hash table beside its columns; measured on 13 and 18: 50 to 210 for keys, counts and max, 370 to
# 420 with a sum of numeric, whose state lies outside of the row.
GROUP_BYTES, STATEFUL_GROUP_BYTES = 220, 460
STATEFUL = re.compile(r"\b(?!(?:count|min|max|bool_and|bool_or|every)\()\w+\(")
MORE = 1.2  # judgement: what spilled did not fit into its peak
MOST = 1024 * MB  # judgement: more for one node of one session is a matter of the whole server
RAISED = 2  # times what did not do, where by its figures it should have; judgement
HASH_MEM_MULTIPLIER = 2.0  # the default from 15 on; 1 before


def spilled_ratio(node: PlanNode) -> float:
    """Of a hashed Aggregate: its temporary files as a share of files and memory, 0 to 1."""
    spilled = [table for table in node.hash_aggregates if table.disk_bytes]
    disk = sum(table.disk_bytes for table in spilled)
    return disk / (disk + sum(table.peak_memory_bytes or 0 for table in spilled)) if disk else 0.0


def hash_bytes_needed(node: PlanNode, groups: float) -> float:
    """At most what a hash table of ``groups`` takes, by their width; of one that spilled, its batches tell more."""
    output = node.output
    is_plain = output is not None and not any(STATEFUL.search(text) for text in (*output, node.filter or ""))
    needed = groups * ((node.plan_width_bytes or 0) + (GROUP_BYTES if is_plain else STATEFUL_GROUP_BYTES))
    for table in node.hash_aggregates:
        if table.batches > 1 and table.peak_memory_bytes:
            needed = min(max(needed, table.peak_memory_bytes * MORE), table.peak_memory_bytes * table.batches)
    return needed


def hash_mem_multiplier(plan: Plan | None) -> float:
    """By which hash tables may exceed work_mem: as EXPLAIN's SETTINGS say, or 18's default, else 1 (13 and 14)."""
    if plan is None:
        return 1.0
    try:
        return max(1.0, float(plan.settings["hash_mem_multiplier"]))
    except (KeyError, ValueError):
        return HASH_MEM_MULTIPLIER if plan.root.rows_are_fractional else 1.0


def work_mem_bytes(needed_bytes: float, plan: Plan | None, *, is_hash: bool) -> int:
    """Whole megabytes of work_mem that hold ``needed_bytes``, and more than was in force; not capped."""
    multiplier = hash_mem_multiplier(plan) if is_hash else 1.0
    return max(1, math.ceil(_more_than_in_force(needed_bytes / multiplier, plan) / MB)) * MB


def work_mem_advice(needed_bytes: float, plan: Plan | None) -> tuple[str, tuple[Fix, ...]]:
    """The rest of a sentence and the fix, for one transaction; above MOST why that is no way, and no fix."""
    needed_bytes = _more_than_in_force(needed_bytes, plan)
    if needed_bytes > MOST:
        return (
            f"memory alone is no way out: it would take work_mem of about {size_words(needed_bytes)}, which every sort"
            " and hash of every session may use at once",
            (),
        )
    fix = Fix(
        "More memory for this statement alone, in its own transaction",
        "sql",
        f"SET LOCAL work_mem = '{memory_setting(max(MB, needed_bytes))}';",
    )
    return f"give this statement more memory in its own transaction: {fix.code.rstrip(';')}", (fix,)


def _more_than_in_force(needed_bytes: float, plan: Plan | None) -> float:
    in_force_bytes = setting_bytes(plan.settings.get("work_mem", "")) if plan is not None else None
    if in_force_bytes is None:
        return needed_bytes
    return needed_bytes if math.ceil(needed_bytes / MB) * MB > in_force_bytes else in_force_bytes * RAISED


def as_sentence(advice: str) -> str:
    return advice[0].upper() + advice[1:]
