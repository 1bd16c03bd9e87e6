"""What the lines below a node say in EXPLAIN's text format, to the fields that its JSON format has for it.

Text says less: a counter of 0 is left out, and rows keep their meaning.
"""

import re
from typing import Any

from analyzer.plans.buffers import BLOCK_FIELDS, PRINTED

LISTS = ("Output", "Sort Key", "Presorted Key", "Group Key")
WHOLE = re.compile(r"-?\d+")


def set_property(node: dict[str, Any], key: str, value: str) -> None:
    if key == "Buffers":
        _set_buffers(node, value)
    elif key == "I/O Timings":
        _set_io_times(node, value)
    elif key == "Sort Method":
        method, _, space = value.partition("  ")
        node[key] = method
        if found := re.match(r"(Memory|Disk): (\d+)kB", space.strip()):
            node["Sort Space Type"], node["Sort Space Used"] = found[1], int(found[2])
    elif key == "Heap Blocks":
        for kind, blocks in re.findall(r"(exact|lossy)=(\d+)", value):
            node[f"{kind.title()} Heap Blocks"] = int(blocks)
    elif key in LISTS:
        node[key] = split_list(value)
    elif re.match(r"\d+(?: \(originally \d+\))?(  |$)", value):  # "Buckets: 1024  Batches: 1  Memory Usage: 40kB"
        for part in re.split(r"  +", f"{key}: {value}"):
            name, _, number = part.partition(": ")
            if found := re.match(r"(\d+)(?:kB)?", number):
                node[f"Hash {name}" if name in ("Buckets", "Batches") else name] = int(found[1])
    else:
        node[key] = value


def _set_buffers(into: dict[str, Any], value: str) -> None:
    """``shared hit=3 read=1, temp written=2``"""
    for part in value.split(", "):
        kind, _, counters = part.strip().partition(" ")
        for name, blocks in re.findall(r"(\w+)=(-?\d+)", counters):
            into[f"{kind.title()} {name.title()} Blocks"] = int(blocks)


def _set_io_times(into: dict[str, Any], value: str) -> None:
    """To 14 ``read=0.1``; 15 and 16 ``shared/local read=0.1, temp read=0.2``; from 17 ``shared read=0.1``."""
    for part in value.split(", "):
        kind = re.match(r"(shared/local|shared|local|temp) ", part)
        prefix = f"{kind[1].title()} " if kind and kind[1] != "shared/local" else ""
        for name, ms in re.findall(r"(\w+)=([\d.]+)", part):
            into[f"{prefix}I/O {name.title()} Time"] = float(ms)


def split_list(value: str) -> list[str]:
    """Apart at commas that stand in no brackets and no quotes."""
    parts, start, depth, quote = [], 0, 0, ""
    for at, char in enumerate(value):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(value[start:at].strip())
            start = at + 1
    return [*parts, value[start:].strip()]


def fill_zeros(plan: dict[str, Any]) -> None:
    """Text leaves out counters of 0: where one node has counters, all that ran have them all."""
    nodes, waiting = [], [plan["Plan"]]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting.extend(node.get("Plans", ()))
    names = [PRINTED[counter][0] for counter in BLOCK_FIELDS]
    if any(name in node for node in nodes for name in names):
        for node in nodes:
            for name in names:
                node.setdefault(name, 0)
    for node in nodes:
        if "Filter" in node and "Actual Rows" in node:
            node.setdefault("Rows Removed by Filter", 0)
        for key in [
            key for key in node if key.startswith(("Rows Removed", "Workers", "Heap Fetches", "Index Searches"))
        ]:
            if isinstance(node[key], str) and WHOLE.fullmatch(node[key]):
                node[key] = int(node[key])
