"""``date(t) = d``, ``date_trunc('month', t) = m``, ``extract(year from t) = y`` as a range of the bare column.

The same rows of t's NULLs, too, in a condition that only AND and OR join: neither form is true of them. Days of a
timestamp with time zone begin where the session's zone says, which is not midnight where a clock skips it; where the
hour after midnight comes twice in a night, the two forms differ by that hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import moments
from analyzer.statements.equivalents.build import cast, integer, integer_constant, operation, string_constant, text
from analyzer.statements.equivalents.calls import own_name
from analyzer.statements.equivalents.comparisons import as_range, readings
from analyzer.statements.equivalents.moments import DATE, TIMESTAMP, TIMESTAMPTZ
from analyzer.statements.equivalents.notes import ONE_DAY, OTHER_SPAN, Notes
from analyzer.statements.equivalents.scopes import Tables, change_where, owner
from analyzer.statements.tree import Node

SPANS = {"day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year"}
HOURS = {"hour": "1 hour", "minute": "1 minute", "second": "1 second"}
ONE_MIDNIGHT = "the session's time zone has no night in which the hour after midnight comes twice, as in Havana"
Bounds = Callable[[Node, Notes], tuple[Node, Node] | None]


@dataclass(frozen=True, slots=True)
class _Span:
    """What is computed of a column, and how a value of it becomes the range's start and end."""

    column: ast.ColumnRef
    bounds: Bounds
    by_zone: bool


def column_to_range(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes such comparisons of its WHERE; whether there was one."""
    return change_where(select, facts, lambda node, tables: _range(node, tables, notes))


def _range(node: Node, tables: Tables, notes: Notes) -> Node | None:
    for compared in readings(node):
        needs, span = Notes(), _span(compared.left, tables, notes)
        if span is None or compared.operator == "<>":
            continue
        bounds = [span.bounds(value, needs) for value in compared.values]
        known = [pair for pair in bounds if pair is not None]
        if len(known) < len(bounds):
            notes.refuse("what the column's day, month or year is compared with may be something in between")
            return None
        if span.by_zone:
            needs.need(ONE_MIDNIGHT)
        notes.add(needs)
        notes.form(ONE_DAY if compared.operator == "=" and span.bounds is _day else OTHER_SPAN)
        return as_range(compared, span.column, [start for start, _ in known], [end for _, end in known])
    return None


def _span(node: Node, tables: Tables, notes: Notes) -> _Span | None:
    arguments = list(getattr(node, "args", None) or ()) if isinstance(node, ast.FuncCall) else []
    name = own_name(node) if isinstance(node, ast.FuncCall) else ""
    if moments.cast_type(node) == DATE:
        name, arguments = "date", [node.arg]
    if not arguments or not isinstance(arguments[-1], ast.ColumnRef):
        return None
    type_name = _type(arguments[-1], tables)
    if type_name is None:
        return None
    unit = (string_constant(arguments[0]) or "").lower() if len(arguments) == 2 else ""
    by_zone = type_name == TIMESTAMPTZ
    if name == "date" and len(arguments) == 1 and type_name != DATE:
        return _Span(arguments[0], _day, by_zone)
    if name in ("extract", "date_part") and unit == "year":
        return _Span(arguments[1], _year, by_zone)
    if name == "date_trunc" and type_name != DATE:
        span = SPANS.get(unit) or (HOURS.get(unit) if type_name == TIMESTAMP else None)
        if span is not None:
            return _Span(arguments[1], lambda value, needs: _unit(value, type_name, unit, span, needs), by_zone)
    if name in ("extract", "date_part", "date_trunc") and isinstance(arguments[0], ast.ParamRef):
        notes.refuse("the recorded text does not tell which part of the time it asks for")
    elif name in ("extract", "date_part", "date_trunc"):
        notes.refuse(f"what {name} gives is no one range of the column")
    return None


def _type(column: ast.ColumnRef, tables: Tables) -> str | None:
    owned = owner(column, tables)
    return None if owned is None else moments.time_type(tables[owned[0]].column(owned[1]))


def _day(value: Node, notes: Notes) -> tuple[Node, Node] | None:
    number, constant = moments.parameter(value), string_constant(value)
    if isinstance(value, ast.ParamRef):
        value = cast(value, DATE)
    elif constant is not None:
        known = moments.day(constant)
        if known is None:
            return None
        value = moments.day_constant(known)
    if moments.type_of(value) != DATE:
        return None
    if number is not None:
        notes.need(f"${number} is a date, and not infinity")
    written = string_constant(value.arg) if isinstance(value, ast.TypeCast) else None
    if written is not None and moments.day(written) is None:
        return None
    return value, moments.next_day(value)


def _year(value: Node, notes: Notes) -> tuple[Node, Node] | None:
    number, constant = moments.parameter(value), integer_constant(value)
    if constant is not None and 1 <= constant < 9999:
        return moments.day_constant(date(constant, 1, 1)), moments.day_constant(date(constant + 1, 1, 1))
    if number is None:
        return None
    notes.need(f"${number} is a whole year, from 1 on")
    year = cast(ast.ParamRef(number=number), "int")
    return _first_of(year), _first_of(operation("+", year, integer(1)))


def _first_of(year: Node) -> Node:
    return ast.FuncCall(
        funcname=(ast.String(sval="make_date"),),
        args=(year, integer(1), integer(1)),
        funcformat=enums.CoercionForm.COERCE_EXPLICIT_CALL,
    )


def _unit(value: Node, type_name: str, unit: str, span: str, notes: Notes) -> tuple[Node, Node] | None:
    """Of what is the first moment of a unit: by itself, by date_trunc, or as the parameter's giver has to know."""
    number, constant = moments.parameter(value), string_constant(value)
    if constant is None and isinstance(value, ast.TypeCast) and moments.cast_type(value) == type_name:
        constant = string_constant(value.arg)
    if constant is not None:
        known = moments.moment(constant)
        if known is None or not _begins(known, unit):
            return None
        start: Node = cast(text(constant), type_name)
    elif number is not None and (isinstance(value, ast.ParamRef) or moments.type_of(value) == type_name):
        notes.need(f"${number} is the first moment of a {unit}, {moments.SPOKEN[type_name]}, and not infinity")
        start = cast(ast.ParamRef(number=number), type_name)
    elif _truncates(value, unit) and moments.type_of(value) == type_name:
        start = value
    else:
        return None
    end = operation("+", start, cast(text(span), "interval"))
    return start, _truncated(unit, end) if type_name == TIMESTAMPTZ else end


def _truncated(unit: str, value: Node) -> Node:
    """Of a time that a day later is not the first moment of one."""
    return ast.FuncCall(
        funcname=(ast.String(sval="date_trunc"),),
        args=(text(unit), value),
        funcformat=enums.CoercionForm.COERCE_EXPLICIT_CALL,
    )


def _truncates(value: Node, unit: str) -> bool:
    return (
        isinstance(value, ast.FuncCall)
        and own_name(value) == "date_trunc"
        and len(value.args) == 2
        and (string_constant(value.args[0]) or "").lower() == unit
    )


def _begins(value: datetime, unit: str) -> bool:
    """Whether it is the first moment of a unit."""
    clock = (value.hour, value.minute, value.second)
    if unit in HOURS:
        return not any(clock[("hour", "minute", "second").index(unit) + 1 :])
    if any(clock):
        return False
    first = {
        "day": True,
        "week": value.weekday() == 0,
        "month": value.day == 1,
        "quarter": value.day == 1 and value.month % 3 == 1,
        "year": value.day == 1 and value.month == 1,
    }
    return first[unit]
