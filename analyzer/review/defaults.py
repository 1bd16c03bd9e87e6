"""Whether a column's default is volatile, so that ADD COLUMN has to write every row."""

from typing import Literal

from pglast import ast

from analyzer.review.live_facts import LiveFacts
from analyzer.statements.tree import Node, function_name, name_parts, walk

# pg_proc.provolatile of the catalog's own functions that stand in defaults (version 18; the same in older ones)
VOLATILE = frozenset({
    "clock_timestamp", "timeofday", "random", "random_normal", "nextval", "setval", "currval", "lastval",
    "gen_random_uuid", "uuidv4", "uuidv7", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4",
    "gen_random_bytes", "gen_salt", "pg_sleep",
})  # fmt: skip
NOT_VOLATILE = frozenset({
    "now", "transaction_timestamp", "statement_timestamp", "current_setting", "current_database", "current_schema",
    "current_user", "session_user", "date_trunc", "timezone", "to_char", "to_timestamp", "to_date", "lower", "upper",
    "concat", "coalesce", "md5", "length", "abs", "round", "floor", "ceil", "array", "make_interval", "make_date",
    "make_timestamp", "make_timestamptz", "jsonb_build_object", "jsonb_build_array", "json_build_object",
    "json_build_array", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "to_tsvector",
    "uuid_nil", "decode", "encode", "txid_current", "inet_client_addr", "date_part", "age", "repeat", "replace",
    "substring", "trim", "btrim", "to_jsonb", "to_json", "array_fill", "string_to_array", "point", "unaccent",
    "pg_current_xact_id", "justify_days", "greatest", "least", "format", "chr", "version",
})  # fmt: skip


def functions_of(expression: Node) -> list[str]:
    return [function_name(node) for node in walk(expression) if isinstance(node, ast.FuncCall)]


def is_volatile(expression: Node, live: LiveFacts | None) -> Literal[False] | tuple[str, bool]:
    """The function that is, and whether that is certain; False where none is. Operators and casts are taken for
    stable, as all of the catalog's are.
    """
    doubtful = ""
    for node in walk(expression):
        if not isinstance(node, ast.FuncCall):
            continue
        name = function_name(node)
        is_own = len(name_parts(node.funcname)) > 1 and name_parts(node.funcname)[0] != "pg_catalog"
        told = live.volatility.get(name) if live is not None else None
        if told == "v" or (told is None and not is_own and name in VOLATILE):
            return name, True
        if told is None and (is_own or name not in NOT_VOLATILE):
            doubtful = doubtful or name
    return (doubtful, False) if doubtful else False
