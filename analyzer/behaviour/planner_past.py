"""What a planner knew of some tables at a moment: settings, sizes, indexes, statistics. Pure data, as it is kept.

Statistics hold values of rows; nothing here puts them in words.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# argument of pg_restore_attribute_stats() -> text; of a CREATE STATISTICS object "n_distinct" and "dependencies", where
# columns go by their place in the object, from 1
Statistics = Mapping[str, str | None]

# in no name that anybody gives
IN_INDEX = "\x1f"  # between an index's name and its column's
EXTENDED = "\x1e"  # before the name of a CREATE STATISTICS object


def of_index(index: str, column: str) -> str:
    return f"{index}{IN_INDEX}{column}"


def of_extended(name: str) -> str:
    return f"{EXTENDED}{name}"


def extended_name(key: str) -> str:
    """Of a key of ``TablePast.statistics``: the CREATE STATISTICS object ("schema.name"); "" where it is of none."""
    return key.removesuffix(" inherited")[1:] if key.startswith(EXTENDED) else ""


def index_and_column(key: str) -> tuple[str, str, bool]:
    """Of a key of ``TablePast.statistics``: the index ("" of the table's own), the column, whether with children."""
    index, _, column = key.removesuffix(" inherited").rpartition(IN_INDEX)
    return index, column, key.endswith(" inherited")


@dataclass(frozen=True, slots=True)
class RelationFigures:
    """``blocks``: of the file; ``pages``, ``rows``, ``visible_pages``: of pg_class, as ANALYZE or VACUUM left them.

    ``rows`` is -1 where never analysed. ``indexes``: name -> its blocks.
    """

    blocks: int
    pages: int
    rows: float
    visible_pages: int
    indexes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Structure:
    """``columns``: name -> type; ``indexes``: name -> pg_get_indexdef() of those that the planner may use.

    ``extended``: "schema.name" -> pg_get_statisticsobjdef(); None where it was kept before these were read.
    """

    columns: Mapping[str, str]
    indexes: Mapping[str, str]
    extended: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TablePast:
    """One table. ``statistics``: column, and "column inherited" of a parent's with its children -> its statistics.

    Of an expression in an index the key is ``of_index(index, column)``, with the name that the index has for it; of a
    CREATE STATISTICS object ``of_extended(name)``.
    """

    name: str  # schema.name
    figures: RelationFigures
    structure: Structure
    statistics: Mapping[str, Statistics]
    oid: int | None = None  # on the server; None where it was kept before this was read


@dataclass(frozen=True, slots=True)
class PlannerPast:
    settings: Mapping[str, str]
    tables: Mapping[str, TablePast] = field(default_factory=dict)


VERSION = "server_version_num"  # among the settings
SETTINGS, FIGURES, STRUCTURE, STATISTICS = "settings", "figures", "structure", "statistics"
IDENTITY = "identity"
Piece = tuple[str, str]  # one of these, and the table's name; "" of the settings


def to_pieces(past: PlannerPast) -> dict[Piece, Any]:
    """What changes apart from each other, as JSON values."""
    pieces: dict[Piece, Any] = {(SETTINGS, ""): dict(past.settings)}
    for table in past.tables.values():
        pieces[FIGURES, table.name] = asdict(table.figures)
        pieces[STRUCTURE, table.name] = asdict(table.structure)
        pieces[STATISTICS, table.name] = {column: dict(told) for column, told in table.statistics.items()}
        if table.oid is not None:
            pieces[IDENTITY, table.name] = {"oid": table.oid}
    return pieces


def from_pieces(pieces: Mapping[Piece, Any]) -> PlannerPast:
    """Tables of which a piece is missing are left out."""
    names = [name for kind, name in pieces if kind == FIGURES]
    whole = [name for name in names if (STRUCTURE, name) in pieces and (STATISTICS, name) in pieces]
    return PlannerPast(
        pieces.get((SETTINGS, ""), {}),
        {
            name: TablePast(
                name,
                RelationFigures(**pieces[FIGURES, name]),
                Structure(**pieces[STRUCTURE, name]),
                pieces[STATISTICS, name],
                **pieces.get((IDENTITY, name), {}),
            )
            for name in whole
        },
    )
