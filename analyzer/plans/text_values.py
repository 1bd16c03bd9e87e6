"""What the lines below a node say in EXPLAIN's text format, to the fields that its JSON format has for it.

Text says less: a counter of 0 is left out, and so is what is the usual case. Sources: the ``show_`` functions of
PostgreSQL's explain.c, 9.0 to 18.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from analyzer.plans.buffers import BLOCK_FIELDS, PRINTED

LISTS = ("Output", "Sort Key", "Presorted Key", "Group Key", "Conflict Arbiter Indexes", "Params Evaluated")
GROUPINGS = ("Group Key", "Hash Key", "Sort Key")  # of an Aggregate, once for each grouping set
KEPT = "keys, in order"  # of an Aggregate, until all of them are read
COUNTS = (
    "Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck",
    "Rows Removed by Conflict Filter", "Workers Planned", "Workers Launched", "Heap Fetches", "Index Searches",
    "Subplans Removed", "Conflicting Tuples", "Tuples Inserted", "Task Count",
)  # fmt: skip
SWITCHES = ("Inner Unique", "Single Copy", "Disabled", "Parallel Aware", "Async Capable")
WHOLE = re.compile(r"-?\d+")
SIZES = re.compile(r"(?P<name>[A-Z][A-Za-z -]*): (?P<value>\d+)(?:kB)?(?: \(originally (?P<first>\d+)\))?(?: +|$)")
SPACE = re.compile(r"(Average|Peak) (Memory|Disk): (\d+)kB")
SORTED = re.compile(
    r"(\d+)(?: +(?:Presorted )?Sort Methods?: (?P<methods>[\w-]++(?:,? [\w-]++)*?))?"
    rf"(?P<spaces>(?: +{SPACE.pattern})*)"
)
WORKER = re.compile(r"Worker (\d+)")
WORKER_RUN = re.compile(
    r"actual (?:time=(?P<first>\d*+(?:\.\d++)*+)\.\.(?P<last>[\d.]++) )?rows=(?P<got>[\d.]++) loops=(?P<loops>\d+)"
)
COUNTER = re.compile(r"(\w+)=(-?\d+)")
_COUNTER = r"(?:shared|local|temp)(?: \w+=-?\d+)+"
COUNTERS = re.compile(rf"{_COUNTER}(?:, {_COUNTER})*")
_IO_TIME = r"(?:(?:shared/local|shared|local|temp) )?\w+=[\d.]+(?: \w+=[\d.]+)*"
IO_TIMES = re.compile(rf"{_IO_TIME}(?:, {_IO_TIME})*")
WAL = re.compile(r"\w+(?: full)?=\d+(?: \w+(?: full)?=\d+)*")
HEAP_BLOCKS = re.compile(r"(?:exact|lossy)=\d+(?: (?:exact|lossy)=\d+)*")
SORT_SPACE = re.compile(r"(Memory|Disk): (\d+)kB")
# two spaces stand before the rest, of which a page leaves one
SPACED = re.compile(r"(?P<first>.*?)(?:  +| +(?=(?:Memory|Disk|Maximum Storage): ))(?P<rest>.+)", re.DOTALL)
SAMPLING = re.compile(r"(\S+) \((.*?)\)(?: REPEATABLE \((.*)\))?")
OF_HASH = {"Buckets": "Hash Buckets", "Batches": "Hash Batches", "Memory Usage": "Peak Memory Usage"}
OF_OTHERS = {
    "Batches": "HashAgg Batches", "Memory Usage": "Peak Memory Usage", "Peak Memory Usage": "Peak Memory Usage",
    **{name: f"Cache {name}" for name in ("Hits", "Misses", "Evictions", "Overflows")},
}  # fmt: skip
IO_NAMES = [PRINTED[name] for name in PRINTED if name.endswith("_ms")]
WAL_NAMES = ("WAL Records", "WAL FPI", "WAL Bytes")


class LinePiece(ValueError):
    """A line that PostgreSQL would not print so: a piece of one."""


def set_property(node: dict[str, Any], key: str, value: str) -> None:
    """Adds to ``node`` (or to one of its workers) what the line ``key: value`` says."""
    if key == "Buffers":
        _set_counters(node, value)
    elif key == "I/O Timings":
        _set_io_times(node, value)
    elif key == "WAL":
        _whole(WAL, value)
        for name, number in re.findall(r"(\w+(?: full)?)=(\d+)", value):
            node[f"WAL {name.upper() if name == 'fpi' else name.title()}"] = int(number)
    elif key == "Tuples":
        node.update({f"Tuples {name}": 0 for name in ("Inserted", "Updated", "Deleted", "Skipped")})
        node.update({f"Tuples {name.title()}": int(rows) for name, rows in re.findall(r"(\w+)=(\d+)", value)})
    elif key == "Heap Blocks":
        _whole(HEAP_BLOCKS, value)
        node.update({"Exact Heap Blocks": 0, "Lossy Heap Blocks": 0})
        node.update({f"{kind.title()} Heap Blocks": int(n) for kind, n in re.findall(r"(exact|lossy)=(\d+)", value)})
    elif key == "Sort Method":
        node[key], space = _apart(value)
        if space:
            used = _whole(SORT_SPACE, space)
            node["Sort Space Type"], node["Sort Space Used"] = used[1], int(used[2])
    elif key in ("Full-sort Groups", "Pre-sorted Groups") and (sorted_groups := SORTED.fullmatch(value)):
        node[key] = _groups(sorted_groups)
    elif key == "Storage":
        node[key], most = _apart(value)
        if match := re.fullmatch(r"Maximum Storage: (\d+)kB", most):
            node["Maximum Storage"] = int(match[1])
    elif key == "Sampling" and (match := SAMPLING.fullmatch(value)):
        node.update({"Sampling Method": match[1], "Sampling Parameters": split_list(match[2]) if match[2] else []})
        if match[3]:
            node["Repeatable Seed"] = match[3]
    elif key in GROUPINGS and node.get("Node Type") == "Aggregate":
        node.setdefault(KEPT, []).append((key, [] if value == "()" else split_list(value)))
    elif key in LISTS:
        node[key] = split_list(value)
    elif key in COUNTS:
        node[key] = int(_whole(WHOLE, value)[0])
    elif key in SWITCHES and value in ("true", "false"):
        node[key] = value == "true"
    elif parts := _sizes(f"{key}: {value}"):
        names = OF_HASH if node.get("Node Type") == "Hash" or "Buckets" in f"{key}{value}" else OF_OTHERS
        for match in parts:
            node[names.get(match["name"], match["name"])] = int(match["value"])
            if names is OF_HASH and match["name"] in ("Buckets", "Batches"):
                node[f"Original {names[match['name']]}"] = int(match["first"] or match["value"])
        if names is OF_OTHERS and "HashAgg Batches" in node:
            node.setdefault("Disk Usage", 0)
    else:
        node[key] = value


def _whole(pattern: re.Pattern[str], value: str) -> re.Match[str]:
    match = pattern.fullmatch(value)
    if match is None:
        raise LinePiece(value)
    return match


def _sizes(line: str) -> list[re.Match[str]]:
    """``Buckets: 1024  Batches: 1  Memory Usage: 40kB``, of two parts or more or with a unit; else nothing."""
    parts, at = [], 0
    while part := SIZES.match(line, at):
        parts.append(part)
        at = part.end()
    return parts if at == len(line) and (len(parts) > 1 or line.endswith("kB")) else []


def _apart(value: str) -> tuple[str, str]:
    """``quicksort  Memory: 25kB`` -> the method and the space; "" for none."""
    match = SPACED.fullmatch(value)
    return (match["first"], match["rest"].strip()) if match else (value, "")


def _groups(match: re.Match[str]) -> dict[str, Any]:
    group: dict[str, Any] = {"Group Count": int(match[1])}
    if match["methods"]:
        group["Sort Methods Used"] = split_list(match["methods"])
    for which, kind, size in SPACE.findall(match["spaces"]):
        group.setdefault(f"Sort Space {kind}", {})[f"{which} Sort Space Used"] = int(size)
    return group


def _set_counters(into: dict[str, Any], value: str) -> None:
    """``shared hit=3 read=1, temp written=2``"""
    _whole(COUNTERS, value)
    for part in value.split(", "):
        kind, _, counters = part.strip().partition(" ")
        for name, blocks in COUNTER.findall(counters):
            into[_counter_name(kind, name)] = int(blocks)


@lru_cache(maxsize=64)
def _counter_name(kind: str, name: str) -> str:
    return f"{kind.title()} {name.title()} Blocks"


def _set_io_times(into: dict[str, Any], value: str) -> None:
    """To 14 ``read=0.1``; 15 and 16 ``shared/local read=0.1, temp read=0.2``; from 17 ``shared read=0.1``."""
    _whole(IO_TIMES, value)
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


def set_worker_run(worker: dict[str, Any], value: str) -> bool:
    """``actual time=0.1..0.2 rows=3 loops=1`` behind a worker's number; whether it is that."""
    match = WORKER_RUN.fullmatch(value)
    if match:
        if match["last"]:
            worker.update({"Actual Startup Time": float(match["first"]), "Actual Total Time": float(match["last"])})
        rows = match["got"]
        worker.update({"Actual Rows": float(rows) if "." in rows else int(rows), "Actual Loops": int(match["loops"])})
    return match is not None


def fill_up(plan: dict[str, Any]) -> None:
    """Adds what text leaves out: counters of 0 where other nodes have them, and what is so unless it says otherwise."""
    nodes = list(_nodes(plan["Plan"]))
    sections = [part for part in (plan.get("Planning"), plan.get("Serialization")) if part]
    blocks = [PRINTED[counter][0] for counter in BLOCK_FIELDS]
    times = [name for pair in IO_NAMES for name in pair if any(name in each for each in (*nodes, *sections))]
    times += [name.replace("Read", "Write") if "Read" in name else name.replace("Write", "Read") for name in times]
    for names, zero in ((blocks, 0), (times, 0.0), (WAL_NAMES, 0)):
        if any(name in node for node in nodes for name in names):
            for node in nodes:
                node.update({name: zero for name in names if name not in node})
        for section in sections:
            if any(name in section for name in blocks):
                section.update({name: zero for name in names if name not in section and names is not WAL_NAMES})
    has_times = "Actual Total Time" in plan["Plan"]
    for node in nodes:
        if "Filter" in node and "Actual Rows" in node:
            node.setdefault("Rows Removed by Filter", 0)
        if has_times and node.get("Actual Loops") == 0:
            node.update({"Actual Startup Time": 0.0, "Actual Total Time": 0.0})
        node.setdefault("Parallel Aware", False)
        if node["Node Type"] in ("Index Scan", "Index Only Scan"):
            node.setdefault("Scan Direction", "Forward")
        if node["Node Type"] == "Aggregate":
            node.setdefault("Partial Mode", "Simple")
            _set_grouping(node)


def _nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.get("Plans", ()))


def _set_grouping(node: dict[str, Any]) -> None:
    """The keys of an Aggregate: one list, or grouping sets where there are several or an empty one."""
    groupings: list[tuple[str, list[str]]] = node.pop(KEPT, [])
    if len(groupings) == 1 and groupings[0][0] == "Group Key" and groupings[0][1]:
        node["Group Key"] = groupings[0][1]
        return
    sets: list[dict[str, Any]] = []
    for kind, keys in groupings:
        if kind == "Hash Key":
            sets.append({"Hash Keys": [keys]})
        elif kind == "Sort Key":
            sets.append({"Sort Key": keys, "Group Keys": []})
        elif sets and "Group Keys" in sets[-1]:
            sets[-1]["Group Keys"].append(keys)
        else:
            sets.append({"Group Keys": [keys]})
    if sets:
        node["Grouping Sets"] = sets
