"""What the selection asks for and what it answers. Costs are the planner's units; weighted ones are per day."""

from collections.abc import Callable
from dataclasses import dataclass, field

from analyzer.advice.planner import HypotheticalIndex
from analyzer.plans.work import WorkWeights
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.without_index import WithoutIndex

Progress = Callable[[str, float], None]  # the step's name, and how much of it is done (0 to 1)


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """``budget_bytes`` None: as much as pays. ``most_plans`` None: by the number of queries."""

    budget_bytes: int | None = None
    count_freed_bytes: bool = False  # what dropped indexes free may be spent too
    propose_drops: bool = True
    least_gain_ratio: float = 0.001  # of the workload's cost that all indexes leave, that one of them must save
    most_plans: int | None = None
    most_rounds: int = 24
    replica_scans: ReplicaScans | None = None  # None: no replica of the server is known
    work_weights: WorkWeights = field(default_factory=WorkWeights)


@dataclass(frozen=True, slots=True)
class ChosenIndex:
    """``worth``: what the workload's cost rises by per day when it alone is left out; the writes it adds are not
    taken off it."""

    index: HypotheticalIndex
    worth: float
    write_cost_per_day: float
    statements: tuple[str, ...]  # whose plans use it
    merged: tuple[int, ...] = ()  # planner's ids of the same index in other schemas


@dataclass(frozen=True, slots=True)
class DroppedIndex:
    """An existing index that nothing in the workload needs; ``added_cost`` per day is what it costs the queries.

    ``without``: what the planner said of the statements that read its table.
    """

    table: TableFacts
    index: IndexFacts
    reason: str
    added_cost: float = 0.0
    without: WithoutIndex | None = None

    @property
    def freed_bytes(self) -> int:
        return self.index.size_bytes or 0


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """Cost of one call. ``used``: planner's ids of the new indexes; ``why_not``: why the query gets none."""

    key: str
    statement: str
    weight: float
    before: float
    after: float
    used: tuple[int, ...] = ()
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A query that may run slower although its planned cost falls."""

    key: str
    statement: str
    indexes: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SlowerQuery:
    """A query that is planned dearer than before by more than the limit."""

    key: str
    statement: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Selection:
    """``bound_ratio``: the set's cost is at most this share above that of the best possible set of these candidates
    (0.02: within 2 %), writes and the least worth of an index included."""

    chosen: tuple[ChosenIndex, ...]  # the worthiest first
    dropped: tuple[DroppedIndex, ...]
    cost_before: float
    cost_after: float
    queries: tuple[QueryOutcome, ...]
    size_bytes: int
    write_cost_per_day: float
    bound_ratio: float | None
    hurt: tuple[SlowerQuery, ...]
    at_risk: tuple[AtRisk, ...]
    plans_made: int
    refused: tuple[tuple[str, str], ...] = ()  # query key or index body, and the planner's reason
    budget_bytes: int | None = None
    judged_drops: tuple[WithoutIndex, ...] = ()  # of indexes that look needless, those that are needed too

    @property
    def cost_ratio(self) -> float:
        return self.cost_after / self.cost_before if self.cost_before else 1.0
