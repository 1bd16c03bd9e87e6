"""Types and collations that the twin lacks, in the name of which it gets others, so that no table is lost over them.

A type becomes a base type of the same name and size that can do nothing: no operator, no index method knows it. A
column of it keeps its width and its share of nulls; whoever compares, sorts or searches by it is refused (uses.py).
A collation becomes one that sorts by code points and, as those of ICU, gives LIKE no range of an index.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from analyzer.monitored.catalog.planner_facts import CustomType
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.twin.cluster import ROLE, SCHEMA

# Types of the same size, passed alike, whose input functions make no more bytes than that, and what those are called.
# Source: pg_type.dat
_FIXED = {
    (1, True): ('"char"', "char"), (2, True): ("int2", "int2"), (4, True): ("int4", "int4"),
    (8, True): ("int8", "int8"), (6, False): ("macaddr", "macaddr_"), (16, False): ("uuid", "uuid_"),
    (24, False): ("circle", "circle_"), (32, False): ("box", "box_"), (64, False): ("name", "name"),
}  # fmt: skip
_VARYING = ("bytea", "bytea")
# takes (Point,4326) as well as (10): it says how many words there are
_MODIFIERS = f"""create function {SCHEMA}.modifiers(cstring[]) returns int4 language internal immutable strict
    as 'array_cardinality'"""
SORT_ORDERS = ("C.UTF-8", "C")  # the first is not PostgreSQL's C, whose indexes serve LIKE 'x%'


@dataclass(frozen=True, slots=True)
class StandInType:
    """``extension`` "": it is made of C functions that belong to none."""

    schema: str
    name: str
    extension: str

    @property
    def origin(self) -> str:
        return f"extension {self.extension}" if self.extension else "made of C functions"


@dataclass(frozen=True, slots=True)
class StandInCollation:
    """``kind``: what the server's is, in words; ``sorts_as``: the twin's order."""

    schema: str
    name: str
    kind: str
    sorts_as: str
    is_deterministic: bool = True


def create_types(
    connection: "psycopg.Connection[Any]", types: Sequence[CustomType], missing_extensions: Collection[str]
) -> list[StandInType]:
    """As superuser, before the schema is there: only names come from elsewhere, and they are quoted."""
    lacking = [t for t in types if not t.extension or t.extension in missing_extensions]
    if not lacking:
        return []
    connection.execute(_MODIFIERS)
    made = []
    for number, wanted in enumerate(lacking):
        like, prefix = _FIXED.get((wanted.size_bytes, wanted.is_by_value), _VARYING)
        name = qualified(wanted.schema, wanted.name)
        schema = quote_identifier(wanted.schema)
        text = f"""
            create schema if not exists {schema} authorization {ROLE};
            create type {name};
            create function {SCHEMA}.in_{number}(cstring) returns {name} language internal immutable strict
                as '{prefix}in';
            create function {SCHEMA}.out_{number}({name}) returns cstring language internal immutable strict
                as '{prefix}out';
            create type {name} (
                input = {SCHEMA}.in_{number}, output = {SCHEMA}.out_{number}, typmod_in = {SCHEMA}.modifiers,
                like = {like}
            )"""
        try:
            with connection.transaction():
                connection.execute(text.encode())
        except psycopg.Error:
            continue  # its tables are then missing, with the type's name as the reason
        made.append(StandInType(wanted.schema, wanted.name, wanted.extension))
    return made


def create_collation(
    connection: "psycopg.Connection[Any]", schema: str, name: str, *, kind: str, is_deterministic: bool = True
) -> StandInCollation | None:
    """As superuser. None where it cannot be made."""
    for order in SORT_ORDERS:
        try:
            with connection.transaction():
                text = qualified(schema, name)
                connection.execute(f"create collation {text} (provider = libc, locale = '{order}')".encode())
                if not is_deterministic:  # the planner asks: LIKE and pattern operator classes are not for those
                    connection.execute(
                        "update pg_collation set collisdeterministic = false from pg_namespace as n"
                        " where collname = %s and n.oid = collnamespace and n.nspname = %s",
                        [name, schema],
                    )
        except psycopg.Error:
            continue
        return StandInCollation(schema, name, kind, order, is_deterministic)
    return None


def replace_icu(connection: "psycopg.Connection[Any]") -> list[StandInCollation]:
    """As superuser: collations of the catalog's own that would fail when they are used, in a build without ICU."""
    try:
        connection.execute("select 'a' < 'b' collate \"unicode\"")
    except psycopg.Error:
        pass
    else:
        return []
    order = SORT_ORDERS[connection.info.parameter_status("server_encoding") != "UTF8"]
    rows = connection.execute(
        "update pg_collation set collprovider = 'c', collcollate = %s, collctype = %s, colllocale = null"
        " where collprovider = 'i' returning collname",
        [order, order],
    ).fetchall()
    return [StandInCollation("pg_catalog", name, "ICU", order) for (name,) in rows]
