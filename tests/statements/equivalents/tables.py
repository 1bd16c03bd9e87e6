"""Tables with NULLs and duplicates, as facts and as rows drawn by chance."""

import random
from typing import Any

from analyzer.schema.facts import SchemaFacts
from tests.checks.builders import facts

ID = {"name": "id", "not_null": True}
TIMES = [
    {"name": "d", "type_name": "date", "type_oid": 1082},
    {"name": "ts", "type_name": "timestamp without time zone", "type_oid": 1114},
    {"name": "tz", "type_name": "timestamp with time zone", "type_oid": 1184},
]
DDL = (
    "create table a (id int primary key, v int, w int)",
    "create table b (id int primary key, a_id int, x int, y int)",
    "create table c (id int not null, kind text not null, v int, primary key (id, kind))",
    "create table e (id int primary key, a_id int not null references a, o int)",
    "create table t (id int primary key, g int, d date, ts timestamp, tz timestamptz)",
)
FACTS: SchemaFacts = facts(
    {
        "tables": [
            {"name": "a", "columns": [ID, "v", "w"], "primary_key": ["id"]},
            {"name": "b", "columns": [ID, "a_id", "x", "y"], "primary_key": ["id"]},
            {
                "name": "c",
                "columns": [ID, {"name": "kind", "type_name": "text", "type_oid": 25, "not_null": True}, "v"],
                "primary_key": ["id", "kind"],
            },
            {
                "name": "e",
                "columns": [ID, {"name": "a_id", "not_null": True}, "o"],
                "primary_key": ["id"],
                "foreign_keys": [{"name": "e_a_id_fkey", "columns": ["a_id"], "references": "a"}],
            },
            {"name": "t", "columns": [ID, "g", *TIMES], "primary_key": ["id"]},
        ]
    }
)
# around midnights, ends of months and years, and nights in which some clock changes; in the last three one skips 00:00
MOMENTS = [
    f"{day} {clock}"
    for day in (
        "2023-12-31",
        "2024-01-01",
        "2024-02-29",
        "2024-03-01",
        "2024-03-31",
        "2024-10-27",
        "2017-10-15",
        "2024-09-08",
        "2024-04-26",
        "2023-10-01",
    )
    for clock in ("00:00", "00:30", "01:30", "02:30", "12:00", "23:30", "23:59:59.999999")
] + ["infinity", "-infinity"]


def fill(connection: Any, chance: random.Random) -> None:
    """Few rows of few values, so that some are equal and many tables are empty."""

    def nullable() -> int | None:
        return chance.choice((None, 1, 2, 3))

    rows: dict[str, list[tuple[Any, ...]]] = {
        "a": [(n, nullable(), nullable()) for n in range(1, _many(chance))],
        "b": [(n, nullable(), nullable(), nullable()) for n in range(1, _many(chance))],
        "c": [(n, chance.choice("xyz"), nullable()) for n in range(1, _many(chance))],
        "t": [
            (n, nullable(), moment and moment.split()[0], moment, moment)
            for n, moment in enumerate(chance.choices([None, *MOMENTS], k=_many(chance) - 1), 1)
        ],
    }
    rows["e"] = [(n, chance.choice(rows["a"])[0], nullable()) for n in range(1, 20) if rows["a"]]
    for table, values in rows.items():
        if values:
            places = ", ".join(["%s"] * len(values[0]))
            connection.execute(
                f"insert into {table} values {', '.join([f'({places})'] * len(values))}",
                [value for row in values for value in row],
            )


def _many(chance: random.Random) -> int:
    return 1 + chance.choice((0, 1, 6, 12, 12))


def condition(chance: random.Random, *columns: str) -> str:
    """Something that is true, false or NULL of a row."""
    column, number = chance.choice(columns), chance.randint(1, 3)
    return chance.choice(
        (
            f"{column} = {number}",
            f"{column} <> {number}",
            f"{column} > {number}",
            f"{column} is null",
            f"not ({column} = {number})",
            f"{column} in ({number}, 3)",
            f"coalesce({column}, 2) = {number}",
            f"({column} = {number} or {chance.choice(columns)} = {chance.choice(columns)})",
        )
    )
