"""What an entry says: the statement's text, its values, its plan."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from analyzer.logs.entry import PLAN, LogEntry
from analyzer.logs.parameters import Values, parameters_at, with_values
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.plans.logged import with_log
from analyzer.plans.read_plan import read_plan
from analyzer.plans.redact import redact_plan
from analyzer.plans.table_cells import LoggedPlanText
from analyzer.statements.tree import Unparsable, parse

JSON_TEXT = re.compile(rb'\{\s*"Query Text": ("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
JSON_PARAMETERS = re.compile(rb'\s*,\s*"Query Parameters": ("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
YAML_TEXT = re.compile(rb'Query Text: ("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
YAML_PARAMETERS = re.compile(rb'\s*Query Parameters: ("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
XML_TEXT = re.compile(rb"<explain[^>]*>\s*<Query-Text>(.*?)</Query-Text>", re.DOTALL)
XML_PARAMETERS = re.compile(rb"\s*<Query-Parameters>(.*?)</Query-Parameters>", re.DOTALL)
ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&#x0d;", b"\r"), (b"&amp;", b"&"))
TEXT = b"Query Text: "
# In the text format the plan begins there; what is above belongs to the statement's text.
BELOW_TEXT = re.compile(rb"^(?:Query Parameters: |[A-Z][^\n]*  \((?:cost=|actual ))", re.MULTILINE)
PREPARED = b"prepare: "  # the detail of EXECUTE
MOST_TRIED = 20  # lines that look like a plan's first; judgement
MOST_TRIED_BYTES = 200_000  # of all texts that are tried
NOT_OF_PLAN = ("Query Text", "Query Parameters")


@dataclass(frozen=True, slots=True)
class LoggedPlan:
    """``plan_json``: as EXPLAIN's JSON, without the statement's text and values; its conditions hold values still."""

    sql: str
    plan_json: list[Any]
    plan: Plan
    duration_ms: float


def sql_of(entry: LogEntry) -> str:
    """The statement as it was sent; of ``EXECUTE name`` as it was prepared."""
    if entry.kind == PLAN:
        return _decoded(query_text(entry.text))
    return _decoded(entry.detail[len(PREPARED) :] if entry.detail.startswith(PREPARED) else entry.text)


def sql_with_values(entry: LogEntry) -> str | None:
    """The statement as it ran, with its values as constants; None where the log does not tell them all."""
    if entry.detail.startswith(PREPARED) or entry.is_cut:
        return None
    sql = sql_of(entry)
    values = _values(entry)
    return with_values(sql, values or {})


def logged_plan(entry: LogEntry) -> LoggedPlan:
    """Raises PlanError where it cannot be read."""
    if entry.is_cut:
        raise PlanError("The plan is longer than is read of one entry.")
    source = entry.text
    if source.startswith(TEXT) and not YAML_TEXT.match(source):
        source = source[_plan_start(source) :]
    value = read_plan(_decoded(source))
    logged = value[0] if isinstance(value, list) and value else value
    if not isinstance(logged, dict):
        raise PlanError("There is no plan in the entry.")
    of_plan = {key: part for key, part in logged.items() if key not in NOT_OF_PLAN}
    plan_json = with_log([of_plan], LoggedPlanText(duration_ms=entry.duration_ms))
    return LoggedPlan(sql_of(entry), plan_json, parse_plan(plan_json), entry.duration_ms)


def redacted(logged: LoggedPlan) -> LoggedPlan:
    """The plan without values, as it may be kept and shown."""
    plan_json = redact_plan(logged.plan_json)
    return replace(logged, plan_json=plan_json, plan=parse_plan(plan_json))


def query_text(plan: bytes) -> bytes:
    """The statement's text out of what auto_explain wrote; empty where there is none."""
    quoted = JSON_TEXT.match(plan) or YAML_TEXT.match(plan)
    if quoted is not None:
        return _unquoted(quoted[1])
    if plan.startswith(TEXT):
        return plan[len(TEXT) : _text_end(plan)].rstrip(b"\n")
    match = XML_TEXT.match(plan)
    return _without_entities(match[1]) if match is not None else b""


def _values(entry: LogEntry) -> Values | None:
    if entry.kind != PLAN:
        return parameters_at(entry.detail)[0]
    for of_text, of_values, plain in (
        (JSON_TEXT, JSON_PARAMETERS, _unquoted),
        (YAML_TEXT, YAML_PARAMETERS, _unquoted),
        (XML_TEXT, XML_PARAMETERS, _without_entities),
    ):
        if (match := of_text.match(entry.text)) is not None:
            listed = of_values.match(entry.text, match.end())
            return parameters_at(b"Query Parameters: " + plain(listed[1]))[0] if listed else None
    return parameters_at(entry.text, _text_end(entry.text))[0] if entry.text.startswith(TEXT) else None


def _without_entities(text: bytes) -> bytes:
    for entity, character in ENTITIES:
        text = text.replace(entity, character)
    return text


def _unquoted(quoted: bytes) -> bytes:
    if b"\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted, strict=False)).encode("utf-8", "replace")
    except ValueError:
        return quoted[1:-1]


def _text_end(plan: bytes) -> int:
    """Where the text ends. A line inside of it may look like a plan: what is above that line is then no SQL."""
    starts = [match.start() for match in BELOW_TEXT.finditer(plan, len(TEXT))]
    if len(starts) > 1:
        left = MOST_TRIED_BYTES
        for start in starts[:MOST_TRIED]:
            left -= start
            if left < 0:
                break
            if not isinstance(parse(_decoded(plan[len(TEXT) : start])), Unparsable):
                return start
    return starts[0] if starts else len(plan)


def _plan_start(plan: bytes) -> int:
    """Below the text and the parameters, whose values may hold line breaks."""
    end = _text_end(plan)
    _, at = parameters_at(plan, end)
    return at + 1 if at > end else end


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")
