"""What the advisor asks of a planner, and what it gets back.

The twin answers (``analyzer/twin``), HypoPG on the monitored server as the second opinion. Everything here is data:
the search over sets of indexes (``analyzer/advice/select.py``) needs no database to be read and tested.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

from pglast import ast

from analyzer.advice.definition import IndexDefinition
from analyzer.plans.work import PlanWork
from analyzer.statements.tree import Unparsable, single_statement, walk
from analyzer.values.column_statistics import ColumnStatistics

NONE: frozenset[int] = frozenset()
# What hypothetical indexes are called: id -> "schema.table" that holds it, or a part of it -> name (IndexDdl.names)
Names = Mapping[int, Mapping[str, str]]
NO_NAMES: Names = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Query:
    """One way to plan a statement of the workload: with given values, or generically.

    A statement planned with typical and with rare values is several queries with one ``statement``; their weights
    add up to the statement's.
    """

    key: str  # unique in the workload: "ab12cd:typical"
    statement: str  # fingerprint, or the name of the file
    sql: str = field(repr=False)  # complete, ``$1`` allowed; a sample's holds real values
    weight: float  # calls per day, or the weight of the file
    values: tuple[str | None, ...] | None = field(default=None, repr=False)  # text of each ``$n``; None: generic plan
    kind: str = "select"  # select, insert, update, delete, merge
    # as measured; None where it is not known
    rows_per_call: float | None = None
    rows_before_limit: float | None = None
    calls: float | None = None  # counted since the counters' reset


VALUES_IN_WORDS = {
    "typical": "with a typical value",
    "rare": "with a rare value",
    "generic": "planned without values",
    "sampled": "with values that were seen",
}


def values_of(key: str) -> str:
    """Of a query's key: "sampled", "typical", "rare" or "generic"; "" where it says nothing of values."""
    name = key.rpartition(":")[2].rstrip("0123456789")
    return name if name in VALUES_IN_WORDS else ""


def has_open_limit(query: Query) -> bool:
    """A generic plan whose LIMIT is a parameter: that it reads a tenth of the rows is no estimate, but a constant."""
    statement = single_statement(query.sql)
    if query.values is not None or isinstance(statement, Unparsable):
        return False
    limits = (node.limitCount for node in walk(statement) if isinstance(node, ast.SelectStmt))
    return any(isinstance(node, ast.ParamRef) for limit in limits for node in walk(limit))


@dataclass(frozen=True, slots=True)
class HypotheticalIndex:
    """A definition the planner knows about and does not use unless told to. ``id`` is the planner's name for it."""

    id: int
    definition: IndexDefinition
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a definition cannot be tried, or a query cannot be planned, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Planned:
    """``used``: ids of hypothetical indexes and oids of existing ones in the plan (the two never clash)."""

    total_cost: float
    used: frozenset[int] = NONE
    rows: float = 0.0  # expected by the top node
    work: PlanWork | None = None  # None where the planner does not tell


class Planner(Protocol):
    """Cost constants are the monitored server's."""

    @property
    def plans_made(self) -> int: ...

    def hypothesize(self, definitions: Sequence[IndexDefinition]) -> list[HypotheticalIndex | Refused]:
        """One answer per definition, in order; the same definition twice gives the same id."""
        ...

    def plan(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
    ) -> Planned | Refused:
        """The plan with these hypothetical indexes in place and these existing ones (oids) out of sight."""
        ...

    def explain(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
        *,
        names: Names = NO_NAMES,
    ) -> Mapping[str, Any] | Refused:
        """As ``plan``: the whole EXPLAIN (FORMAT JSON, VERBOSE) object. Hypothetical indexes stand under the ``names``
        of their DDL, else as each would be called if it were alone."""
        ...


class StatisticsPlanner(Planner, Protocol):
    """A planner that also tells the statistics it plans with: the twin."""

    def parameter_types(self, sql: str) -> Sequence[str] | Refused: ...

    def column_statistics(self, schema: str, table: str) -> Mapping[str, ColumnStatistics]:
        """Of each column ANALYZE has seen."""
        ...

    def expect_groups(self, groups: Mapping[tuple[str, str], Mapping[frozenset[str], float]]) -> None:
        """By schema and table how many combinations columns have at the most, for sizes of indexes from now on."""
        ...

    def assumed(self, sql: str) -> str | None:
        """What of the statement's estimates is assumed, not read from the server."""
        ...


class Resized:
    """A planner whose indexes count with another size: what ``size_bytes`` makes of the definition and its own size."""

    def __init__(self, planner: Planner, size_bytes: Callable[[IndexDefinition, int], int]) -> None:
        self._planner, self._size_bytes = planner, size_bytes
        self.plan, self.explain = planner.plan, planner.explain

    @property
    def plans_made(self) -> int:
        return self._planner.plans_made

    def hypothesize(self, definitions: Sequence[IndexDefinition]) -> list[HypotheticalIndex | Refused]:
        answers = self._planner.hypothesize(definitions)
        return [
            a if isinstance(a, Refused) else replace(a, definition=d, size_bytes=self._size_bytes(d, a.size_bytes))
            for d, a in zip(definitions, answers, strict=True)
        ]
