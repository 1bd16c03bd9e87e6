"""A prediction of one statement: its plan, what it reads, the indexes it would like; read by pages and commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.advice.ddl import IndexDdl
from analyzer.findings import Finding
from analyzer.plans import Plan
from analyzer.plans.compare import PlanChange, cost_figure, cost_words

LEAST_CHEAPER = 0.95  # of the original's cost; judgement: less is not worth another text


@dataclass(frozen=True, slots=True)
class TableRead:
    """One table as the plan reads it; its partitions read alike count as one.

    ``plan_rows``: expected to come out, each time it is read; ``table_rows``: None where not known.
    """

    table: str
    node_type: str
    indexes: tuple[str, ...] = ()
    plan_rows: float = 0.0
    table_rows: float | None = None
    partitions: int = 0


@dataclass(frozen=True, slots=True)
class LikedIndex:
    ddl: IndexDdl
    schema: str
    table_name: str
    definition: str
    size_bytes: int

    @property
    def table(self) -> str:
        """schema.table, unquoted."""
        return f"{self.schema}.{self.table_name}"


@dataclass(frozen=True, slots=True)
class PlannedRewrite:
    """The statement written otherwise with the same rows. ``assumptions``: what must hold for that, beside the schema.

    Costs are of its plan and of the original's, both with the values in the text and without those of parameters.
    ``cost_after``, ``change`` and ``explained`` are None where it cannot be planned; ``problem`` says why.
    """

    kind: str
    sql: str
    assumptions: tuple[str, ...]
    cost_before: float
    cost_after: float | None = None
    change: PlanChange | None = None
    explained: Mapping[str, Any] | None = None
    problem: str | None = None

    @property
    def is_cheaper(self) -> bool:
        return self.cost_after is not None and self.cost_after < self.cost_before * LEAST_CHEAPER

    @property
    def words(self) -> str:
        """ "OR as UNION ALL: cost 25 instead of 8,433, 340x cheaper", or why it is not worth it or not planned."""
        if self.cost_after is None:
            return f"{self.kind}: not planned. {self.problem or ''}".rstrip(". ")
        costs = f"cost {cost_figure(self.cost_after)} instead of {cost_figure(self.cost_before)}"
        return f"{self.kind}: {'' if self.is_cheaper else 'the planner sees no gain, '}{costs}, {self.factor}"

    @property
    def factor(self) -> str:
        """ "340x cheaper"; "" where it is not planned."""
        return "" if self.cost_after is None else cost_words(self.cost_before, self.cost_after)

    @property
    def provided(self) -> str:
        """Under what the rows are the same, as a sentence."""
        return f"The same rows, provided that {'; '.join(self.assumptions)}" if self.assumptions else "The same rows"


@dataclass(frozen=True, slots=True)
class Prediction:
    """``plan_json`` is EXPLAIN's object, with the values of the statement itself and no others (HypoPG's: with none).

    ``values``: "given" (those in the text) or "generic" (it has ``$1``). ``cost_with`` and ``change``: with the indexes
    it would like, over generic, typical and rare values where it has parameters, as ``cost_without`` is; None without
    such indexes, and ``why_none`` says why. ``at_risk``: why it may run slower with them although planned cheaper.
    ``assumed``: what of the estimates is, without a full stop.
    """

    sql: str
    kind: str
    values: str
    plan_json: Mapping[str, Any]
    plan: Plan
    reads: tuple[TableRead, ...]
    findings: tuple[Finding, ...]
    likes: tuple[LikedIndex, ...] = ()
    plan_with_json: Mapping[str, Any] | None = None
    cost_without: float | None = None
    cost_with: float | None = None
    change: PlanChange | None = None
    why_none: str | None = None
    at_risk: str | None = None
    assumed: str | None = None
    planner: str = "twin"  # or HypoPG
    rewrites: tuple[PlannedRewrite, ...] = ()  # by the twin alone

    @property
    def total_cost(self) -> float:
        return self.plan.root.total_cost or 0.0

    @property
    def change_words(self) -> str:
        """What the indexes change, with the factor of ``cost_without`` and ``cost_with``; "" without a change."""
        if self.change is None or self.cost_without is None or self.cost_with is None:
            return ""
        return self.change.summary(self.cost_without, self.cost_with)


@dataclass(frozen=True, slots=True)
class NotPredicted:
    """``reason``: one sentence."""

    sql: str
    reason: str
