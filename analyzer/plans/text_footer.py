"""What EXPLAIN's text format says below the steps, of the plan as a whole: times, settings, triggers, JIT."""

import re
from typing import Any

from analyzer.plans.text_values import WHOLE, LinePiece, set_property

FOOTER = re.compile(
    r"(?:Planning Time|Planning time|Execution Time|Execution time|Total runtime): [\d.]+ ms|Planning:|JIT(?: .*)?:"
    r"|Settings: .*|Query Identifier: -?\d+|Serialization: .*|Trigger .*: (?:time=[\d.]++ )?calls=\d+"
)
TRIGGER = re.compile(
    r"Trigger (?P<name>.+?)??(?: ?for constraint (?P<constraint>.+?))?(?: on (?P<relation>.+?))?:"
    r" (?:time=(?P<time>[\d.]+) )?calls=(?P<calls>\d+)"
)
SETTING = re.compile(r"([\w.]+) = '((?:[^']|'')*)'")
# of pg_overexplain; others would be lines of a node that lost their indentation
FIELD = re.compile(
    r"(?P<name>PlannedStmt|RTI \d+ \([\w, -]+\)):|(?P<list>Unprunable RTIs|Result RTIs): +(?P<value>\S.*)"
)
TIMES = {"Planning time": "Planning Time", "Execution time": "Execution Time", "Total runtime": "Total Runtime"}
PART_TIME = re.compile(r"(\w+) ([\d.]+) ms(?: \((\w+) ([\d.]+) ms\))?")
_OPTION = r"\w+ (?:true|false)"
# of a section's lines, those that are read in parts: whole, or a piece of one
WHOLE_LINES = {
    "Options": re.compile(rf"{_OPTION}(?:, {_OPTION})*"),
    "Timing": re.compile(rf"{PART_TIME.pattern}(?:, {PART_TIME.pattern})*, Total [\d.]+ ms"),
    "Memory": re.compile(r"\w+=\d+kB(?:\s+\w+=\d+kB)*"),
    "Settings": re.compile(rf"{SETTING.pattern}(?:, {SETTING.pattern})*"),
    "Serialization": re.compile(r"(?:time=[\d.]+ ms\s+)?output=\d+kB\s+format=(?:text|binary)"),
    "Functions": WHOLE,
}
SECTION_LINE = re.compile(r"[A-Z][\w /-]*: .*")


def read_footer(plan: dict[str, Any], line: str) -> dict[str, Any] | None:
    """Adds the line to the plan; where it opens a section, that: its lines follow."""
    key, _, value = line.partition(":")
    value = value.strip()
    _check_whole(key, value)
    if not value:
        key = "JIT" if key.startswith("JIT") else key
        section: dict[str, Any] = plan.setdefault(key, {})
        return section
    if match := TRIGGER.fullmatch(line):
        given = {"Trigger Name": match["name"], "Constraint Name": match["constraint"], "Relation": match["relation"]}
        trigger: dict[str, Any] = {name: text for name, text in given.items() if text}
        if match["time"]:
            trigger["Time"] = float(match["time"])
        trigger["Calls"] = int(match["calls"])
        plan.setdefault("Triggers", []).append(trigger)
    elif key == "Settings":
        plan[key] = {name: text.replace("''", "'") for name, text in SETTING.findall(value)}
    elif key == "Query Identifier" and WHOLE.fullmatch(value):
        plan[key] = int(value)
    elif key == "Serialization":
        return _serialization(plan, value)
    elif ms := re.fullmatch(r"([\d.]+) ms", value):
        plan[TIMES.get(key, key)] = float(ms[1])
    return None


def is_field(plan: dict[str, Any], line: str) -> bool:
    """Whether an extension printed it of the plan as a whole, and did not before: ``PlannedStmt:``."""
    match = FIELD.fullmatch(line)
    return match is not None and (match["name"] or match["list"]) not in plan


def read_field(plan: dict[str, Any], line: str) -> dict[str, Any] | None:
    """Adds the line to the plan; where it opens a section, that: its lines follow."""
    match = FIELD.fullmatch(line)
    assert match is not None
    if match["list"]:
        plan[match["list"]] = match["value"]
        return None
    section: dict[str, Any] = plan.setdefault(match["name"], {})
    return section


def _check_whole(key: str, value: str) -> None:
    if value and key in WHOLE_LINES and not WHOLE_LINES[key].fullmatch(value):
        raise LinePiece(value)


def _serialization(plan: dict[str, Any], value: str) -> dict[str, Any]:
    """``time=0.5 ms  output=3kB  format=text``, without the time if TIMING is off."""
    section: dict[str, Any] = {}
    for name, text in re.findall(r"(\w+)=(\S+)", value):
        if name == "time":
            section["Time"] = float(text)
        elif name == "output":
            section["Output Volume"] = int(text.removesuffix("kB"))
        else:
            section[name.title()] = text
    plan["Serialization"] = section
    return section


def read_section(section: dict[str, Any], line: str) -> None:
    """A line below ``Planning:``, ``JIT:`` or ``Serialization:``."""
    if not SECTION_LINE.fullmatch(line):
        raise LinePiece(line)
    key, _, value = line.partition(":")
    value = value.strip()
    _check_whole(key, value)
    if key == "Memory":
        section.update({f"Memory {name.title()}": int(kb) for name, kb in re.findall(r"(\w+)=(\d+)kB", value)})
    elif key == "Options":
        section[key] = {name: word == "true" for name, word in re.findall(r"(\w+) (true|false)", value)}
    elif key == "Timing":
        times: dict[str, Any] = {}
        for name, ms, part, part_ms in PART_TIME.findall(value):
            times[name] = {part: float(part_ms), "Total": float(ms)} if part else float(ms)
        section[key] = times
    elif key == "Functions" and WHOLE.fullmatch(value):
        section[key] = int(value)
    else:
        set_property(section, key, value)
