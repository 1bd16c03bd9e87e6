"""Values that no column tells: of a type, and of places where only certain values do."""

import re
from datetime import datetime, timedelta

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.scalar_subqueries import SCALAR
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, Unparsable, function_name, parse, walk, walk_block, without_casts

LIMIT_VALUE, OFFSET_VALUE = "10", "20"  # judgement: the second or third page of a list
DAY_TYPES = ("date", "timestamp without time zone", "timestamp with time zone")
# A parameter that meets no column. It may change how many rows a function makes, seldom which plan is chosen.
ASSUMED = {
    "interval": ("1 day", "30 days"), "smallint": ("1", "1"), "integer": ("1", "1"), "bigint": ("1", "1"),
    "numeric": ("1", "1"), "real": ("1", "1"), "double precision": ("1", "1"), "boolean": ("t", "f"),
    "text": ("a", "a"), "character varying": ("a", "a"), "character": ("a", "a"), "jsonb": ("{}", "{}"),
    "json": ("{}", "{}"), "jsonpath": ("$", "$"), "tsquery": ("word", "word"), "tsvector": ("word", "word"),
    "uuid": ("00000000-0000-0000-0000-000000000000",) * 2, "name": ("a", "a"), '"char"': ("a", "a"),
    "citext": ("a", "a"), "hstore": ("", ""), "bytea": ("\\x00", "\\x00"), "money": ("1", "1"), "oid": ("1", "1"),
    "inet": ("127.0.0.1", "127.0.0.1"), "cidr": ("127.0.0.0/8", "127.0.0.0/8"), "macaddr": ("00:00:00:00:00:01",) * 2,
    "bit": ("1", "1"), "bit varying": ("1", "1"), "time without time zone": ("12:00", "12:00"),
    "time with time zone": ("12:00+00", "12:00+00"), "point": ("(0,0)", "(0,0)"), "box": ("(1,1),(0,0)",) * 2,
    "int4range": ("[1,2)", "[1,2)"), "int8range": ("[1,2)", "[1,2)"), "numrange": ("[1,2)", "[1,2)"),
    "tid": ("(0,1)", "(0,1)"), "xid": ("1", "1"), "xml": ("<a/>", "<a/>"), "ltree": ("a", "a"), "lquery": ("*", "*"),
    # names of what every PostgreSQL has
    "regconfig": ("english", "english"), "regdictionary": ("simple", "simple"), "regclass": ("pg_class", "pg_class"),
    "regtype": ("integer", "integer"), "regproc": ("now", "now"), "regprocedure": ("now()", "now()"),
    "regnamespace": ("pg_catalog", "pg_catalog"), "regrole": ("pg_monitor", "pg_monitor"),
    "regoperator": ("+(integer,integer)",) * 2, "regcollation": ('"C"', '"C"'),
}  # fmt: skip
# First arguments of functions that take only certain words.
FIXED_WORDS = {
    "date_trunc": "day", "date_part": "day", "extract": "day", "timezone": "UTC", "date_bin": "1 day",
}  # fmt: skip
# Arguments by position where a plain value of the type is an error.
FIXED_ARGUMENTS = {
    "width_bucket": (None, "0", "100", "10"), "make_date": ("2026", "1", "1"), "to_date": ("2026-01-01", "YYYY-MM-DD"),
    "to_timestamp": ("2026-01-01", "YYYY-MM-DD"), "to_number": ("1", "999"), "chr": ("65",),
    "to_char": (None, "9"), "mod": (None, "2"), "percentile_cont": ("0.5",), "percentile_disc": ("0.5",),
    "regexp_replace": (None, "a", "b", "g"), "regexp_matches": (None, "a", "g"), "regexp_split_to_array": (None, "a"),
    "regexp_split_to_table": (None, "a"), "encode": (None, "hex"), "decode": ("00", "hex"),
    "string_to_array": ("1", ","), "current_setting": ("TimeZone",),
    **dict.fromkeys(("tstzrange", "tsrange", "daterange", "int4range", "int8range", "numrange"), (None, None, "[)")),
    **dict.fromkeys(("jsonb_array_elements", "json_array_elements"), ('["a", "b"]',)),
    **dict.fromkeys(("jsonb_array_elements_text", "json_array_elements_text"), ('["a", "b"]',)),
    **dict.fromkeys(("jsonb_array_length", "json_array_length"), ('["a", "b"]',)),
    **dict.fromkeys(("jsonb_to_recordset", "json_to_recordset"), ("[{}]",)),
    "jsonb_populate_recordset": (None, "[{}]"), "json_populate_recordset": (None, "[{}]"),
}  # fmt: skip
TO_TIMESTAMP_OF_SECONDS = 1  # to_timestamp(seconds) has one argument


def assumed_value(type_name: str, is_rare: bool, now: datetime) -> str | None:
    """None for types of which no plain value is known (enums, domains, types of extensions)."""
    if type_name in DAY_TYPES:
        return ago(now, timedelta(days=1))
    if type_name in ("tstzrange", "tsrange", "daterange"):
        return f"[{ago(now, timedelta(days=2))},{ago(now, timedelta(days=1))})"
    if type_name.endswith("[]"):
        element = assumed_value(type_name.removesuffix("[]"), is_rare, now)
        return None if element is None else array_literal([element])
    values = ASSUMED.get(type_name)
    return values[is_rare] if values else None


def ago(now: datetime, ago: timedelta) -> str:
    """To the hour: every other text would be another entry of pg_stat_statements."""
    return (now - ago).replace(minute=0, second=0, microsecond=0).isoformat()


def array_literal(values: list[str] | tuple[str, ...]) -> str:
    quoted = ('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return "{" + ",".join(quoted) + "}"


def fixed_values(sql: str, facts: SchemaFacts | None = None) -> dict[int, str]:
    """Parameters that stand where only certain values do.

    The unit of date_trunc, the zone of AT TIME ZONE; LIMIT of a subquery used as an expression, where a second row
    would be an error; the text search configuration in use.
    """
    values: dict[int, str] = {}
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return values
    for node in walk(statements):
        if isinstance(node, ast.FuncCall) and node.args:
            values |= _fixed_arguments(node)
        elif isinstance(node, ast.SubLink) and node.subLinkType in SCALAR:
            values |= _scalar_limits(node.subselect)
        elif isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.ParamRef) and facts is not None:
            is_configuration = node.typeName.names[-1].sval == "regconfig"
            if is_configuration and (name := _text_search(facts)) is not None:
                values[node.arg.number] = name
    return values


def _scalar_limits(select: Node) -> dict[int, str]:
    """Also of a subquery in its FROM that gives it its rows: (SELECT row_to_json(x) FROM (SELECT ... LIMIT $1) x)."""
    limits = limit_values(select, "1", "0")
    calls = [n for n in walk_block(select.targetList or ()) if isinstance(n, ast.FuncCall)]
    if not limits and not select.groupClause and not any(is_aggregate(c) for c in calls):
        for item in select.fromClause or ():
            if isinstance(item, ast.RangeSubselect) and isinstance(item.subquery, ast.SelectStmt):
                limits |= _scalar_limits(item.subquery)
    return limits


def limit_values(select: Node, count: str, offset: str) -> dict[int, str]:
    limits = {}
    for part, value in ((getattr(select, "limitCount", None), count), (getattr(select, "limitOffset", None), offset)):
        inner = without_casts(part) if part is not None else None
        if isinstance(inner, ast.ParamRef):
            limits[inner.number] = value
    return limits


def _fixed_arguments(call: Node) -> dict[int, str]:
    name = function_name(call)
    values: tuple[str | None, ...] = (FIXED_WORDS[name],) if name in FIXED_WORDS else FIXED_ARGUMENTS.get(name, ())
    if name == "to_timestamp" and len(call.args) == TO_TIMESTAMP_OF_SECONDS:
        return {}
    fixed = {}
    for argument, value in zip(call.args, values, strict=False):
        inner = without_casts(argument)
        if value is not None and isinstance(inner, ast.ParamRef):
            fixed[inner.number] = value
    return fixed


def _text_search(facts: SchemaFacts) -> str | None:
    """The configuration that an index is made with: another one could not use it."""
    expressions = (e for table in facts for index in table.indexes for e in index.expressions)
    return next((m[1] for e in expressions if (m := re.search(r"'(\w+)'::regconfig", e))), None)
