"""A point of the curve of gain against megabytes as it is kept: written by ``show.py``, read by the index page."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class KeptRisk:
    statement: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeptIndex:
    """``worth_per_day``: in the planner's units; ``time``: as ``gain_as_json`` writes it.

    ``remarks``: sentences on the index by itself; ``at_risk``: what may run slower by it.
    """

    key: str
    name: str
    table: str
    definition: str
    statements: tuple[str, ...]
    size_bytes: int
    undo_statements: tuple[str, ...] = ()
    worth_per_day: float | None = None
    time: Mapping[str, float | None] | None = None
    helps: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    at_risk: tuple[KeptRisk, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptDrop:
    index: str
    table: str
    reason: str
    statements: tuple[str, ...]
    undo_statements: tuple[str, ...] = ()
    proof: str = ""
    freed_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class KeptHurt:
    statement: str
    cost_before: float
    cost_after: float
    values: str = ""  # with which, a word as ``values_of`` says


@dataclass(frozen=True, slots=True)
class KeptPoint:
    """``budget_bytes``: None without a limit; ``time``: of all statements, with ``watched_s``. What an older version
    did not keep has its default."""

    size_bytes: int
    cost_ratio: float
    budget_bytes: int | None = None
    bound_ratio: float | None = None
    time: Mapping[str, float | None] | None = None
    indexes: tuple[KeptIndex, ...] = ()
    drops: tuple[KeptDrop, ...] = ()
    hurt: tuple[KeptHurt, ...] = ()
    at_risk: tuple[KeptRisk, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "KeptPoint":
        given = {name: value for name, value in data.items() if value is not None}
        return msgspec.convert(_whole_bytes(given), cls, strict=False)

    def to_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return kept

    @property
    def bought(self) -> tuple[set[str], set[str]]:
        """Keys of new indexes, and names of those that go."""
        return {index.key for index in self.indexes}, {drop.index for drop in self.drops}


def readable(kept: Iterable[Any]) -> tuple[list[KeptPoint], int]:
    """The points as they were kept, and how many cannot be read."""
    points, unreadable = [], 0
    for data in kept:
        try:
            points.append(KeptPoint.from_json(data if isinstance(data, Mapping) else {}))
        except msgspec.ValidationError:
            unreadable += 1
    return points, unreadable


def _whole_bytes(kept: Any) -> Any:
    """Sizes that were kept with a fraction as whole ones, however deep."""
    if isinstance(kept, list):
        return [_whole_bytes(value) for value in kept]
    if not isinstance(kept, Mapping):
        return kept
    return {
        name: round(value)
        if name.endswith("_bytes") and isinstance(value, float) and math.isfinite(value)
        else _whole_bytes(value)
        for name, value in kept.items()
    }
