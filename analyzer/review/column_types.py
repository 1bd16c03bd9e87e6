"""Types of columns as the catalog and a migration write them, and whether changing one into another rewrites rows.

Source: ATColumnChangeRequiresRewrite() in tablecmds.c, the prosupport functions of the length coercions, and pg_cast's
binary-coercible casts; tests/review/test_locks.py compares it with servers.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, log10
from typing import Literal

from pglast import ast

from analyzer.statements.tree import Node, Unparsable, name_parts, single_statement

Change = Literal["none", "rewrite", "in utc"]

SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8", "smallserial": "int2",
           "serial2": "int2"}  # fmt: skip
# names that the parser leaves as they are written
ALIASES = {"character varying": "varchar", "string": "text"}
# text without and varchar with a length have the same bytes (pg_cast.castmethod b)
SAME_BYTES = frozenset({
    ("varchar", "text"), ("text", "varchar"), ("cidr", "inet"), ("bit", "varbit"), ("varbit", "bit"), ("xml", "text"),
    ("xml", "varchar"), ("oid", "int4"), ("int4", "oid"), ("oid", "regclass"), ("regclass", "oid"),
})  # fmt: skip
# a longer length, or none, takes every value as it is
WITH_LENGTH = frozenset({"varchar", "varbit"})
WITH_PRECISION = frozenset({"timestamp", "timestamptz", "time", "timetz"})
MOST_PRECISION = 6
FIELDS = {"second": 1 << 12, "minute": 1 << 11, "hour": 1 << 10, "day": 1 << 3, "month": 1 << 1, "year": 1 << 2}
BITS = {"int2": 15, "int4": 31, "int8": 63}  # without the sign's
STRINGS = frozenset({"text", "varchar", "bpchar"})
NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"})
# pg_cast's casts in assignment, beside those among numbers and among strings, and those to strings
BY_ITSELF = frozenset({
    ("date", "timestamp"), ("date", "timestamptz"), ("timestamp", "date"), ("timestamp", "time"),
    ("timestamp", "timestamptz"), ("timestamptz", "date"), ("timestamptz", "time"), ("timestamptz", "timetz"),
    ("timestamptz", "timestamp"), ("time", "interval"), ("time", "timetz"), ("timetz", "time"), ("interval", "time"),
    ("json", "jsonb"), ("jsonb", "json"), ("cidr", "inet"), ("inet", "cidr"),
})  # fmt: skip
# pg_cast's explicit ones among these, but for integers and bytea, since 18
WRITTEN_OUT = frozenset({
    ("bool", "int4"), ("int4", "bool"), *(("jsonb", name) for name in (*NUMBERS, "bool")),
})  # fmt: skip
# whose values are cut or rounded; beside numbers that keep their digits
LOSSY = frozenset({
    *((of, part) for of in ("timestamp", "timestamptz") for part in ("date", "time")), ("timestamptz", "timetz"),
    ("float8", "float4"), *((of, whole) for of in ("float4", "float8") for whole in BITS),
})  # fmt: skip
FLOAT_DIGITS = {"float4": 6, "float8": 15}  # decimal digits that come back as they were (FLT_DIG, DBL_DIG)
CASTABLE = STRINGS | NUMBERS | {
    "bool", "date", "timestamp", "timestamptz", "time", "timetz", "interval", "uuid", "json", "jsonb", "bytea", "inet",
    "cidr",
}  # fmt: skip
INTEGERS, FLOATS = frozenset(BITS), frozenset({"float4", "float8"})
# types of different families have no "=" that an index of the other serves
FAMILIES = (
    STRINGS, INTEGERS, FLOATS, frozenset({"date", "timestamp", "timestamptz"}), frozenset({"inet", "cidr"}),
    *(frozenset({name}) for name in ("numeric", "time", "timetz", "interval", "bool", "uuid", "jsonb", "bytea")),
)  # fmt: skip
# what becomes the referenced type unasked (pg_cast's implicit ones)
IMPLICIT = frozenset({
    *((of, to) for of in INTEGERS for to in ("numeric", *FLOATS)), ("numeric", "float4"), ("numeric", "float8"),
    ("time", "timetz"), ("time", "interval"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnType:
    """``name`` as pg_type has it (int4, varchar); ``schema`` is "" for the catalog's own and where none was written."""

    name: str
    modifiers: tuple[int, ...] = ()
    is_array: bool = False
    schema: str = ""
    fields: int = 0  # of an interval: which it keeps, as bits (timestamp.h); 0: all

    @property
    def is_serial(self) -> bool:
        return self.name in SERIALS and not self.schema


def type_of(node: Node) -> ColumnType:
    parts = name_parts(node.names)
    schema = parts[-2] if len(parts) > 1 and parts[-2] != "pg_catalog" else ""
    modifiers = tuple(
        m.val.ival for m in node.typmods or () if isinstance(m, ast.A_Const) and isinstance(m.val, ast.Integer)
    )
    name = ALIASES.get(parts[-1], parts[-1])
    fields = 0
    if name == "interval":
        fields, modifiers = _interval(modifiers)
    return ColumnType(name, modifiers, bool(node.arrayBounds), schema, fields)


@lru_cache(maxsize=512)
def type_named(text: str) -> ColumnType | None:
    """Of format_type()'s text; None where the parser does not take it."""
    statement = single_statement(f"SELECT NULL::{text}")
    if isinstance(statement, Unparsable) or not isinstance(statement, ast.SelectStmt):
        return None
    value = statement.targetList[0].val
    return type_of(value.typeName) if isinstance(value, ast.TypeCast) else None


def change(old: ColumnType, new: ColumnType) -> Change:
    """What ALTER COLUMN TYPE does to the rows, by the plain cast; "in utc": nothing while TimeZone is UTC."""
    if old == new:
        return "none"
    if old.name == new.name and _least_field(new) > _least_field(old):
        return "rewrite"
    if old.name == new.name and not new.modifiers and (old.is_array, old.schema) == (new.is_array, new.schema):
        return "none"  # no length to coerce to
    if old.is_array or new.is_array or old.schema or new.schema:
        return "rewrite"
    if old.name != new.name:
        if {old.name, new.name} == {"timestamp", "timestamptz"}:
            return "in utc" if _keeps_precision(old, new) else "rewrite"
        if (old.name, new.name) not in SAME_BYTES or new.modifiers:
            return "rewrite"
        return "none"
    if old.name in WITH_LENGTH:
        return "none" if old.modifiers and new.modifiers[0] >= old.modifiers[0] else "rewrite"
    if old.name in WITH_PRECISION or old.name == "interval":
        return "none" if _least_field(old) or _keeps_precision(old, new) else "rewrite"
    if old.name == "numeric":
        return "none" if _keeps_digits(old, new) else "rewrite"
    return "rewrite"


def loses_values(old: ColumnType, new: ColumnType) -> bool:
    """Whether values that the old type takes do not fit into the new one, or come back changed."""
    if old.is_array != new.is_array:
        return False
    before, after = _digits(old), _digits(new)
    if before is not None and after is not None:
        return after.whole < before.whole or after.scale < before.scale
    if old.name == new.name and not old.schema and old.name in (*WITH_LENGTH, *WITH_PRECISION, "bit", "interval"):
        return change(replace(old, is_array=False), replace(new, is_array=False)) == "rewrite"
    if old.schema or new.schema:
        return False
    if new.name in FLOAT_DIGITS and before is not None:
        return before.whole + before.scale > FLOAT_DIGITS[new.name]
    longest, most = _longest(old), _longest(new)
    if longest is not None and most is not None:
        return longest > most
    return (old.name, new.name) in LOSSY


def _longest(of: ColumnType) -> float | None:
    """Characters of its longest value, where it becomes a string or is one; None of other types."""
    if of.name in STRINGS:
        return of.modifiers[0] if of.modifiers else inf
    return len(str(-(2 ** BITS[of.name]))) if of.name in BITS else None


@dataclass(frozen=True, slots=True)
class _Digits:
    """The most that a number has before the point, and after it; an integer type's largest is no round one."""

    whole: float
    scale: float


def _digits(of: ColumnType) -> _Digits | None:
    """None of what is no exact number."""
    if of.schema:
        return None
    if of.name != "numeric":
        return _Digits(log10(2 ** BITS[of.name]), 0) if of.name in BITS else None
    if not of.modifiers:
        return _Digits(inf, inf)
    digits, scale = (*of.modifiers, 0)[:2]
    return _Digits(digits - scale, scale)


def needs_using(old: ColumnType, new: ColumnType) -> bool:
    """Whether ALTER COLUMN TYPE fails without USING, since no cast leads there by itself."""
    pair = old.name, new.name
    if old.is_array or new.is_array or old.schema or new.schema or not CASTABLE.issuperset(pair):
        return False
    return pair not in BY_ITSELF and pair[0] != pair[1] and new.name not in STRINGS and not NUMBERS.issuperset(pair)


def is_castable(old: ColumnType, new: ColumnType) -> bool:
    """Of types that need USING: whether a cast that is written leads there; any string is read as the new type."""
    return old.name in STRINGS or (old.name, new.name) in WRITTEN_OUT


def are_comparable(referencing: ColumnType, referenced: ColumnType) -> bool | None:
    """Whether a foreign key may be of these types; None where it is not known."""
    if referencing.is_array or referenced.is_array or referencing.schema or referenced.schema:
        return None
    names = [SERIALS.get(of.name, of.name) for of in (referencing, referenced)]
    families = [next((family for family in FAMILIES if name in family), None) for name in names]
    if None in families:
        return None
    return families[0] == families[1] or (names[0], names[1]) in IMPLICIT


def _keeps_precision(old: ColumnType, new: ColumnType) -> bool:
    if not new.modifiers:
        return True
    return (old.modifiers[0] if old.modifiers else MOST_PRECISION) <= new.modifiers[0] or (
        new.modifiers[0] >= MOST_PRECISION
    )


def _keeps_digits(old: ColumnType, new: ColumnType) -> bool:
    if not new.modifiers:
        return True
    if not old.modifiers:
        return False
    (digits, scale), (new_digits, new_scale) = (((*m, 0)[:2]) for m in (old.modifiers, new.modifiers))
    return scale == new_scale and new_digits >= digits


def _interval(modifiers: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Fields, 0 for all, and precision."""
    every = 0x7FFF
    fields = modifiers[0] if modifiers and modifiers[0] != every else 0
    return fields, modifiers[1:]


def fields_words(of: ColumnType) -> str:
    """Of an interval, as a statement has them: " day to second"."""
    names = [name for name, bit in FIELDS.items() if of.fields & bit]
    return "" if not names else f" {names[0]}" if len(names) == 1 else f" {names[-1]} to {names[0]}"


def _least_field(of: ColumnType) -> int:
    """0 of what keeps seconds."""
    return next((n for n, bit in enumerate(FIELDS.values()) if of.fields & bit), 0)
