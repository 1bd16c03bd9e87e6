"""How much work_mem a node would need, as a setting to copy for one transaction."""

import math
import re

from analyzer.findings import Fix
from analyzer.plans import PlanNode
from analyzer.words.sizes import MB

SORT_FACTOR = 2.5  # memory / temporary file; measured: 0.7 to 2.2 for six tables of 300,000 rows on PostgreSQL 18
# Bytes of a group in a hash table beside its columns; measured on 13 and 18: 50 to 210 for keys, counts and max, 370 to
# 420 with a sum of numeric, whose state lies outside of the row.
GROUP_BYTES, STATEFUL_GROUP_BYTES = 220, 460
STATEFUL = re.compile(r"\b(?!(?:count|min|max|bool_and|bool_or|every)\()\w+\(")
MORE = 1.2  # judgement: what spilled did not fit into its peak
MOST = 1024 * MB  # judgement: more for one node of one session is a matter of the whole server


def more_work_mem(needed_bytes: float) -> tuple[str, Fix]:
    """What to set, "52MB", and the statement; at most 1 GB, which is then said."""
    mb = max(1, math.ceil(min(needed_bytes, MOST) / MB))
    capped = " (1 GB is the most suggested here; it would need more)" if needed_bytes > MOST else ""
    return f"{mb}MB", Fix(
        f"More memory for this statement alone, in its own transaction{capped}",
        "sql",
        f"SET LOCAL work_mem = '{mb}MB';",
    )


def spilled_ratio(node: PlanNode) -> float:
    """Of a hashed Aggregate: its temporary files as a share of files and memory, 0 to 1."""
    spilled = [table for table in node.hash_aggregates if table.disk_bytes]
    disk = sum(table.disk_bytes for table in spilled)
    return disk / (disk + sum(table.peak_memory_bytes or 0 for table in spilled)) if disk else 0.0


def hash_bytes_needed(node: PlanNode, groups: float) -> float:
    """At most what a hash table of ``groups`` takes, by their width; of one that spilled, its batches tell more."""
    output = node.raw.get("Output")
    texts = [*map(str, output), node.filter or ""] if isinstance(output, list) else None
    is_plain = texts is not None and not any(STATEFUL.search(text) for text in texts)
    needed = groups * ((node.plan_width_bytes or 0) + (GROUP_BYTES if is_plain else STATEFUL_GROUP_BYTES))
    for table in node.hash_aggregates:
        if table.batches > 1 and table.peak_memory_bytes:
            needed = min(max(needed, table.peak_memory_bytes * MORE), table.peak_memory_bytes * table.batches)
    return needed
