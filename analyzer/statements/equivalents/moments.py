"""Values that a time is compared with: of which type they are, and what they are a step later."""

import re
from datetime import date, datetime, timedelta

from pglast import ast, enums

from analyzer.schema.facts import ColumnFacts
from analyzer.statements.equivalents.build import cast, integer, integer_constant, operation, string_constant, text
from analyzer.statements.equivalents.calls import own_name
from analyzer.statements.tree import Node, name_parts, walk

DATE, TIMESTAMP, TIMESTAMPTZ = "date", "timestamp", "timestamptz"
OIDS = {1082: DATE, 1114: TIMESTAMP, 1184: TIMESTAMPTZ}
SPOKEN = {DATE: "a date", TIMESTAMP: "a timestamp without time zone", TIMESTAMPTZ: "a timestamp with time zone"}
NOW = ("now", "transaction_timestamp", "statement_timestamp")
SQL_VALUES = {
    enums.SQLValueFunctionOp.SVFOP_CURRENT_DATE: DATE,
    enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP: TIMESTAMPTZ,
    enums.SQLValueFunctionOp.SVFOP_LOCALTIMESTAMP: TIMESTAMP,
}
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2})?)?")


def time_type(column: ColumnFacts | None) -> str | None:
    """date, timestamp or timestamptz; None for other columns, and for domains, which have operators of their base."""
    return OIDS.get(column.type_oid) if column is not None else None


def cast_type(node: Node | None) -> str | None:
    """The type of a cast, where it is one of time or interval without a precision."""
    if not isinstance(node, ast.TypeCast) or node.typeName.typmods or node.typeName.arrayBounds:
        return None
    *schema, name = name_parts(node.typeName.names)
    if schema not in ([], ["pg_catalog"]):
        return None
    return name if name in (DATE, TIMESTAMP, TIMESTAMPTZ, "interval") else None


def is_steady(node: Node) -> bool:
    """A value that is the same for all rows: of constants, parameters and the time of the transaction."""
    return not any(
        isinstance(part, (ast.ColumnRef, ast.SubLink))
        or (isinstance(part, ast.FuncCall) and own_name(part) not in (*NOW, "date_trunc"))
        for part in walk(node)
    )


def type_of(node: Node) -> str | None:
    """Of a steady value; None for a parameter, a bare constant, and what is not understood."""
    if not is_steady(node):
        return None
    if isinstance(node, ast.SQLValueFunction):
        return SQL_VALUES.get(node.op)
    if isinstance(node, ast.FuncCall):
        if own_name(node) in NOW:
            return TIMESTAMPTZ
        truncated = type_of(node.args[1]) if len(node.args or ()) == 2 else None
        return TIMESTAMPTZ if truncated == DATE else truncated
    if isinstance(node, ast.TypeCast):
        return cast_type(node) if cast_type(node) != "interval" else None
    if isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_OP and node.lexpr is not None:
        operator, left = ".".join(name_parts(node.name)), type_of(node.lexpr)
        if operator not in ("+", "-"):
            return None
        if left == DATE and integer_constant(node.rexpr) is not None:
            return DATE
        if left in (TIMESTAMP, TIMESTAMPTZ) and cast_type(node.rexpr) == "interval":
            return left
    return None


def day(value: str) -> date | None:
    """Of a constant written as 2024-01-31 in a year that has one after it."""
    try:
        found = date.fromisoformat(value) if ISO_DAY.fullmatch(value) else None
    except ValueError:
        return None
    return found if found is not None and 1 < found.year < 9999 else None


def moment(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if ISO_MOMENT.fullmatch(value) else None
    except ValueError:
        return None
    return found if found is not None and 1 < found.year < 9999 else None


def day_constant(value: date) -> ast.TypeCast:
    return cast(text(value.isoformat()), DATE)


def next_day(value: Node) -> Node:
    """``value + 1``; of a constant the day after it."""
    constant = string_constant(value.arg) if isinstance(value, ast.TypeCast) else None
    known = day(constant) if constant is not None else None
    return operation("+", value, integer(1)) if known is None else day_constant(known + timedelta(days=1))


def parameter(node: Node) -> int | None:
    """The number of ``$1`` or ``$1::type``."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node.number if isinstance(node, ast.ParamRef) else None
