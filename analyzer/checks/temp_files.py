"""What did not fit into memory: the temporary files it took, and what they cost."""

from analyzer.checks.node import own_time_ms
from analyzer.plans import PlanNode
from analyzer.schema.page_layout import PAGE_BYTES

# Cached files: 2 GB/s to write or read. Measured on 13 to 18: hash joins of 30 MB lose no more than that by spilling.
TEMP_BLOCK_MS = 0.004


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
    return sum(known) * PAGE_BYTES if len(known) == len(written) else None


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
