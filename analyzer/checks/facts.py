"""What is known of one statement of a database, for checks that look at more than a plan. Pure data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analyzer.plans import Plan
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import QueryBlock
from analyzer.statements.predicates import query_blocks


@dataclass(frozen=True)
class StatementFacts:
    """One statement over the last day. Figures are ``None`` where they are not known.

    ``read_plans`` brings its newest plans when a check asks for them: most checks do not.
    """

    fingerprint: str
    normalized_sql: str
    kind: str  # select insert update delete merge utility unknown
    tables: tuple[str, ...] = ()
    facts: SchemaFacts | None = None
    calls_per_day: float | None = None
    time_s_per_day: float | None = None
    mean_exec_time_ms: float | None = None
    rows_per_call: float | None = None
    read_plans: Callable[[], Sequence[Plan]] = field(default=lambda: (), repr=False, compare=False)

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(self.read_plans())

    @cached_property
    def blocks(self) -> tuple[QueryBlock, ...]:
        """What its query blocks ask of their tables; empty where the text is not one plannable statement."""
        return tuple(query_blocks(self.normalized_sql, self.facts))
