"""What the planner said of a suggestion, as it is kept with it: written by ``planned.py``, read by pages and mails."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class StatementCosts:
    """Costs are of one call, in the planner's units. ``change``: what becomes of its plan."""

    fingerprint: str
    cost_before: float
    cost_after: float
    change: str = ""


@dataclass(frozen=True, slots=True)
class HurtStatement:
    """One that becomes dearer; ``values``: with which."""

    fingerprint: str
    cost_before: float
    cost_after: float
    values: str = ""


@dataclass(frozen=True, slots=True)
class RiskyStatement:
    fingerprint: str
    reason: str


@dataclass(frozen=True, slots=True)
class NeedlessIndex:
    index: str
    reason: str
    ddl: str


@dataclass(frozen=True, slots=True)
class PlannedEvidence:
    """What an older version did not keep has its default; what only an older one kept is left out."""

    planner: str = ""
    together_with: tuple[str, ...] = ()  # names of other new indexes that the same statements use
    worth_per_day: float | None = None  # as is the next in the planner's units
    write_cost_per_day: float | None = None
    writes_per_day: float | None = None
    writes_seen: float | None = None
    writes_seen_in_s: float | None = None
    build_time_s: float | None = None
    statements: tuple[StatementCosts, ...] = ()  # whose plans use it, those of which most is saved
    hurt: tuple[HurtStatement, ...] = ()
    at_risk: tuple[RiskyStatement, ...] = ()
    makes_redundant: tuple[NeedlessIndex, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PlannedEvidence | None":
        """None of a suggestion of which no planner was asked; nothing but that one was, of what cannot be read."""
        try:
            return msgspec.convert(data, cls) if data else None
        except msgspec.ValidationError:
            return cls()

    def to_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return kept
