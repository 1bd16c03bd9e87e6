"""EXPLAIN's text format, as people paste it from psql, a mail or a log, to the values its JSON format would hold.

Every line of a plan is understood or refused by its number: a line passed over could be half of the tree. Around a
plan stands what it may, as long as no line of it looks like a part of one. What is stored comes from JSON.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any

from analyzer.plans.lost_indentation import indented
from analyzer.plans.node import PlanError, raw_inputs
from analyzer.plans.node_line import NAME, NODE_FIGURES, node_head, relationship, unquoted
from analyzer.plans.node_types import INPUTS, MANY
from analyzer.plans.plain_lines import ARROW, FIGURES
from analyzer.plans.table_cells import Line
from analyzer.plans.text_footer import FOOTER, is_field, read_field, read_footer, read_section
from analyzer.plans.text_pending import Pending
from analyzer.plans.text_values import WORKER, LinePiece, fill_up, set_property, set_worker_run
from analyzer.plans.wrapped import unwrapped, width_of

ARROW_LINE = re.compile(rf"(\s*)({ARROW})\s+(.*)")
# with a name in 19, without a number to 8.4
SUBPLAN = re.compile(r"(?:InitPlan|SubPlan)(?: (?:\d+|\w+_\d+)(?: \(returns .*\))?)?|CTE .+")
PROPERTY = re.compile(r"([A-Z][\w /-]*?):(?:\s+(.*))?")
# Outside a plan these would be a part of one that was lost.
PART = re.compile(
    rf"^{ARROW}\s|(?<!\w)(?:Filter|(?:Index|Recheck|Hash|Merge|TID) Cond|One-Time Filter|Rows Removed by \w+"
    r"|Sort Key|Sort Method|Group Key|Buffers|Heap Fetches|Heap Blocks|I/O Timings|Workers (?:Planned"
    r"|Launched)|Buckets|(?:Planning|Execution) Time|Total runtime): |^(?:Planning|JIT|Settings):|^InitPlan \d"
    r"|^Trigger (?:for constraint\b|\S+ (?:on|for)\b|\S+: )"
)
TARGET = re.compile(rf"(?:Foreign )?(?:Insert|Update|Delete|Merge) on (?:({NAME})\.)?({NAME})(?: ({NAME}))?")
# of a node's values, those that are read off other lines
OF_OTHER_LINES = frozenset({
    "Plan", "Plans", "Workers", "Node Type", "Parent Relationship", "Target Tables", "Schema", "Relation Name", "Alias",
})  # fmt: skip
TASK = "Task"  # of Citus: what one of its nodes runs, whose plan stands below with its own footer
PATHS = ("Foreign File", "Foreign Program")  # hold quotes and brackets that belong to nobody
TOP_STEP, STEP = 2, 6  # columns, as PostgreSQL indents
MOST_PIECES = 4  # of a node's line that a mail or a window broke


@dataclass
class _Open:
    """A node that lines below may belong to; ``subplan`` where its line only names what hangs below."""

    column: int
    node: dict[str, Any]
    number: int
    subplan: str | None = None
    inputs_column: int | None = None


@dataclass
class _Reader:
    lines: Sequence[Line]
    has_figures: bool
    width: int  # of the window, if there was one
    plans: list[dict[str, Any]] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    subplans: list[_Open] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)  # id of a node -> its line
    pending: Pending | None = None
    section: tuple[dict[str, Any], int] | None = None  # of Planning, JIT: their lines follow, indented deeper
    column: int = 0  # of the last plan's top
    step: int | None = None  # columns from a step's arrow to those of its inputs
    worker: tuple[dict[str, Any], int] | None = None  # its lines follow, too
    is_ended: bool = True  # by an empty line or a footer: another plan may begin, or words stand


def read_text(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Entries like those of EXPLAIN (FORMAT JSON), none where no line is a node; PlanError names the line."""
    lines = indented([Line(line.number, _indent(line.text) + line.text.strip()) for line in unwrapped(lines)])
    reader = _Reader(lines, any(NODE_FIGURES.search(line.text) for line in lines), width_of(lines))
    at = 0
    while at < len(lines):
        try:
            at += _read_line(reader, at)
        except ValueError as problem:  # of a number: 1.2.3, or more digits than Python reads
            is_piece = isinstance(problem, LinePiece)
            why = "is only a piece of what PostgreSQL prints there" if is_piece else "has a figure that is no number"
            raise _refused(lines[at].number, why) from problem
    if reader.pending:
        raise _refused(reader.pending.number, "has a bracket or a quote that is never closed: the plan seems cut off")
    for subplan in reader.subplans:
        if subplan.inputs_column is None:
            raise _refused(subplan.number, "names a subplan whose steps are missing")
    for plan in reader.plans:
        _check_inputs(reader, plan["Plan"])
        fill_up(plan)
    return reader.plans


def _indent(text: str) -> str:
    """A line's indentation with spaces for tabs; tabs in a literal stay."""
    return text[: len(text) - len(text.lstrip())].expandtabs()


def _refused(number: int, why: str) -> PlanError:
    return PlanError(f"Line {number} {why}; give EXPLAIN's output whole and unchanged, best as FORMAT JSON.")


def _read_line(reader: _Reader, at: int) -> int:
    """How many lines were read."""
    line = reader.lines[at]
    column, stripped = len(line.text) - len(line.text.lstrip()), line.text.strip()
    if not stripped:
        reader.is_ended = True
        return 1
    if reader.pending:
        if reader.pending.is_in_brackets and _is_node(reader, stripped):
            raise _refused(reader.pending.number, "has a bracket that is never closed")
        _go_on(reader, at, stripped)
        return 1
    arrow = ARROW_LINE.fullmatch(line.text)
    is_top = reader.is_ended and (not reader.open or column <= reader.open[0].column)
    looks_like_root = not arrow and (FIGURES.search(stripped) is not None or (not reader.has_figures and is_top))
    if arrow or looks_like_root:
        node, pieces = _node_of(reader, at, arrow[3] if arrow else stripped)
        if node is not None:
            reader.numbers[id(node)] = line.number
            (_open_node if arrow else _open_root)(reader, node, line.number, column)
            return pieces
        if FIGURES.search(stripped) or (arrow and reader.plans):  # no words
            why = "looks like a step of a plan, and is none that PostgreSQL prints or only a piece of one"
            raise _refused(line.number, why)
    if reader.plans and (_read_detail(reader, line.number, column, stripped) or _read_field(reader, at, column)):
        return 1
    is_step = " on " in stripped and node_head(stripped) is not None
    if is_step or PART.search(stripped):
        raise _refused(line.number, "belongs to a plan whose other lines could not be read")
    if reader.plans and (not reader.is_ended or _breaks_off(reader, at - 1)):
        raise _refused(line.number, "is no line of a plan")
    reader.is_ended = reader.has_figures  # words; without figures a plan begins behind an empty line
    return 1


def _is_node(reader: _Reader, stripped: str) -> bool:
    return bool(ARROW_LINE.fullmatch(stripped) and (FIGURES.search(stripped) or not reader.has_figures))


def _breaks_off(reader: _Reader, at: int) -> bool:
    """Whether a terminal may have broken that line: it is as long as the longest."""
    return at >= 0 and bool(reader.lines[at].text) and len(reader.lines[at].text) >= reader.width


def _node_of(reader: _Reader, at: int, text: str) -> tuple[dict[str, Any] | None, int]:
    """The node of a line and how many lines it takes: a narrow window breaks it between words or within one."""
    readings, taken, following = [text], 1, at + 1
    whole: tuple[dict[str, Any] | None, int] = (None, 1)
    while True:
        nodes = _nodes(reader, readings)
        if len(nodes) > 1:
            raise _refused(reader.lines[at].number, "is broken where it can be read in two ways")
        if nodes:
            whole = (nodes[0], taken)
        while following < len(reader.lines) and not reader.lines[following].text.strip() and not nodes:
            following += 1
        if following >= len(reader.lines) or taken > MOST_PIECES:
            return whole
        piece = reader.lines[following].text.strip()
        goes_on = piece.startswith(("(actual ", "(never executed)")) if nodes else not _stands_alone(reader, piece)
        if not goes_on or (nodes and "(actual " in readings[0]):
            return whole
        joints = (" ", "") if _breaks_off(reader, following - 1) else (" ",)
        readings = [reading + joint + piece for reading in readings for joint in joints][:16]
        following += 1
        taken = following - at


def _nodes(reader: _Reader, readings: Sequence[str]) -> list[dict[str, Any]]:
    """What the readings are, each node once."""
    nodes: list[dict[str, Any]] = []
    for reading in readings:
        if NODE_FIGURES.search(reading) or not reader.has_figures or reading == TASK:
            node = node_head(reading) if reading != TASK else {"Node Type": TASK}
            if node is not None and node not in nodes:
                nodes.append(node)
    return nodes


def _stands_alone(reader: _Reader, piece: str) -> bool:
    return bool(ARROW_LINE.fullmatch(piece) or FOOTER.fullmatch(piece) or PROPERTY.fullmatch(piece) or not piece)


def _open_root(reader: _Reader, node: dict[str, Any], number: int, column: int) -> None:
    if reader.plans and not reader.is_ended:
        raise _refused(number, "begins a second plan inside the first: its indentation is lost")
    reader.plans.append({"Plan": node})
    reader.open, reader.section, reader.step = [_Open(column, node, number)], None, None
    reader.column = column
    reader.worker, reader.is_ended = None, False


def _open_node(reader: _Reader, node: dict[str, Any], number: int, column: int) -> None:
    if not reader.open:
        raise _refused(number, "is a lower step of a plan whose top is missing")
    while len(reader.open) > 1 and reader.open[-1].column >= column:
        reader.open.pop()
    above = reader.open[-1]
    if reader.section and column <= reader.section[1]:
        reader.section = None
    if above.inputs_column not in (None, column) or not _is_step(reader, above, column) or reader.section:
        raise _refused(number, "is indented like none of the steps around it")
    above.inputs_column = column
    relationship(node, above.node, above.subplan)
    above.node.setdefault("Plans", []).append(node)
    reader.open.append(_Open(column, node, number))
    reader.worker, reader.is_ended = None, False


def _is_step(reader: _Reader, above: _Open, column: int) -> bool:
    """PostgreSQL indents by 2 below the top and below a subplan's name, else by 6; an editor evenly."""
    step = column - above.column
    if above.subplan:
        return step >= 2
    if above is reader.open[0]:
        reader.step = STEP if step == TOP_STEP else reader.step
        return step >= 0
    reader.step = reader.step or step
    return step == reader.step and step >= 2


def _read_detail(reader: _Reader, number: int, column: int, stripped: str) -> bool:
    """Whether the line says something of the plan that is being read."""
    task = next((each for each in reversed(reader.open) if each.node["Node Type"] == TASK), None)
    if (not reader.open or column <= reader.open[0].column + 1) and FOOTER.fullmatch(stripped):
        section = read_footer(reader.plans[-1], stripped)
        reader.section = None if section is None else (section, column)
        reader.open, reader.is_ended = [], True
        return True
    if task is not None and column > task.column and FOOTER.fullmatch(stripped):
        section = read_footer(task.node, stripped)
        reader.section = None if section is None else (section, column)
        del reader.open[reader.open.index(task) + 1 :]
        return True
    if reader.section and column > reader.section[1]:
        read_section(reader.section[0], stripped)
        return True
    if not reader.open:
        return False
    if column > reader.open[0].column and SUBPLAN.fullmatch(stripped):
        while len(reader.open) > 1 and (reader.open[-1].column >= column or reader.open[-1].subplan):
            reader.open.pop()
        reader.open.append(_Open(column, reader.open[-1].node, number, stripped))
        reader.subplans.append(reader.open[-1])
        reader.is_ended = False
        return True
    last = reader.open[-1]
    if last.node["Node Type"] == "ModifyTable" and column > last.column and (target := TARGET.fullmatch(stripped)):
        names = dict(zip(("Schema", "Relation Name", "Alias"), target.groups(), strict=True))
        table = {key: unquoted(name) for key, name in names.items() if name}
        table.setdefault("Alias", table["Relation Name"])
        last.node.setdefault("Target Tables", []).append(table)  # one of those below a partitioned one
        return True
    match = PROPERTY.fullmatch(stripped)
    if not match or column <= last.column or last.subplan or match[1] in OF_OTHER_LINES:
        return False
    key, value = intern(match[1]), match[2] or ""
    reader.is_ended = False
    if reader.worker and column > reader.worker[1]:
        owner = reader.worker[0]
        if key == "JIT":
            reader.section = (owner.setdefault("JIT", {}), column)
            return True
    elif worker := WORKER.fullmatch(key):
        owner = {"Worker Number": int(worker[1])}
        last.node.setdefault("Workers", []).append(owner)
        reader.worker = (owner, column)
        if not value or set_worker_run(owner, value):
            return True
        key, _, value = value.partition(": ")  # 13 and later: "Worker 0:  Sort Method: quicksort  Memory: 25kB"
    else:
        owner, reader.worker = last.node, None
    found_value = Pending(owner, key, [], number)
    found_value.add("", value.strip())
    _set_or_wait(reader, found_value)
    return True


def _read_field(reader: _Reader, at: int, column: int) -> bool:
    """Whether the line says something of the plan as a whole that only an extension does."""
    stripped = reader.lines[at].text.strip()
    if column != reader.column or not reader.lines[at - 1].text.strip() or PART.search(stripped):
        return False
    if not is_field(reader.plans[-1], stripped):
        return False
    section = read_field(reader.plans[-1], stripped)
    reader.section = None if section is None else (section, column)
    reader.open, reader.is_ended = [], False
    return True


def _set_or_wait(reader: _Reader, pending: Pending) -> None:
    reader.pending = pending if pending.key not in PATHS and pending.is_unfinished else None
    if not reader.pending:
        value = pending.only_reading()
        if value is None:
            raise _refused(pending.number, "is broken where it can be read in two ways")
        set_property(pending.node, pending.key, value)


def _go_on(reader: _Reader, at: int, stripped: str) -> None:
    """A literal with line breaks in it, or an expression that a narrow window broke."""
    pending = reader.pending
    assert pending is not None
    joint = "\n" if pending.quote else "" if _breaks_off(reader, at - 1) else " "
    pending.add(joint, stripped)
    _set_or_wait(reader, pending)


def _check_inputs(reader: _Reader, root: dict[str, Any]) -> None:
    """A join has two inputs and a scan none: else lines are missing, or their indentation is."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        below = node.get("Plans", [])
        fewest, most = INPUTS.get(node["Node Type"], (0, MANY))
        inputs = len(raw_inputs(node))
        if not fewest <= inputs <= most:
            wanted = "none" if most == 0 else f"{fewest} to {most}" if fewest < most < MANY else str(fewest)
            raise _refused(
                reader.numbers[id(node)],
                f"is a {node['Node Type']} with {inputs} {'input' if inputs == 1 else 'inputs'} where it has {wanted}:"
                " lines are missing, or their indentation is lost",
            )
        waiting += below
