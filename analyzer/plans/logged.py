"""Plans of auto_explain out of a server's log: each plan's lines, and what the log says of it beside them.

auto_explain's duration is the time of the executor's run: that of the nodes, of AFTER triggers, and of turning rows
into text and sending them, which EXPLAIN does not do; neither planning nor the executor's start and end are in it
(``totaltime`` in auto_explain.c, 9.0 to 18).
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from analyzer.plans.table_cells import Line, LoggedPlanText

LOGGED_PLAN = re.compile(r"duration: (\d{1,15}(?:\.\d{1,9})?) ms\s+plan:\s*(.*)", re.DOTALL)
LOG_LINE = re.compile(r"\b(?:LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG\d?|DETAIL|HINT|CONTEXT|STATEMENT):\s")
PLAN_BEGINS = re.compile(r"[A-Z].*\((?:cost=|actual )|[\[{]\s*$|<explain\b")
QUERY = re.compile(r'(\s*)Query Text: (?!")')  # in quotes it is YAML's
PARAMETERS = "Query Parameters: "
LOGGED_DURATION = "LoggedPlanText Duration"  # beside "Plan", in ms, where EXPLAIN would have "Execution Time"


def out_of_log(lines: list[Line]) -> list[Line]:
    """Of a server's log the plans that auto_explain wrote, before each a line with what the log says of it."""
    starts = [i for i, line in enumerate(lines) if LOGGED_PLAN.search(line.text)]
    if not starts:
        return lines
    out: list[Line] = []
    for start, following in pairwise([*starts, len(lines)]):
        match = LOGGED_PLAN.search(lines[start].text)
        assert match is not None
        number = lines[start].number
        body = [Line(number, match[2])] if match[2].strip() else []
        rest = lines[start + 1 : following]
        has_tabs = bool(rest) and rest[0].text.startswith("\t")
        for line in rest:
            if not line.text.startswith("\t") if has_tabs else LOG_LINE.search(line.text):
                break
            body.append(Line(line.number, line.text.removeprefix("\t") if has_tabs else line.text))
        logged, body = _query_apart(body)
        out += [Line(number, "", logged._replace(duration_ms=float(match[1]))), *body, Line(number, "")]
    return out


def plans_apart(lines: list[Line]) -> Iterator[tuple[LoggedPlanText, list[Line]]]:
    """The lines of each plan of a log, or of each that stands below its statement's text; else all lines."""
    starts = [i for i, line in enumerate(lines) if line.logged]
    starts = starts or [i for i, line in enumerate(lines) if QUERY.match(line.text)]
    if not starts or starts[0] > 0:
        yield LoggedPlanText(), lines[: starts[0]] if starts else lines
    for start, following in pairwise([*starts, len(lines)]):
        query, body = _query_apart(lines[start:following])
        logged = lines[start].logged or LoggedPlanText()
        yield (logged if query == LoggedPlanText() else query._replace(duration_ms=logged.duration_ms)), body


def with_log(entries: list[Any], logged: LoggedPlanText) -> list[Any]:
    """The one plan with its statement's text and the log's duration, where it does not hold them itself."""
    if len(entries) != 1 or not isinstance(entries[0], dict) or "Plan" not in entries[0]:
        return entries
    has_time = "Execution Time" in entries[0] or "Total Runtime" in entries[0]
    known = {
        "Query Text": logged.query_text,
        "Query Parameters": logged.parameters,
        LOGGED_DURATION: None if has_time else logged.duration_ms,
    }
    return [{name: value for name, value in known.items() if value is not None} | entries[0]]


def _query_apart(body: list[Line]) -> tuple[LoggedPlanText, list[Line]]:
    """The statement's text and its parameters, and the plan that begins below them."""
    first = next((i for i, line in enumerate(body) if line.text.strip()), len(body))
    match = QUERY.match(body[first].text) if first < len(body) else None
    if match is None:
        return LoggedPlanText(), body
    margin = match[1]
    texts = [line.text.removeprefix(margin) for line in body[first:]]
    end = next((i for i, text in enumerate(texts) if PLAN_BEGINS.match(text)), 0)
    if not end:
        return LoggedPlanText(), body
    texts[0] = texts[0].removeprefix("Query Text: ")
    last = max((i for i in range(1, end) if texts[i].startswith(PARAMETERS)), default=end)
    parameters = _joined(texts[last:end]).removeprefix(PARAMETERS) if last < end else None
    return LoggedPlanText(query_text=_joined(texts[:last]), parameters=parameters), body[first + end :]


def _joined(texts: Sequence[str]) -> str:
    return "\n".join(texts).rstrip()
