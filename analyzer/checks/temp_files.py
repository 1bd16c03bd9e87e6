"""What did not fit into memory: the temporary files it took, what they cost, and the work_mem that is enough."""

import math

from analyzer.checks.node import own_time_ms
from analyzer.findings import Fix
from analyzer.plans import Plan, PlanNode
from analyzer.words.sizes import MB, size_words

BLOCK_BYTES = 8192
# Cached files: 2 GB/s to write or read. Measured on 13 to 18: hash joins of 30 MB lose no more than that by spilling.
TEMP_BLOCK_MS = 0.004
MOST_WORK_MEM_BYTES = 1024 * MB  # judgement: each sort and hash of each session may take it
HASH_MEM_MULTIPLIER = 2.0  # the default from 15 on; 1 before


def temp_blocks(*nodes: PlanNode) -> int | None:
    """Blocks of temporary files the nodes themselves wrote and read; None without BUFFERS."""
    total = 0
    for node in nodes:
        blocks = node.exclusive_buffers
        if blocks is None or blocks.temp_written_blocks is None or blocks.temp_read_blocks is None:
            return None
        total += blocks.temp_written_blocks + blocks.temp_read_blocks
    return total


def temp_written_bytes(*nodes: PlanNode) -> int | None:
    """What the nodes themselves wrote into temporary files; None without BUFFERS."""
    written = [n.exclusive_buffers.temp_written_blocks if n.exclusive_buffers else None for n in nodes]
    known = [blocks for blocks in written if blocks is not None]
    return sum(known) * BLOCK_BYTES if len(known) == len(written) else None


def temp_time_ms(*nodes: PlanNode) -> float | None:
    """What writing and reading temporary files took of the nodes' own time.

    As measured (track_io_timing, from 15), or TEMP_BLOCK_MS a block where that is more: the kernel's copying and the
    rows' packing are not in the former. Never more than the own time; None where that is not known.
    """
    own_ms, blocks = own_time_ms(*nodes), temp_blocks(*nodes)
    if own_ms is None or blocks is None:
        return None
    measured_ms = 0.0
    for node in nodes:
        if node.exclusive_buffers is not None:
            measured_ms += node.exclusive_buffers.temp_read_time_ms or 0.0
            measured_ms += node.exclusive_buffers.temp_write_time_ms or 0.0
    processes = max((node.processes for node in nodes), default=1.0)
    return min(own_ms, max(measured_ms, blocks * TEMP_BLOCK_MS) / processes)


def hash_mem_multiplier(plan: Plan | None) -> float:
    """By which hash tables may exceed work_mem: as EXPLAIN's SETTINGS say, or 18's default, else 1 (13 and 14)."""
    if plan is None:
        return 1.0
    try:
        return max(1.0, float(plan.settings["hash_mem_multiplier"]))
    except (KeyError, ValueError):
        return HASH_MEM_MULTIPLIER if plan.root.rows_are_fractional else 1.0


def work_mem_bytes(needed_bytes: float, plan: Plan | None, *, is_hash: bool) -> int:
    """Whole megabytes of work_mem that hold ``needed_bytes``; not capped."""
    multiplier = hash_mem_multiplier(plan) if is_hash else 1.0
    return max(1, math.ceil(needed_bytes / multiplier / MB)) * MB


def work_mem_advice(work_mem: int) -> tuple[str, tuple[Fix, ...]]:
    """A sentence's end and the fix: with the cap where the value is above it."""
    if work_mem > MOST_WORK_MEM_BYTES:
        return (
            f"memory alone is no way out: it would take work_mem of about {size_words(work_mem)}, which every sort and"
            " hash of every session may use at once",
            (),
        )
    setting = f"SET LOCAL work_mem = '{work_mem // MB}MB';"
    return (
        f"give this statement more memory in its own transaction: {setting.rstrip(';')}",
        (Fix("More memory for this statement alone, inside its transaction", "sql", setting),),
    )
