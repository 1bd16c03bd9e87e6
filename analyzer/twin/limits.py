"""What one statement may take on the twin, whatever it is: planning evaluates functions, and those may be hostile."""

import json
import re
from collections.abc import Mapping
from typing import Any

from analyzer.advice.planner import Refused
from analyzer.words.sizes import MB, size_words

TIMEOUT_MS = 10_000  # judgement: what takes longer to plan than this is not worth waiting for
# Beyond the timeout. Judgement: a busy machine needs a moment to hear a cancel, and another to end a session.
TERMINATE_AFTER_S, KILL_AFTER_S = 1.0, 3.0
# Of address space, for each process. Measured: 60 MB for a session that has just begun, 268 MB to plan a join of three
# tables of 2,000 partitions each; 16 MB of it are shared.
MEMORY_LIMIT_BYTES, MEMORY_LIMIT = 1 << 30, "1 GB"
# For each process as a whole, should nobody be left to end it. Measured: an advice for 1,000 statements takes 308 s.
CPU_LIMIT_S = 3600
# Of EXPLAIN's JSON. Measured: a join of three tables of 2,000 partitions each has 6,010 nodes in 4.3 MB, and takes
# 13 MB to read.
MOST_PLAN_BYTES = 8 * MB
MOST_NODES = 10_000
MOST_LEVELS = 200  # judgement; Python's own reader of JSON gives up at about 490

_NODE = re.compile(r'^ *(?="Node Type": )', re.MULTILINE)
_INDENT = 4  # EXPLAIN indents a node by as much more than the one above it


def read_plan(text: str | None, size_bytes: int) -> Mapping[str, Any] | Refused:
    """The one object of EXPLAIN (FORMAT JSON); ``text`` is None where the session kept it back for its size."""
    if text is None:
        return Refused(
            f"Its plan is too large: {size_words(size_bytes)}, where {size_words(MOST_PLAN_BYTES)} can be read."
        )
    # a quotation mark inside a string is escaped, so these are keys
    indents = [match.end() - match.start() for match in _NODE.finditer(text)]
    if len(indents) > MOST_NODES:
        return Refused(f"Its plan has {len(indents):,} nodes, where {MOST_NODES:,} can be read.")
    if max(indents, default=0) > MOST_LEVELS * _INDENT:
        return Refused(f"Its plan is nested more than {MOST_LEVELS} levels deep.")
    plan: Mapping[str, Any] = json.loads(text)[0]
    return plan
