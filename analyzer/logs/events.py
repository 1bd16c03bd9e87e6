"""What an entry says: the statement's text, its values, its plan."""

import json
import re
from dataclasses import dataclass
from typing import Any

from analyzer.logs.entry import PLAN, Entry
from analyzer.statements.tree import Unparsable, parse

JSON_TEXT = re.compile(rb'\{\s*"Query Text": ("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
YAML_TEXT = re.compile(rb'Query Text: ("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
XML_TEXT = re.compile(rb"<explain[^>]*>\s*<Query-Text>(.*?)</Query-Text>", re.DOTALL)
TEXT = b"Query Text: "
# Below it the plan begins, in the text format; what is above belongs to the statement's text.
ROOT = re.compile(rb"^(?:Query Parameters: |[A-Z][^\n]*  \((?:cost=|actual ))", re.MULTILINE)
ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&#x0d;", b"\r"), (b"&amp;", b"&"))


def query_text(plan: bytes) -> bytes:
    """The statement's text out of what auto_explain wrote; empty where there is none."""
    if plan.startswith(TEXT) and not plan.startswith(b'"', len(TEXT)):
        return _above_plan(plan)
    if (found := JSON_TEXT.match(plan) or YAML_TEXT.match(plan)) is not None:
        quoted = found[1]
        if b"\\" not in quoted:
            return quoted[1:-1]
        try:
            return str(json.loads(quoted)).encode("utf-8", "replace")
        except ValueError:
            return quoted[1:-1]
    if (found := XML_TEXT.match(plan)) is not None:
        text = found[1]
        for entity, character in ENTITIES:
            text = text.replace(entity, character)
        return text
    return _above_plan(plan) if plan.startswith(TEXT) else b""


def _above_plan(plan: bytes) -> bytes:
    return plan[len(TEXT) : _plan_start(plan)].rstrip(b"\n")


def _plan_start(plan: bytes) -> int:
    """Where the text ends. A line inside of it may look like a plan: the text above it is then no SQL."""
    starts = [found.start() for found in ROOT.finditer(plan, len(TEXT))]
    if len(starts) > 1:
        for start in starts:
            if not isinstance(parse(plan[len(TEXT) : start].decode("utf-8", "replace")), Unparsable):
                return start
    return starts[0] if starts else len(plan)
