"""What types PostgreSQL gives to expressions, as far as it takes to know what a literal must have been.

Not complete: an expression that is not listed has no known type, and then nothing is concluded from it.
"""

import re

from pglast import ast, enums

from analyzer.statements.tree import Node, operator_name

NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
FRACTIONS = frozenset({"numeric", "real", "double precision"})
MOMENTS = frozenset({"timestamp without time zone", "timestamp with time zone"})
MADE_TEXT = NUMBERS | MOMENTS | {"date", "uuid", "boolean"}  # by ||, as it has no operator of their own
TEXTS = frozenset({"text", "character varying", "character", "name"})
ALIASES = {
    "int2": "smallint", "int4": "integer", "int": "integer", "int8": "bigint", "decimal": "numeric", "float4": "real",
    "float8": "double precision", "float": "double precision", "bool": "boolean", "varchar": "character varying",
    "bpchar": "character", "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip

ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^"})
BITWISE = frozenset({"&", "|", "#", "<<", ">>"})  # of numbers, and of bits, ranges and networks
COMPARISONS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">=", "&&", "@>", "<@"})
TEXT_PATTERNS = frozenset({"~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*"})

RESULTS = {
    **dict.fromkeys(("count", "row_number", "rank", "dense_rank"), "bigint"),
    **dict.fromkeys(("length", "char_length", "ntile", "array_length", "cardinality", "position", "strpos", "ascii",
                     "jsonb_array_length", "json_array_length", "width_bucket", "octet_length", "array_position"),
                    "integer"),
    **dict.fromkeys(("now", "statement_timestamp", "clock_timestamp", "transaction_timestamp"),
                    "timestamp with time zone"),
    **dict.fromkeys(("lower", "upper", "concat", "concat_ws", "format", "to_char", "trim", "btrim", "substring",
                     "substr", "left", "right", "replace", "lpad", "rpad", "split_part", "string_agg", "md5",
                     "jsonb_extract_path_text", "repeat", "initcap", "regexp_replace"), "text"),
    **dict.fromkeys(("power", "sqrt", "random", "percentile_cont", "date_part", "cume_dist", "percent_rank"),
                    "double precision"),
    **dict.fromkeys(("date", "to_date", "make_date"), "date"),
    **dict.fromkeys(("to_timestamp", "make_timestamptz"), "timestamp with time zone"),
    **dict.fromkeys(("make_timestamp", "timezone"), "timestamp without time zone"),
    **dict.fromkeys(("age", "make_interval"), "interval"),
    **dict.fromkeys(("bool_and", "bool_or", "every", "jsonb_path_exists", "starts_with"), "boolean"),
    "extract": "numeric", "avg": "numeric", "array_positions": "integer[]",
}  # fmt: skip
# Functions whose result has the type of one of their arguments, by its position.
RESULT_OF = {
    **dict.fromkeys(("min", "max", "sum", "lag", "lead", "first_value", "last_value", "nth_value", "abs", "round",
                     "ceil", "floor", "trunc", "mod", "generate_series", "any_value", "unnest"), 0),
    "date_trunc": 1, "date_bin": 1,
}  # fmt: skip
# Functions that several kinds of number fit: without any argument of a known type the server cannot choose.
OF_NUMBERS = frozenset({
    "sum", "avg", "abs", "round", "trunc", "ceil", "ceiling", "floor", "sign", "mod", "div", "power", "pow", "sqrt",
    "exp", "ln", "log", "generate_series", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp",
    "width_bucket", "bit_and", "bit_or", "to_hex", "gcd", "lcm", "to_char",
})  # fmt: skip
# Functions that take anything: of a parameter they tell no type, and the server refuses to guess one.
OF_ANYTHING = frozenset({
    "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "concat", "concat_ws", "format",
    "num_nulls", "num_nonnulls", "count", "to_json", "to_jsonb", "pg_typeof", "array_agg", "json_agg", "jsonb_agg",
    "json_object_agg", "jsonb_object_agg", "row_to_json", "first_value", "last_value", "quote_literal",
    "quote_nullable", "any_value", "mode", "pg_column_size",
})  # fmt: skip
# Functions on an array and elements of its type, with how many of the arguments are that.
OF_ARRAYS = {
    "array_cat": 2, "array_append": 2, "array_prepend": 2, "array_remove": 2, "array_replace": 3, "array_position": 2,
    "array_positions": 2,
}  # fmt: skip
# Arguments that the overloads leave open, by function and position.
ARGUMENTS = {
    ("pg_get_viewdef", 1): "boolean", ("pg_get_ruledef", 1): "boolean", ("percentile_disc", 0): "double precision",
    ("percentile_cont", 0): "double precision", ("array_fill", 0): "integer", ("array_fill", 1): "integer",
    ("pg_size_pretty", 0): "bigint",
}  # fmt: skip
# of two numbers the one further left is the result's
WIDEST_FIRST = ("double precision", "real", "numeric", "bigint", "integer", "smallint")

# of names that mean a length of 1 without one, those that mean none
UNLIMITED = {"character": "bpchar", "bit": "varbit"}


def plain_type(name: str) -> str:
    """format_type()'s or the parser's name without modifiers: "character varying(40)[]" -> "character varying[]"."""
    name = re.sub(r"\s*\([^)]*\)", "", name.strip())
    element = name.removesuffix("[]")
    return ALIASES.get(element, element) + ("[]" if name.endswith("[]") else "")


def arithmetic_result(operator: str, left: str, right: str) -> str | None:
    """Of two known types; None where that is not listed."""
    if left in NUMBERS and right in NUMBERS:
        return min(left, right, key=WIDEST_FIRST.index)
    pair = (left, right)
    if "date" in pair and "integer" in pair:
        return "date"
    if pair == ("date", "date"):
        return "integer"
    if "interval" in pair:
        other = right if left == "interval" else left
        return "timestamp without time zone" if other == "date" else "interval" if other in NUMBERS else other
    if left in MOMENTS and right in MOMENTS:
        return "interval"
    return None


def may_be_days(node: Node) -> bool:
    """``day - $1``: of a date, days."""
    return (
        isinstance(node, ast.A_Expr)
        and node.kind == enums.A_Expr_Kind.AEXPR_OP
        and operator_name(node) == "-"
        and isinstance(node.rexpr, ast.ParamRef)
        and node.lexpr is not None
    )
