"""What the advisor proved: the chosen set with its evidence, statement by statement; read by pages and mails."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from analyzer.advice.ddl import IndexDdl
from analyzer.advice.select import Selection
from analyzer.advice.selection.result import AtRisk, ChosenIndex, SlowerQuery
from analyzer.plans.compare import PlanChange


@dataclass(frozen=True, slots=True)
class StatementEffect:
    """What the set does to one statement, per call, over the values it was planned with.

    ``change`` compares the plans for the values that gain most, whose costs are others; None where the set leaves
    them as they are.
    """

    statement: str
    weight: float
    cost_before: float
    cost_after: float
    indexes: tuple[int, ...] = ()  # planner's ids of the new ones it uses
    why_not: str | None = None
    change: PlanChange | None = None
    # of new indexes that those plans do not use, by id: the change for the values with which they are used
    changes: Mapping[int, PlanChange] = field(default_factory=dict)

    def by_index(self, id_: int) -> "StatementEffect":
        """As it stands with one of the indexes: the change is one that uses it."""
        return replace(self, change=self.changes.get(id_, self.change))


@dataclass(frozen=True, slots=True)
class ProposedIndex:
    chosen: ChosenIndex
    ddl: IndexDdl
    effects: tuple[StatementEffect, ...]  # statements whose plans use it, the greatest saving first
    at_risk: tuple[AtRisk, ...] = ()  # those of them that may run slower with it

    def also_for(self, other: "ProposedIndex") -> "ProposedIndex":
        """The same index with another planner's statements, too: without it the cost of either's rises. What it takes
        and what its writes cost is counted once.
        """
        statements = tuple(dict.fromkeys((*self.chosen.statements, *other.chosen.statements)))
        chosen = replace(self.chosen, statements=statements, worth=self.chosen.worth + other.chosen.worth)
        return ProposedIndex(chosen, self.ddl, (*self.effects, *other.effects), (*self.at_risk, *other.at_risk))


@dataclass(frozen=True, slots=True)
class ProvedAdvice:
    """``not_planned``: statement and why neither twin nor server planned it; ``assumed``: and what of its plan is.

    ``faults``: indexes that pgLoupe failed at, each a sentence.
    """

    selection: Selection
    proposals: tuple[ProposedIndex, ...]
    effects: tuple[StatementEffect, ...]
    not_planned: Mapping[str, str] = field(default_factory=dict)
    candidates: int = 0
    planner: str = "twin"
    curve: tuple["CurvePoint", ...] = ()
    assumed: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    second: "ProvedAdvice | None" = None  # by HypoPG, for what the twin could not plan

    @property
    def size_bytes(self) -> int:
        """Of all its new indexes; one that both planners want counts once."""
        return sum(source.selection.size_bytes for source in self.by_planner)

    @property
    def cost_before(self) -> float:
        return sum(source.selection.cost_before for source in self.by_planner)

    @property
    def cost_after(self) -> float:
        return sum(source.selection.cost_after for source in self.by_planner)

    @property
    def cost_ratio(self) -> float:
        return self.cost_after / self.cost_before if self.cost_before else 1.0

    @property
    def all_effects(self) -> tuple[StatementEffect, ...]:
        return tuple(effect for source in self.by_planner for effect in source.effects)

    @property
    def hurt(self) -> tuple[SlowerQuery, ...]:
        return tuple(hurt for source in self.by_planner for hurt in source.selection.hurt)

    @property
    def at_risk(self) -> tuple[AtRisk, ...]:
        return tuple(risk for source in self.by_planner for risk in source.selection.at_risk)

    @property
    def by_planner(self) -> tuple["ProvedAdvice", ...]:
        """The twin's, and HypoPG's where it was asked."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def all_proposals(self) -> list[tuple["ProvedAdvice", ProposedIndex]]:
        """Each with whose it is. What both planners want is the twin's, with what it does for either's statements."""
        proposals: dict[str, tuple[ProvedAdvice, ProposedIndex]] = {}
        for source in self.by_planner:
            for new in source.proposals:
                key = new.chosen.index.definition.key
                whose, known = proposals.get(key, (source, new))
                proposals[key] = whose, known if known is new else known.also_for(new)
        return list(proposals.values())


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best set of the twin for one budget; the last one is without a limit."""

    budget_bytes: int | None
    selection: Selection
    indexes: tuple[tuple[ChosenIndex, IndexDdl], ...]
    effects: tuple[StatementEffect, ...] = ()

    @property
    def proposals(self) -> tuple[ProposedIndex, ...]:
        return tuple(
            ProposedIndex(
                chosen,
                ddl,
                tuple(e.by_index(chosen.index.id) for e in self.effects if chosen.index.id in e.indexes),
                tuple(r for r in self.selection.at_risk if chosen.index.id in r.indexes),
            )
            for chosen, ddl in self.indexes
        )
