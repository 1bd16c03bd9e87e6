"""EXPLAIN (FORMAT XML) to the values that its JSON format would hold.

Read by the standard library's expat, element by element: no document type is let in, so no entity can be declared, and
nothing is fetched. XML does not say what is a number, what a list: that follows from the fields' names.
"""

import re
from collections.abc import Sequence
from typing import Any
from xml.parsers import expat

from analyzer.plans.fields import LISTS, TEXTS, field_of_tag, figure
from analyzer.plans.node import PlanError
from analyzer.plans.table_cells import Line

STARTS = re.compile(r"\s*(?:<\?xml\b[^>]*\?>\s*)?<(?:\w+:)?explain\b")
ENDS = re.compile(r"</(?:\w+:)?explain\s*>\s*(.*)")
MAY_BREAK = re.compile(r"Filter|Cond|Key|Output|Query|Call|SQL|Order By|Run Condition|Parameters|Item|Source")


class _Element:
    """An open element: its text, or its members in order."""

    __slots__ = ("members", "tag", "text")

    def __init__(self, tag: str) -> None:
        self.tag, self.text = tag, [""]
        self.members: list[tuple[str, Any]] = []


def read_xml(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The entries of one ``<explain>`` that begins in the first line and ends in the last."""
    lines = _without_margins(lines)
    stack = [_Element("")]
    parser = expat.ParserCreate()

    def fail(why: str) -> PlanError:
        number = lines[min(parser.CurrentLineNumber, len(lines)) - 1].number
        return PlanError(f"Line {number} {why}; give EXPLAIN's output whole and unchanged, best as FORMAT JSON.")

    def refuse_type(*_: object) -> None:
        raise fail("declares a document type, which no plan has")

    def start(tag: str, _: object) -> None:
        stack.append(_Element(tag.rpartition(":")[2]))

    def end(_: str) -> None:
        element = stack.pop()
        value = _value(element, is_setting=any(above.tag == "Settings" for above in stack[-2:]))
        name = element.tag if stack[-1].tag == "Settings" else field_of_tag(element.tag)
        if isinstance(value, str) and "\n" in value and not MAY_BREAK.search(name):
            raise fail(f"breaks the value of {name}")
        stack[-1].members.append((name, value))

    def hear(text: str) -> None:
        stack[-1].text.append(text)

    parser.StartDoctypeDeclHandler = refuse_type
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, hear
    try:
        # without the declaration: its encoding was that of the file, which is text by now
        parser.Parse(re.sub(r"\A\s*<\?xml\b[^>]*\?>", "", "\n".join(line.text for line in lines)), True)
    except expat.ExpatError as problem:
        reason = expat.ErrorString(problem.code)
        raise fail(f"is not XML ({reason})") from problem
    entries: list[dict[str, Any]] = []
    beside: list[tuple[str, Any]] = []
    for name, value in _members(stack[0].members):
        if name == "Query":
            entries.append(value if isinstance(value, dict) else {})
        else:
            beside.append((name, value))
    return [*entries, *([dict(beside)] if beside or not entries else [])]  # auto_explain's has no <Query>


def _members(roots: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What stands in ``<explain>``, which kept its members' order as a list of pairs."""
    value = roots[0][1] if roots else []
    return value if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else []


def _value(element: _Element, *, is_setting: bool) -> Any:
    name = field_of_tag(element.tag)
    members = element.members
    if element.tag == "explain":
        return members
    if members:
        names = {each for each, _ in members}
        if name in LISTS or names <= {"Item", "Grouping Set"} or names == {name.removesuffix("s")} != {name}:
            return [value for _, value in members]
        return _object(members)
    text = "".join(element.text)
    if name in LISTS:
        return []
    if "\n" in text and not text.strip():  # a group without members, as auto_explain's Settings
        return {}
    if is_setting or name in TEXTS or element.tag == "Item":
        return text
    return figure(text)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    repeated: dict[str, list[Any]] = {}
    for name, value in members:
        if name == "Incremental Sort Groups":  # XML has one name for both kinds, and for memory and disk within
            name = "Pre-sorted Groups" if "Full-sort Groups" in made else "Full-sort Groups"
        elif name == "Sort Space" and "Group Count" in made:
            is_disk = "Sort Space Memory" in made or all("external" in m for m in made.get("Sort Methods Used", [""]))
            name = "Sort Space Disk" if is_disk else "Sort Space Memory"
        if name in made:
            made[name] = repeated.setdefault(name, [made[name]])  # a list of a kind we do not know
            repeated[name].append(value)
        else:
            made[name] = value
    return made


def _without_margins(lines: Sequence[Line]) -> Sequence[Line]:
    """A table indents the first line and pads it: so it did with the others, lines of a literal among them."""
    text = lines[0].text
    margin = text[: len(text) - len(text.lstrip(" "))]
    is_padded = text.endswith(" ")
    lines = [Line(line.number, line.text.removeprefix(margin)) for line in lines]
    return [Line(line.number, line.text.rstrip(" ")) for line in lines] if is_padded else lines
