"""``date(t) = d``, ``date_trunc('month', t) = m``, ``extract(year from t) = y`` as a range of the bare column.

The same rows of t's NULLs, too, in a condition that only AND and OR join: neither form is true of them. Days of a
timestamp with time zone begin where the session's zone says, of ``t AT TIME ZONE zone`` where that one does: not
midnight where a clock skips it. Where the hour after midnight comes twice in a night, both forms differ by that hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import moments
from analyzer.statements.equivalents.build import cast, integer, integer_constant, operation, string_constant, text
from analyzer.statements.equivalents.calls import own_name, parameters
from analyzer.statements.equivalents.comparisons import as_range, readings
from analyzer.statements.equivalents.moments import DATE, TIMESTAMP, TIMESTAMPTZ
from analyzer.statements.equivalents.notes import ANY_LENGTH, ONE_DAY, OTHER_SPAN, Notes
from analyzer.statements.equivalents.scopes import Tables, change_where, owner
from analyzer.statements.tree import Node, walk

SPANS = {"day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year"}
HOURS = {"hour": "1 hour", "minute": "1 minute", "second": "1 second"}
# their first moments stay apart in every time zone: none ever skipped more than a day
MORE_THAN_A_DAY = frozenset(SPANS) - {"day"}
ONE_MIDNIGHT = "the session's time zone has no night in which the hour after midnight comes twice, as in Havana"
MOST_RANGES = 20  # judgement: each is a scan of an index of its own
Bounds = Callable[[Node, Notes], tuple[Node, Node] | None]


@dataclass(frozen=True, slots=True)
class _Span:
    """What is computed of a column, and how a value of it becomes the range's start and end."""

    column: ast.ColumnRef
    bounds: Bounds
    by_zone: bool
    zone: Node | None = None  # of AT TIME ZONE, by which a day of the column begins


def column_to_range(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes such comparisons of its WHERE; whether there was one."""
    return change_where(select, facts, lambda node, tables: _range(node, tables, notes))


def _range(node: Node, tables: Tables, notes: Notes) -> Node | None:
    for compared in readings(node):
        needs = Notes(parts=notes.parts)
        span = _span(compared.left, tables, needs)
        notes.add(Notes(why_not=needs.why_not))
        if span is None or compared.operator == "<>":
            continue
        if compared.operator == "IN" and ANY_LENGTH in notes.assumptions:
            notes.refuse("the recorded text does not tell how many values its list has")
            return None
        if len(compared.values) > MOST_RANGES:
            notes.refuse(f"its list has more than {MOST_RANGES} values, each of which would be a range")
            return None
        bounds = [span.bounds(value, needs) for value in compared.values]
        known = [pair for pair in bounds if pair is not None]
        if len(known) < len(bounds):
            notes.refuse("what the column's day, month or year is compared with may be something in between")
            return None
        if span.zone is not None:
            known = [(_at(span.zone, start), _at(span.zone, end)) for start, end in known]
            _need_one_midnight(span.zone, needs)
        elif span.by_zone:
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
    column, zone = _of_zone(arguments[-1]) if arguments else (None, None)
    type_name = _type(column, tables) if isinstance(column, ast.ColumnRef) else None
    if type_name is None or (zone is not None and type_name != TIMESTAMPTZ):
        return None
    unit = _part(arguments[0], notes) if len(arguments) == 2 else ""
    by_zone = type_name == TIMESTAMPTZ
    type_name = TIMESTAMP if zone is not None else type_name
    if name == "date" and len(arguments) == 1 and type_name != DATE:
        return _Span(column, _day, by_zone, zone)
    if name in ("extract", "date_part") and unit == "year":
        return _Span(column, _year, by_zone, zone)
    if name == "date_trunc" and type_name != DATE:
        span = SPANS.get(unit) or (HOURS.get(unit) if not by_zone else None)
        if span is not None:
            return _Span(column, lambda value, needs: _unit(value, type_name, unit, span, needs), by_zone, zone)
    if name in ("extract", "date_part", "date_trunc") and isinstance(arguments[0], ast.ParamRef) and not unit:
        notes.refuse("the recorded text does not tell which part of the time it asks for")
    elif name in ("extract", "date_part", "date_trunc"):
        notes.refuse(f"what {name} gives is no one range of the column")
    return None


def _of_zone(node: Node) -> tuple[Node, Node | None]:
    """``t`` and the zone of ``t AT TIME ZONE zone``."""
    if isinstance(node, ast.FuncCall) and own_name(node) == "timezone" and len(node.args) == 2:
        zone, column = node.args
        if string_constant(zone) is not None or isinstance(zone, ast.ParamRef):
            return column, zone
    return node, None


def _at(zone: Node, start: Node) -> Node:
    """``start::timestamp AT TIME ZONE zone``."""
    if moments.cast_type(start) == DATE and string_constant(start.arg) is not None:
        start = start.arg
    return ast.FuncCall(
        funcname=(ast.String(sval="pg_catalog"), ast.String(sval="timezone")),
        args=(zone, start if moments.type_of(start) == TIMESTAMP else cast(start, TIMESTAMP)),
        funcformat=enums.CoercionForm.COERCE_SQL_SYNTAX,
    )


def _need_one_midnight(zone: Node, notes: Notes) -> None:
    name = string_constant(zone)
    if name is None:
        notes.need(ONE_MIDNIGHT.replace("the session's time zone", f"the time zone ${zone.number}"))
    elif name.upper() != "UTC":
        notes.need(ONE_MIDNIGHT.replace("the session's time zone", f"the time zone {name}"))


def _part(node: Node, notes: Notes) -> str:
    """The part of a time that is asked for; "" where it is not known."""
    number = moments.parameter(node)
    if number is None:
        return (string_constant(node) or "").lower()
    if number in notes.parts:
        notes.need(f"the statement's ${number} is '{notes.parts[number]}', as in the plan")
    return notes.parts.get(number, "")


def _type(column: ast.ColumnRef, tables: Tables) -> str | None:
    owned = owner(column, tables)
    return None if owned is None else moments.time_type(tables[owned[0]].column(owned[1]))


def _day(value: Node, notes: Notes) -> tuple[Node, Node] | None:
    constant = string_constant(value)
    if isinstance(value, ast.ParamRef):
        value = cast(value, DATE)
    elif constant is not None:
        known = moments.day(constant)
        if known is None:
            return None
        value = moments.day_constant(known)
    return (value, moments.next_day(value)) if _is_day(value, notes) else None


def _is_day(value: Node, notes: Notes) -> bool:
    """Whether it is a date, and written as one where it is constant; of parameters their giver has to know."""
    times = [node for node in walk(value) if moments.cast_type(node) in moments.SPOKEN]
    constants = [constant for node in times if (constant := string_constant(node.arg)) is not None]
    if moments.type_of(value) != DATE or any(moments.moment(constant) is None for constant in constants):
        return False
    while isinstance(value, ast.A_Expr):  # a date and a number of days
        value = value.lexpr
    if (number := moments.parameter(value)) is not None:
        notes.need(f"${number} is a date, and not infinity")
    return True


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
    elif unit in SPANS and _is_day(value, notes) and _is_first_day(value, unit, notes):
        if (unit, type_name) == ("day", TIMESTAMP):
            return value, moments.next_day(value)
        start = cast(value, type_name)
    elif (truncated := _as_truncated(value, type_name, unit, notes)) is not None:
        start = truncated
    else:
        return None
    end = operation("+", start, cast(text(span), "interval"))
    return start, _truncated(unit, end) if type_name == TIMESTAMPTZ else end


def _is_first_day(value: Node, unit: str, notes: Notes) -> bool:
    """Whether a date begins a unit: each does a day."""
    number, constant = moments.parameter(value), string_constant(getattr(value, "arg", None))
    if unit != "day" and number is not None:
        notes.need(f"${number} is the first day of a {unit}")
        return True
    known = moments.moment(constant) if constant is not None else None
    return unit == "day" or (known is not None and _begins(known, unit))


def _truncated(unit: str, value: Node) -> Node:
    """Of a time that a day later is not the first moment of one."""
    return ast.FuncCall(
        funcname=(ast.String(sval="date_trunc"),),
        args=(text(unit), value),
        funcformat=enums.CoercionForm.COERCE_EXPLICIT_CALL,
    )


def _as_truncated(value: Node, type_name: str, unit: str, notes: Notes) -> Node | None:
    """What date_trunc gives for the unit, of the column's type: with and without a time zone they compare alike."""
    if not isinstance(value, ast.FuncCall) or own_name(value) != "date_trunc" or len(value.args) != 2:
        return None
    given, arg = moments.type_of(value), value.args[1]
    constants = [constant for node in walk(arg) if (constant := string_constant(node)) is not None]
    if _part(value.args[0], notes) != unit or any("inf" in constant.lower() for constant in constants):
        return None
    for number in parameters(arg):
        notes.need(f"${number} is not infinity")
    if given == type_name:
        return _truncated(unit, arg)
    if given == TIMESTAMP:
        return cast(_truncated(unit, arg), type_name)
    return _truncated(unit, cast(arg, TIMESTAMP)) if given and unit in MORE_THAN_A_DAY else None


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
