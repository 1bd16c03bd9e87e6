"""Whether an expression gives the same result whatever a session's settings are: what an index may be made of.

PostgreSQL's own word (pg_proc.provolatile) is asked on the twin; this is what can be said without it, and why not.
"""

import re

from pglast import ast

from analyzer.checks.column_widths import declared
from analyzer.schema.facts import TableFacts
from analyzer.statements.tree import Node, Unparsable, children, function_name, name_parts, operator_name, parse

# pg_proc.provolatile = 'i' for every type of argument that these are called with
IMMUTABLE = frozenset({
    "lower", "upper", "btrim", "ltrim", "rtrim", "initcap", "md5", "length", "char_length", "octet_length", "left",
    "right", "substring", "substr", "replace", "translate", "reverse", "split_part", "abs", "mod", "round", "floor",
    "ceil", "ceiling", "trunc", "sign", "lpad", "rpad", "strpos", "position", "jsonb_typeof", "jsonb_array_length",
    "cardinality", "sha256", "encode", "hashtext", "regexp_replace", "int4", "int8", "numeric", "starts_with",
    "string_to_array", "array_length", "timezone", "tstzrange", "tsrange", "daterange", "int4range", "numrange",
})  # fmt: skip
OPERATORS = frozenset({"->", "->>", "#>", "#>>", "||", "+", "-", "*", "/", "%"})
BY_TIME_ZONE = frozenset({"date_trunc", "extract", "date_part", "date", "to_char", "age"})
NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"})
NUMBER_TYPES = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
WITH_ZONE, WITHOUT_ZONE, DAY = "timestamp with time zone", "timestamp without time zone", "date"


def is_surely_immutable(expression: str, table: TableFacts) -> bool:
    """False also where it cannot be told."""
    statements = parse(f"SELECT {expression}")
    return not isinstance(statements, Unparsable) and _is(statements[0].stmt.targetList[0].val, table)


def time_zone_column(expression: str, table: TableFacts) -> str | None:
    """The column whose moments become days or hours by the session's time zone; None where none does."""
    statements = parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return None
    return _by_zone(statements[0].stmt.targetList[0].val, table)


def _by_zone(node: Node, table: TableFacts) -> str | None:
    inner: Node | None = None
    if isinstance(node, ast.TypeCast) and name_parts(node.typeName.names)[-1] in ("date", "timestamp", "time", "text"):
        inner = node.arg
    elif isinstance(node, ast.FuncCall) and function_name(node) in BY_TIME_ZONE and node.args:
        inner = node.args[0] if function_name(node) in ("date", "to_char", "age") else node.args[-1]
    if isinstance(inner, ast.ColumnRef):
        column = table.column(getattr(inner.fields[-1], "sval", ""))
        if column is not None and _without_lengths(declared(column)) == WITH_ZONE:
            return column.name
    return next((cause for child in children(node) if (cause := _by_zone(child, table))), None)


def _is(node: Node, table: TableFacts) -> bool:
    match node:
        case ast.ColumnRef() | ast.A_Const():
            return True
        case ast.TypeCast():
            return _is_cast(node, table)
        case ast.FuncCall() if function_name(node) == "to_tsvector":
            return len(node.args or ()) == 2 and _are(node.args, table)
        case ast.FuncCall() if function_name(node) in BY_TIME_ZONE:
            of = _type_of(node.args[-1] if function_name(node) != "date" else node.args[0], table)
            return function_name(node) not in ("to_char", "age") and of in (WITHOUT_ZONE, DAY)
        case ast.FuncCall():
            return function_name(node) in IMMUTABLE and _are(node.args or (), table)
        case ast.CoalesceExpr() | ast.MinMaxExpr():
            return _are(node.args, table)
        case ast.A_Indirection():
            return _is(node.arg, table)
        case ast.A_Expr():
            return operator_name(node) in OPERATORS and _are((node.lexpr, node.rexpr), table)
        case ast.NullTest():
            return _is(node.arg, table)
    return False


def _are(nodes: tuple[Node, ...], table: TableFacts) -> bool:
    return all(node is not None and _is(node, table) for node in nodes)


def _is_cast(node: Node, table: TableFacts) -> bool:
    """Constants are read once; of the others those that no setting has a say in."""
    if isinstance(node.arg, ast.A_Const):
        return True
    if not _is(node.arg, table) or node.typeName.arrayBounds:
        return False
    to, of = name_parts(node.typeName.names)[-1], _type_of(node.arg, table)
    if to in NUMBERS or to in ("bool", "uuid"):
        return True
    if to in ("text", "varchar", "bpchar"):
        return of.startswith(("text", "character", *NUMBER_TYPES, "uuid", "boolean", "citext", "json"))
    return to in ("date", "timestamp") and of in (WITHOUT_ZONE, DAY)


def _type_of(node: Node, table: TableFacts) -> str:
    """PostgreSQL's name of it; "" where it is not known."""
    match node:
        case ast.ColumnRef():
            column = table.column(getattr(node.fields[-1], "sval", ""))
            return _without_lengths(declared(column)) if column else ""
        case ast.FuncCall() if function_name(node) == "timezone" and len(node.args or ()) == 2:
            of = _type_of(node.args[1], table)
            return {WITH_ZONE: WITHOUT_ZONE, WITHOUT_ZONE: WITH_ZONE}.get(of, "")
        case ast.A_Expr() if operator_name(node) in ("->>", "#>>", "||"):
            return "text"
        case ast.A_Expr() if operator_name(node) in ("->", "#>"):
            return "jsonb"
        case ast.FuncCall() if function_name(node) in ("lower", "upper", "btrim", "left", "substring"):
            return "text"
        case ast.TypeCast():
            return {"date": DAY, "timestamp": WITHOUT_ZONE, "timestamptz": WITH_ZONE, "text": "text"}.get(
                name_parts(node.typeName.names)[-1], ""
            )
    return ""


def _without_lengths(type_name: str) -> str:
    return re.sub(r"\(.*?\)", "", type_name)
