"""What CREATE STATISTICS objects know, which pg_dump before 19 leaves out: distinct groups and dependencies.

PostgreSQL 18 takes no such value as text, so it is made of bytes here, out of checked numbers alone. Source:
mvdistinct.c (statext_ndistinct_serialize) and dependencies.c (statext_dependencies_serialize), unchanged since 10.
Most common combinations of values are not copied: their bytes hold values of the columns' own types.
"""

import math
import re
import struct
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from analyzer.monitored.catalog.planner_facts import ExtendedStatistics
from analyzer.twin.restore import Missing

NDISTINCT_MAGIC, DEPENDENCIES_MAGIC, BASIC_TYPE = 0xA352BFA4, 0xB4549A2C, 1
MOST_COLUMNS = 8  # STATS_MAX_DIMENSIONS
_HEADER = struct.Struct("=III")  # magic, type, number of items
# "1, 3": 40   and   "1, 3 => 4": 0.95
_ITEM = re.compile(r'"(?P<columns>[-\d, ]+?)(?: => (?P<implied>-?\d+))?": (?P<value>[-+\d.e]+)')
_COLUMNS_OF_ITEM = re.compile(r'"[-\d, =>]+"')
_KEYS = """
select n.nspname, x.stxname, x.oid::int8, x.stxkeys::int2[]
from pg_statistic_ext as x join pg_namespace as n on n.oid = x.stxnamespace
"""
_INSERT = """
insert into pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies)
values (%s::oid, %s, %s::bytea::pg_ndistinct, %s::bytea::pg_dependencies)
"""
_OBJECTS = """
select x.stxrelid::int8, x.oid::int8, n.nspname, x.stxname, x.stxkeys::int2[], pg_get_statisticsobjdef(x.oid),
    d.stxdinherit, d.stxdndistinct::text, d.stxddependencies::text
from pg_statistic_ext as x
join pg_namespace as n on n.oid = x.stxnamespace
left join pg_statistic_ext_data as d on d.stxoid = x.oid
where x.stxrelid = any (%s::int8[]::oid[])
order by n.nspname, x.stxname
"""
# binary ones, and only for this transaction: with them anybody could make values of any bytes
_CASTS = "create cast (bytea as pg_ndistinct) without function; create cast (bytea as pg_dependencies) without function"
_NO_CASTS = "drop cast (bytea as pg_ndistinct); drop cast (bytea as pg_dependencies)"


def restore_extended_statistics(
    connection: "psycopg.Connection[Any]", statistics: Sequence[ExtendedStatistics]
) -> list[Missing]:
    """As superuser. What is there and could not be copied."""
    if not statistics:
        return []
    here = {(schema, name): (oid, keys) for schema, name, oid, keys in connection.execute(_KEYS).fetchall()}
    missing = {}
    with connection.transaction():
        connection.execute(_CASTS)
        for one in statistics:
            oid, keys = here.get((one.schema, one.name), (None, []))
            if oid is None or len(keys) != len(one.keys):
                continue  # the object itself is missing, and said to be
            name = f"{one.schema}.{one.name}"
            if not one.is_readable:
                missing[name] = Missing("extended statistics", name, "only the owner of the table may read them")
                continue
            # columns dropped on the server left no number here; their order is the same
            numbers = {**dict(zip(one.keys, keys, strict=True)), **{-n: -n for n in range(1, MOST_COLUMNS + 1)}}
            values = (ndistinct_bytes(one.n_distinct, numbers), dependencies_bytes(one.dependencies, numbers))
            for inherited in (False, True) if one.is_inherited is None else (one.is_inherited,):
                connection.execute(_INSERT, [oid, inherited, *values])
            if one.has_common_values:
                missing[name] = Missing("extended statistics", name, "most common combinations are not copied")
        connection.execute(_NO_CASTS)
    return list(missing.values())


@dataclass(frozen=True, slots=True)
class ExtendedObject:
    """A CREATE STATISTICS object here; ``name``: "schema.name".

    ``statistics``: "" and " inherited" -> what is known, columns by their place in the object, from 1.
    """

    oid: int
    name: str
    definition: str
    keys: tuple[int, ...]
    statistics: dict[str, dict[str, str | None]] = field(default_factory=dict)


def read_extended_statistics(
    superuser: "psycopg.Connection[Any]", tables: Collection[int]
) -> Mapping[int, list[ExtendedObject]]:
    """Of tables by oid; one that has none may be asked for all the same."""
    objects: defaultdict[int, dict[int, ExtendedObject]] = defaultdict(dict)
    for table, oid, schema, name, keys, definition, inherited, *texts in superuser.execute(
        _OBJECTS, [list(tables)]
    ).fetchall():
        seen = objects[table].setdefault(oid, ExtendedObject(oid, f"{schema}.{name}", definition, tuple(keys)))
        places = {key: place for place, key in enumerate(keys, start=1)}
        placed = [_renumbered(text, places) for text in texts]
        if any(placed):
            seen.statistics[" inherited" if inherited else ""] = dict(
                zip(("n_distinct", "dependencies"), placed, strict=True)
            )
    return defaultdict(list, {table: list(of_table.values()) for table, of_table in objects.items()})


def set_extended_statistics(
    superuser: "psycopg.Connection[Any]", object_: ExtendedObject, suffix: str, statistics: Mapping[str, str | None]
) -> None:
    """What ``read_extended_statistics`` told of it at another moment; empty: nothing is known."""
    numbers = {**dict(enumerate(object_.keys, start=1)), **{-n: -n for n in range(1, MOST_COLUMNS + 1)}}
    values = (
        ndistinct_bytes(statistics.get("n_distinct"), numbers),
        dependencies_bytes(statistics.get("dependencies"), numbers),
    )
    inherited = bool(suffix)
    with superuser.transaction():
        superuser.execute(
            "delete from pg_statistic_ext_data where stxoid = %s::oid and stxdinherit = %s", [object_.oid, inherited]
        )
        if any(values):
            superuser.execute(_CASTS)
            superuser.execute(_INSERT, [object_.oid, inherited, *values])
            superuser.execute(_NO_CASTS)


def _renumbered(text: str | None, numbers: Mapping[int, int]) -> str | None:
    """With other numbers for the columns; expressions, which are negative, keep theirs."""
    if text is None:
        return None
    return _COLUMNS_OF_ITEM.sub(
        lambda match: re.sub(r"-?\d+", lambda n: str(numbers.get(int(n[0]), n[0])), match[0]), text
    )


def ndistinct_bytes(text: str | None, numbers: Mapping[int, int]) -> bytes | None:
    """``{"1, 2": 120}`` as pg_ndistinct; None for none, and for what is none."""
    items = _items(text, numbers)
    if not items or any(implied is not None for _, implied, _ in items):
        return None
    packed = [struct.pack(f"=di{len(columns)}h", value, len(columns), *columns) for columns, _, value in items]
    return _HEADER.pack(NDISTINCT_MAGIC, BASIC_TYPE, len(items)) + b"".join(packed)


def dependencies_bytes(text: str | None, numbers: Mapping[int, int]) -> bytes | None:
    """``{"1 => 2": 0.95}`` as pg_dependencies; None for none, and for what is none."""
    packed = []
    for columns, implied, value in _items(text, numbers):
        if implied is None or not 0 <= value <= 1:
            return None
        every = (*columns, implied)
        packed.append(struct.pack(f"=dh{len(every)}h", value, len(every), *every))
    return _HEADER.pack(DEPENDENCIES_MAGIC, BASIC_TYPE, len(packed)) + b"".join(packed) if packed else None


def _items(text: str | None, numbers: Mapping[int, int]) -> list[tuple[tuple[int, ...], int | None, float]]:
    """Columns, the one that they imply, value; empty where anything is not as it should be."""
    items = []
    for match in _ITEM.finditer(text or ""):
        try:
            columns = tuple(numbers[int(number)] for number in match["columns"].split(","))
            implied = numbers[int(match["implied"])] if match["implied"] else None
            value = float(match["value"])
        except (KeyError, ValueError):
            return []
        whole = len(columns) + (implied is not None)
        if not math.isfinite(value) or not 2 <= whole <= MOST_COLUMNS:
            return []
        items.append((columns, implied, value))
    return items
