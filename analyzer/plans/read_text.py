"""EXPLAIN's text format, as people paste it from psql or a log, to the values its JSON format would hold.

Text says less: a counter of 0 is left out, rows keep their meaning, and a literal with a line break can hide a
line. Good for reading a plan; what is stored comes from JSON.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from analyzer.plans.buffers import BLOCK_FIELDS, PRINTED
from analyzer.plans.node_line import NODE_FIGURES, node_head, relationship

ARROW = re.compile(r"\s*(->)\s+(.*)")
SUBPLAN = re.compile(r"((?:InitPlan|SubPlan) \d+.*|CTE .+)")
PROPERTY = re.compile(r"([A-Z][\w /-]*?):\s+(.*)|([A-Z][\w /-]*?):")
BORDER = re.compile(r"QUERY PLAN|[-+|=\s]*|\(\d+ rows?\)")
TRIGGER = re.compile(
    r"Trigger (?:(?P<name>.+?) )??(?:for constraint (?P<constraint>.+?))?(?: on (?P<relation>.+?))?:"
    r" (?:time=(?P<time>[\d.]+) )?calls=(?P<calls>\d+)"
)
SETTING = re.compile(r"([\w.]+) = '((?:[^']|'')*)'")
FOOTER = (
    "Planning",
    "Execution Time",
    "Trigger",
    "JIT",
    "Settings",
    "Query Identifier",
    "Serialization",
    "Total runtime",
)
LISTS = ("Output", "Sort Key", "Presorted Key", "Group Key")
WHOLE = re.compile(r"-?\d+")


@dataclass
class _Reader:
    plans: list[dict[str, Any]] = field(default_factory=list)
    open: list[tuple[int, dict[str, Any], str | None]] = field(default_factory=list)  # column, node, subplan's name
    root_column: int = 0
    last: tuple[dict[str, Any], str] | None = None  # the property a broken line goes on with
    section: str | None = None  # Planning, JIT: their lines follow, indented


def looks_like_text(text: str) -> bool:
    """Whether some line is a node with its figures, as no JSON has."""
    return not text.lstrip("\ufeff \t\r\n").startswith(("[", "{", '"')) and any(
        NODE_FIGURES.search(line.rstrip(" |\r")) for line in text.splitlines()
    )


def read_text(text: str) -> list[dict[str, Any]]:
    """Entries like those of EXPLAIN (FORMAT JSON)."""
    reader = _Reader()
    for line in text.lstrip("\ufeff").expandtabs().splitlines():
        line = re.sub(r"\s*\|\s*$", "", re.sub(r"^\|", "", line)).rstrip()
        if line.strip() and not BORDER.fullmatch(line.strip()):
            _read_line(reader, line)
    for plan in reader.plans:
        _fill_zeros(plan)
    return reader.plans


def _read_line(reader: _Reader, line: str) -> None:
    column, stripped = len(line) - len(line.lstrip()), line.strip()
    arrow = ARROW.fullmatch(line)
    if arrow or (NODE_FIGURES.search(stripped) and (not reader.plans or column <= reader.root_column)):
        _open_node(reader, arrow[2] if arrow else stripped, column, is_root=not arrow)
    elif not reader.plans:
        return  # what stands before the plan: a log line, the statement
    elif column <= reader.root_column and stripped.startswith(FOOTER):
        _read_footer(reader, stripped)
    elif reader.section:
        _read_section(reader, stripped)
    elif SUBPLAN.fullmatch(stripped) and (owner := _owner(reader, column)) is not None:
        reader.open.append((column, owner, stripped))
    elif (found := PROPERTY.fullmatch(stripped)) and (node := _owner(reader, column)) is not None:
        key, value = found[1] or found[3], found[2] or ""
        _set_property(node, key, value)
        reader.last = (node, key)
    elif reader.last is not None:
        node, key = reader.last
        if isinstance(node.get(key), str):
            node[key] += f"\n{stripped}"


def _open_node(reader: _Reader, text: str, column: int, *, is_root: bool) -> None:
    node = node_head(text)
    if is_root:
        reader.plans.append({"Plan": node})
        reader.open, reader.root_column, reader.section = [], column, None
    else:
        while len(reader.open) > 1 and reader.open[-1][0] >= column:
            reader.open.pop()
        if not reader.open:
            return
        _, parent, subplan = reader.open[-1]
        relationship(node, parent, subplan)
        parent.setdefault("Plans", []).append(node)
    reader.open.append((column, node, None))
    reader.last = None


def _owner(reader: _Reader, column: int) -> dict[str, Any] | None:
    """The node a property or subplan at ``column`` belongs to."""
    while len(reader.open) > 1 and (reader.open[-1][0] >= column or reader.open[-1][2] is not None):
        reader.open.pop()
    return reader.open[-1][1] if reader.open else None


def _set_property(node: dict[str, Any], key: str, value: str) -> None:
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


def _read_footer(reader: _Reader, line: str) -> None:
    plan = reader.plans[-1]
    key, _, value = line.partition(":")
    value = value.strip()
    reader.section, reader.last = (key if key in ("Planning", "JIT") and not value else None), None
    if reader.section:
        plan[key] = {}
    elif found := TRIGGER.fullmatch(line):
        given = {"Trigger Name": found["name"], "Constraint Name": found["constraint"], "Relation": found["relation"]}
        trigger: dict[str, Any] = {name: text for name, text in given.items() if text}
        trigger["Calls"] = int(found["calls"])
        if found["time"]:
            trigger["Time"] = float(found["time"])
        plan.setdefault("Triggers", []).append(trigger)
    elif key == "Settings":
        plan[key] = {name: text.replace("''", "'") for name, text in SETTING.findall(value)}
    elif key == "Query Identifier" and WHOLE.fullmatch(value):
        plan[key] = int(value)
    elif key == "Serialization" and (ms := re.search(r"time=([\d.]+) ms", value)):
        plan[key] = {"Time": float(ms[1])}
    elif key in ("Planning Time", "Execution Time") and (ms := re.fullmatch(r"([\d.]+) ms", value)):
        plan[key] = float(ms[1])


def _read_section(reader: _Reader, line: str) -> None:
    plan, (key, _, value) = reader.plans[-1], line.partition(":")
    if reader.section == "Planning":
        _set_property(plan["Planning"], key, value.strip())
    elif key == "Timing" and (total := re.search(r"Total ([\d.]+) ms", value)):
        plan["JIT"]["Timing"] = {"Total": float(total[1])}


def _fill_zeros(plan: dict[str, Any]) -> None:
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
