"""``t + interval '1 hour' > now()`` as ``t > now() - interval '1 hour'``; ``now() - t < interval '1 day'`` likewise.

Exact where the interval is a certain time. Months are not, and a day of a session's time zone is not where the clock
changes: those with days are the same in a zone whose clock does not. The difference of two times is compared with an
interval of days as with so many times 24 hours, so it is written in hours.
"""

import re

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import moments
from analyzer.statements.equivalents.build import cast, operation, string_constant, text
from analyzer.statements.equivalents.comparisons import TURNED, Compared, readings
from analyzer.statements.equivalents.moments import DATE, TIMESTAMP, TIMESTAMPTZ
from analyzer.statements.equivalents.notes import SINCE, UNTIL, Notes
from analyzer.statements.equivalents.scopes import Tables, change_where, owner
from analyzer.statements.tree import Node, operator_name

SECONDS = {
    "second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86_400, "week": 604_800,
}  # fmt: skip
PART = re.compile(r"\s*(\d{1,6})\s*([a-z]+?)s?(?=\s|$)", re.IGNORECASE)
CLOCK_STAYS = "the clock of the session's time zone does not change, as in UTC"
OPPOSITE = {"+": "-", "-": "+"}


def interval_to_other_side(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes such comparisons of its WHERE; whether there was one."""
    return change_where(select, facts, lambda node, tables: _moved(node, tables, notes))


def _moved(node: Node, tables: Tables, notes: Notes) -> Node | None:
    for compared in readings(node):
        side = compared.left
        if compared.last is not None or not isinstance(side, ast.A_Expr) or side.lexpr is None:
            continue
        if side.kind != enums.A_Expr_Kind.AEXPR_OP or len(side.name) != 1 or operator_name(side) not in OPPOSITE:
            continue
        for read in (_from_sum, _from_difference):
            needs = Notes()
            moved = read(compared, side, tables, needs)
            if moved is not None:
                needs.form(SINCE if operator_name(moved) in (">", ">=") else UNTIL)
            if moved is not None or needs.why_not:
                notes.add(needs if moved is not None else Notes(why_not=needs.why_not))
                return moved
    return None


def _from_sum(compared: Compared, side: ast.A_Expr, tables: Tables, notes: Notes) -> Node | None:
    operator, column, interval = operator_name(side), side.lexpr, side.rexpr
    if operator == "+" and moments.cast_type(column) == "interval":
        column, interval = interval, column
    type_name = _type(column, tables)
    if type_name in (None, DATE) or moments.cast_type(interval) != "interval":
        return None
    value, value_type = compared.value, moments.type_of(compared.value)
    if isinstance(value, ast.ParamRef):
        notes.need(f"${value.number} is {moments.SPOKEN[type_name]}")
        value, value_type = cast(value, type_name), type_name
    if value_type is None or _has_months(interval, notes):
        return None
    if value_type == DATE:
        value_type = TIMESTAMP
    if value_type != type_name or (type_name == TIMESTAMPTZ and _has_days(interval)):
        notes.need(CLOCK_STAYS)
    return operation(compared.operator, column, operation(OPPOSITE[operator], value, interval))


def _from_difference(compared: Compared, side: ast.A_Expr, tables: Tables, notes: Notes) -> Node | None:
    """``now() - t < interval``, ``t - now() < interval``."""
    interval = compared.value
    if operator_name(side) != "-" or moments.cast_type(interval) != "interval":
        return None
    is_first = _type(side.lexpr, tables) is not None
    column, other = (side.lexpr, side.rexpr) if is_first else (side.rexpr, side.lexpr)
    type_name, other_type = _type(column, tables), moments.type_of(other)
    if type_name in (None, DATE) or other_type in (None, DATE):
        return None
    constant, number = string_constant(interval.arg), moments.parameter(interval)
    if number is not None:
        notes.need(f"${number} holds hours, minutes or seconds, no days")
    elif constant is None or _has_months(interval, notes):
        return None
    else:
        total = sum(number * SECONDS[unit] for number, unit in _parts(constant) or ())
        interval = cast(text(f"{total // 3600} hours" if total % 3600 == 0 else f"{total} seconds"), "interval")
    if other_type != type_name:
        notes.need(CLOCK_STAYS)
    if is_first:
        return operation(compared.operator, column, operation("+", other, interval))
    return operation(TURNED[compared.operator], column, operation("-", other, interval))


def _type(column: Node, tables: Tables) -> str | None:
    owned = owner(column, tables)
    return None if owned is None else moments.time_type(tables[owned[0]].column(owned[1]))


def _parts(interval: str) -> list[tuple[int, str]] | None:
    """Numbers and units; None for what holds others than weeks, days, hours, minutes and seconds."""
    found, at = [], 0
    while at < len(interval.rstrip()):
        part = PART.match(interval, at)
        if part is None or part[2].lower() not in SECONDS:
            return None
        found.append((int(part[1]), part[2].lower()))
        at = part.end()
    return found or None


def _has_months(interval: ast.TypeCast, notes: Notes) -> bool:
    """Or may have; of a parameter its giver has to know."""
    constant, number = string_constant(interval.arg), moments.parameter(interval)
    if number is not None:
        notes.need(f"${number} has no months or years")
        return False
    if constant is not None and _parts(constant) is not None:
        return False
    notes.refuse("the interval may hold months, which are not the same on the other side")
    return True


def _has_days(interval: ast.TypeCast) -> bool:
    constant = string_constant(interval.arg)
    return constant is None or any(unit in ("day", "week") for _, unit in _parts(constant) or ())
