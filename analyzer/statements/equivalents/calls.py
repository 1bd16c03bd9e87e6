"""Whether calling a function more or less often, or elsewhere, can be noticed."""

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.tree import Node, function_name, name_parts, walk

# PostgreSQL's own, none of them VOLATILE or returning a set; the manual's chapter "Functions and Operators"
STEADY = frozenset({
    "abs", "age", "array_length", "array_position", "avg", "bool_and", "bool_or", "btrim", "cardinality", "ceil",
    "ceiling", "char_length", "character_length", "concat", "concat_ws", "count", "current_setting", "date",
    "date_part", "date_trunc", "dense_rank", "every", "exp", "extract", "floor", "greatest", "initcap",
    "json_extract_path", "json_extract_path_text", "jsonb_array_length", "jsonb_extract_path",
    "jsonb_extract_path_text", "left", "length", "ln", "lower", "lpad", "ltrim", "make_date", "make_interval",
    "make_timestamp", "max", "md5", "min", "mod", "now", "nullif", "octet_length", "overlay", "position", "power",
    "rank", "repeat", "replace", "reverse", "right", "round", "row_number", "rpad", "rtrim", "sign", "split_part",
    "sqrt", "starts_with", "statement_timestamp", "strpos", "substr", "substring", "sum", "timezone", "to_char",
    "to_date", "to_number", "to_timestamp", "transaction_timestamp", "translate", "trim", "trunc", "upper",
})  # fmt: skip


def unsteady_call(nodes: tuple[Node | None, ...], facts: SchemaFacts) -> str | None:
    """The first function called below that may be VOLATILE, return a set or is not known; None where there is none."""
    for node in walk(tuple(node for node in nodes if node is not None)):
        if isinstance(node, ast.FuncCall) and not _is_steady(node, facts):
            return function_name(node)
    return None


def own_name(call: ast.FuncCall) -> str:
    """Name of a function of PostgreSQL's own; "" of one that the statement names with another schema."""
    *schema, name = name_parts(call.funcname) or ("",)
    return name if schema in ([], ["pg_catalog"]) else ""


def parameters(root: Node | tuple[Node, ...] | None) -> list[int]:
    """Numbers of the parameters below, in the order in which they stand, as often as they do."""
    return [node.number for node in walk(root) if isinstance(node, ast.ParamRef)]


def _is_steady(call: ast.FuncCall, facts: SchemaFacts) -> bool:
    """One of PostgreSQL's own. What the database defines may return a set, which is not known."""
    *schema, name = name_parts(call.funcname) or ("",)
    if schema == ["pg_catalog"]:
        return name in STEADY
    return not schema and name in STEADY and all(known.name != name for known in facts.functions or ())
