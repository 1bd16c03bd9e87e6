"""The column with the plan out of a table that has others beside it: psql's, Markdown's, or comma-separated values."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from analyzer.plans.table_cells import BAR, COLUMN, CONTINUED, PLAN_TEXT, RECORD, RULE_CHARACTERS, Line

DASHES = re.compile(r"[-─━═:]+")
BETWEEN = frozenset(f"{BAR}+:;. ")
ROWS_END = re.compile(r"\s*|[(（]\d+ .*")
DELIMITERS = (",", ";", "\t")
VALUE = re.compile(r"\s*[\[{]\s*\S")  # JSON in one line
NAME = re.compile(r"[\w ?()]*")
MOST_NAMES = 2_000  # characters of a header
MARKDOWN_RULE = re.compile(r"\|?(?: *:?-+:? *\|)+(?: *:?-+:? *)?")
UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
csv.field_size_limit(2**31 - 1)  # a plan is one field; how long it may be is decided where it is taken


class _Column(NamedTuple):
    left: int
    right: int | None


def out_of_columns(lines: list[Line]) -> list[Line]:
    """The plan's cells, an empty line between two; the lines as they are where no one column holds plans."""
    for read in (_records, _markdown, _aligned, _separated):
        cells = read(lines)
        if cells:
            return [line for cell in cells for line in (*cell, Line(cell[-1].number, ""))]
    return lines


def _plan_column(names: Sequence[str], cells: Callable[[int], Sequence[str]]) -> int | None:
    """The one that is named so, or the only one that reads so; ``cells``: the lines of a column."""
    named = [at for at, name in enumerate(names) if COLUMN.fullmatch(name.strip())]
    columns = named if len(named) == 1 else [at for at in range(len(names)) if PLAN_TEXT.search("\n".join(cells(at)))]
    if len(columns) != 1 or any(text.strip() == names[columns[0]].strip() for text in cells(columns[0])):
        return None  # none, or the names themselves stand beside each line
    return columns[0]


def _aligned(lines: list[Line]) -> list[list[Line]]:
    rule = next((at for at in range(1, len(lines)) if _is_rule(lines[at].text) and _has_text(lines[at - 1].text)), None)
    columns = _columns(lines[rule].text) if rule is not None else []
    if rule is None:
        return []
    end = next((at for at in range(rule + 1, len(lines)) if ROWS_END.fullmatch(lines[at].text)), len(lines))
    body = [line for line in lines[rule + 1 : end] if not _is_rule(line.text)]
    if not all(_is_row(line.text, columns) for line in body):
        return []
    rows = [_cut(line.text, columns) for line in body]
    names = _cut(lines[rule - 1].text, columns)
    plan = _plan_column(names, lambda at: [row[at] for row in rows]) if all(map(NAME.fullmatch, names)) else None
    if plan is None or (len(columns) < 2 and not _are_cells([row[0] for row in rows])):
        return []
    cells: list[list[Line]] = [[]]
    for line, row in zip(body, rows, strict=True):
        text = CONTINUED.sub("", row[plan]).rstrip()
        if text:
            cells[-1].append(Line(line.number, text))
        if not any(CONTINUED.search(cell) for cell in row):
            cells.append([])
    return [cell for cell in cells if cell]


def _markdown(lines: list[Line]) -> list[list[Line]]:
    """Of rows that each hold a plan in JSON, whose cells nobody may have padded."""
    rule = next((at for at in range(1, len(lines)) if MARKDOWN_RULE.fullmatch(lines[at].text.strip())), None)
    if rule is None:
        return []
    end = next((at for at in range(rule + 1, len(lines)) if ROWS_END.fullmatch(lines[at].text)), len(lines))
    names = _markdown_cells(lines[rule - 1].text)
    rows = [_markdown_cells(line.text) for line in lines[rule + 1 : end]]
    if len(names) < 2 or not all(map(NAME.fullmatch, names)) or any(len(row) != len(names) for row in rows):
        return []
    plan = _plan_column(names, lambda at: [row[at] for row in rows])
    if plan is None or not all(VALUE.match(row[plan]) for row in rows):
        return []
    return [[Line(line.number, row[plan])] for line, row in zip(lines[rule + 1 : end], rows, strict=True)]


def _markdown_cells(text: str) -> list[str]:
    inner = text.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in UNESCAPED_BAR.split(inner)]


def _are_cells(texts: Sequence[str]) -> bool:
    """Of a table's only column: not a row a line of the plan."""
    return any(map(CONTINUED.search, texts[:1])) or all(map(VALUE.match, texts))


def _is_rule(text: str) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and RULE_CHARACTERS.issuperset(stripped) and DASHES.search(stripped) is not None


def _has_text(text: str) -> bool:
    return bool(text.strip()) and not _is_rule(text)


def _columns(rule: str) -> list[_Column]:
    """From where to where each column's cells go; between two stands a bar or, without a border, a space."""
    spans = [match.span() for match in DASHES.finditer(rule)]
    if not set(rule.strip()) - set("-─ "):
        return [
            *(_Column(left, following) for (left, _), (following, _) in pairwise(spans)),
            *(_Column(left, None) for left, _ in spans[-1:]),
        ]
    return [
        *(_Column(left + 1, right) for left, right in spans[:-1]),
        *(_Column(left + 1, None) for left, _ in spans[-1:]),
    ]


def _cut(text: str, columns: Sequence[_Column]) -> list[str]:
    *cells, last = (text[column.left : column.right] for column in columns)
    is_closed = text[:1] in (*BAR,) and last.rstrip()[-1:] in (*BAR,)
    return [*cells, last.rstrip()[:-1] if is_closed else last]


def _is_row(text: str, columns: Sequence[_Column]) -> bool:
    """Whether nothing but bars stands between the columns."""
    return all(
        BETWEEN.issuperset(text[before.right : behind.left])
        for before, behind in pairwise(columns)
        if before.right is not None
    )


def _records(lines: list[Line]) -> list[list[Line]]:
    """Of psql's ``\\x``: a line a column, its name before the first line of its cell."""
    starts = [at for at, line in enumerate(lines) if RECORD.fullmatch(line.text.strip())]
    cells = []
    for start, end in pairwise([*starts, len(lines)]):
        fields = list(_fields(lines[start + 1 : end]))
        names = [name for name, _ in fields]
        if names == ["QUERY PLAN"] and not VALUE.match(fields[0][1][0].text):
            return []
        plan = _plan_column(names, lambda at, fields=fields: [line.text for line in fields[at][1]])  # type: ignore[misc]
        if plan is not None:
            cells.append(fields[plan][1])
    return cells


def _fields(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    name = ""
    cell: list[Line] = []
    for line in lines:
        if _is_rule(line.text):
            continue
        text = line.text.rstrip()
        if text[:1] and text[0] in BAR:
            text = text[1:-1] if text[-1] in BAR else text[1:]
        bar = next((at for at, character in enumerate(text) if character in BAR), None)
        if bar is None:
            break
        value = Line(line.number, CONTINUED.sub("", text[bar + 1 :].removeprefix(" ")).rstrip())
        if text[:bar].strip():
            if cell:
                yield name, cell
            name, cell = text[:bar].strip(), [value]
        elif cell:
            cell.append(value)
    if cell:
        yield name, cell


def _separated(lines: list[Line]) -> list[list[Line]]:
    """Of values with a comma, a semicolon or a tab between them, below their names."""
    first = next((at for at, line in enumerate(lines) if line.text.strip()), None)
    header = lines[first].text if first is not None else ""
    if first is None or len(header) > MOST_NAMES:
        return []
    for delimiter in DELIMITERS:
        names = _row_of(header, delimiter)
        if len(names) < 2 or not all(map(NAME.fullmatch, names)):
            continue
        rows = _rows(lines[first + 1 :], delimiter, len(names))
        plan = _plan_column(names, lambda at, rows=rows: [row[at] for _, row in rows])  # type: ignore[misc]
        if rows and plan is not None:
            return [[Line(number, text) for text in row[plan].split("\n")] for number, row in rows]
    return []


def _row_of(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _rows(lines: Sequence[Line], delimiter: str, width: int) -> list[tuple[int, list[str]]]:
    """Each with its first line's number; none where one has another number of cells."""
    reader = csv.reader((f"{line.text}\n" for line in lines), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = 0
    try:
        for row in reader:
            if row:
                if len(row) == 1 and ROWS_END.fullmatch(row[0]):
                    break
                rows.append((lines[begins].number, row))
            begins = reader.line_num
    except csv.Error:
        return []
    return rows if all(len(row) == width for _, row in rows) else []
