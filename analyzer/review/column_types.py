"""Types of columns as the catalog and a migration write them, and whether changing one into another rewrites rows.

Source: ATColumnChangeRequiresRewrite() in tablecmds.c, the prosupport functions of the length coercions, and pg_cast's
binary-coercible casts; tests/review/test_locks.py compares it with servers.
"""

from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, slots=True)
class ColumnType:
    """``name`` as pg_type has it (int4, varchar); ``schema`` is "" for the catalog's own and where none was written."""

    name: str
    modifiers: tuple[int, ...] = ()
    is_array: bool = False
    schema: str = ""

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
    if name == "interval":
        modifiers = _interval(modifiers)
    return ColumnType(name, modifiers, bool(node.arrayBounds), schema)


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
    if old.is_array or new.is_array or old.schema or new.schema:
        return "rewrite"
    if old.name != new.name:
        if {old.name, new.name} == {"timestamp", "timestamptz"}:
            return "in utc" if _keeps_precision(old, new) else "rewrite"
        if (old.name, new.name) not in SAME_BYTES or new.modifiers:
            return "rewrite"
        return "none"
    if old.name in WITH_LENGTH:
        return "none" if not new.modifiers or (old.modifiers and new.modifiers[0] >= old.modifiers[0]) else "rewrite"
    if old.name in WITH_PRECISION or old.name == "interval":
        return "none" if _keeps_precision(old, new) else "rewrite"
    if old.name == "numeric":
        return "none" if _keeps_digits(old, new) else "rewrite"
    return "rewrite"


def loses_values(old: ColumnType, new: ColumnType) -> bool:
    """Whether values that the old type takes do not fit into the new one, or come back changed."""
    whole = ("int2", "int4", "int8", "numeric")
    if old.name in whole and new.name in whole and (new.name != "numeric" or not new.modifiers):
        return whole.index(new.name) < whole.index(old.name)
    if old.name == new.name:
        return change(old, new) == "rewrite" and old.name not in ("bpchar",)
    return False


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


def _interval(modifiers: tuple[int, ...]) -> tuple[int, ...]:
    """Fields and precision, of which the fields are all where none are named."""
    every = 0x7FFF
    if not modifiers or modifiers == (every,):
        return ()
    return (modifiers[1],) if len(modifiers) == 2 and modifiers[0] == every else modifiers
