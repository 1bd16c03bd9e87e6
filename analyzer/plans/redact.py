"""Plans without the values of the statement: what is stored, shown and sent never holds a customer's data.

Every text in a plan is an expression unless its key is known to hold a name or a word of PostgreSQL's own,
so a field a newer version brings is redacted before anyone here has heard of it. Figures (rows, times,
blocks) stay.
"""

import re
from collections.abc import Mapping
from typing import Any

from analyzer.plans.literals import replace_literals
from analyzer.plans.read_plan import read_plan

# Names from the catalog and words of PostgreSQL's own.
HARMLESS = frozenset((
    "Node Type", "Parent Relationship", "Relation Name", "Schema", "Alias", "Index Name", "CTE Name",
    "Function Name", "Table Function Name", "Tuplestore Name", "Subplan Name", "Join Type", "Strategy",
    "Partial Mode", "Scan Direction", "Command", "Operation", "Custom Plan Provider", "Sort Method",
    "Sort Methods Used", "Sort Space Type", "Cache Mode", "Storage", "Conflict Resolution",
    "Conflict Arbiter Indexes", "Trigger Name", "Constraint Name", "Relation", "Format",
    "Query Identifier", "Sampling Method",
))  # fmt: skip
# Texts in no quoting we know: paths, commands, connection strings of foreign data wrappers and Citus.
OPAQUE = frozenset(("Foreign File", "Foreign Program", "Program", "Node", "Host", "Remote Server"))
SETTING_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?\s?(B|kB|MB|GB|TB|us|ms|s|min|h|d)?")
SETTING_WORDS = frozenset((
    "on", "off", "true", "false", "auto", "partition", "regress", "force_custom_plan",
    "force_generic_plan", "always", "never", "none", "default",
))  # fmt: skip
SEARCH_PATH = re.compile(r'\s*(("[^"]*"|[\w$]+)\s*(,\s*|$))*')

REDACTED = "?"


def redact_expression(text: str) -> str:
    """``(status = 'new'::text)`` -> ``(status = '?'::text)``; numbers become ``?``, comments are emptied.

    ``date_trunc('month'::text, t)`` stays: 'month' is a word of PostgreSQL's own.
    """
    return replace_literals(text, keep_parts=True)


def redact_plan(plan_json: object) -> Any:
    """A copy of EXPLAIN's JSON (text or decoded value) without literals, as a decoded value."""
    source = read_plan(plan_json) if isinstance(plan_json, str | bytes) else plan_json
    top: list[Any] = [source]
    waiting: list[tuple[Any, Any, str | None]] = [(top, 0, None)]  # container, its key or index, name of the field
    while waiting:  # no recursion: decoded plans may be deeper than Python's stack
        container, key, name = waiting.pop()
        value = container[key]
        if isinstance(value, str):
            container[key] = _redact_field(value, name)
        elif isinstance(value, Mapping):
            if name == "Settings":
                container[key] = {k: _redact_setting(str(k), v) for k, v in value.items()}
            else:
                copy = container[key] = dict(value)
                waiting.extend((copy, k, str(k)) for k in copy)
        elif isinstance(value, list | tuple):
            items = container[key] = list(value)
            waiting.extend((items, index, name) for index in range(len(items)))
    return top[0]


def _redact_field(value: str, name: str | None) -> str:
    if name in HARMLESS:
        return value
    return REDACTED if name in OPAQUE else redact_expression(value)


def _redact_setting(name: str, value: object) -> object:
    """Numbers and PostgreSQL's own words stay: they explain the plan. Schema names in search_path do, too."""
    if not isinstance(value, str):
        return value
    if SETTING_NUMBER.fullmatch(value) or value.lower() in SETTING_WORDS:
        return value
    return value if name == "search_path" and SEARCH_PATH.fullmatch(value) else REDACTED
