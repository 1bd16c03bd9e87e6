"""A plan out of the value that a program made of EXPLAIN's rows: of a table, an answer of an API, an entry of a log.

Tools write ``[{"QUERY PLAN": ...}]``, ``{"rows": [["Seq Scan ..."], ...]}``, ``{"message": "duration: ..."}`` and
whatever else holds them: so the value is searched, from the outside in, for what is a plan.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from analyzer.plans.logged import LOGGED_PLAN
from analyzer.plans.plain_lines import FIGURES
from analyzer.plans.short_names import is_respelled, is_short, with_long_names
from analyzer.plans.table_cells import COLUMN, PLAN_TEXT

MOST_CONTAINERS = 200_000  # looked into before giving up


def is_entry(value: object) -> bool:
    """Whether EXPLAIN's JSON holds such a value for one statement, or a node stands alone."""
    if not isinstance(value, Mapping):
        return False
    plan = value.get("Plan")
    has_plan = isinstance(plan, Mapping) and ("Node Type" in plan or not is_respelled(plan))
    return has_plan or isinstance(value.get("Node Type"), str)


def found_in(value: object) -> list[Any]:
    """What of ``value`` are plans, in order: entries of EXPLAIN's JSON, and texts that have yet to be read."""
    documents: list[Any] = []
    waiting: deque[object] = deque([value])
    looked_into = 0
    while waiting and looked_into < MOST_CONTAINERS:
        each = waiting.popleft()
        looked_into += 1
        if isinstance(each, str):
            if LOGGED_PLAN.search(each):
                documents.append(each.replace("\n", "\n\t"))
            elif PLAN_TEXT.search(each):
                documents.append(each)
        elif is_entry(each) or each == "Utility Statement":
            documents.append(each)
        elif isinstance(each, Mapping) and (is_short(each) or is_respelled(each)):
            documents.append(with_long_names(each))
        elif (text := _rows(each)) is not None:
            documents.append(text)
        elif isinstance(each, Mapping):
            waiting.extend(v for v in each.values() if isinstance(v, str | list | Mapping))
        elif isinstance(each, list):
            waiting.extend(v for v in each if isinstance(v, str | list | Mapping))
    return documents


def is_row(value: object) -> bool:
    """Whether it is a row with one text, as a program prints each by itself."""
    cells = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    return len(cells) == 1 and isinstance(cells[0], str)


def _rows(value: object) -> str | None:
    """The text format as a list of its lines, or of rows with nothing else in them."""
    if not isinstance(value, list) or len(value) < 1:
        return None
    lines = []
    for row in value:
        cell = row
        if isinstance(cell, list) and len(cell) == 1:
            cell = cell[0]
        elif isinstance(cell, Mapping) and len(cell) == 1:
            (name,) = cell
            if not COLUMN.fullmatch(str(name)):
                return None
            cell = cell[name]
        if not isinstance(cell, str):
            return None
        lines.append(cell)
    is_column = all(isinstance(row, Mapping) for row in value)
    is_text = any(FIGURES.search(line) for line in lines) and not any(LOGGED_PLAN.search(line) for line in lines)
    return "\n".join(lines) if is_column or is_text else None
