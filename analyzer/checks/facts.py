"""What is known of one statement of a database, for checks that look at more than a plan. Pure data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from analyzer.plans import Plan
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.blocks import QueryBlock
from analyzer.statements.inner_query import planned_query
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Node, Unparsable, single_statement
from analyzer.words.durations import DAY_S


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
    watched_s: float | None = None  # what the figures are made of
    plan_time_s_per_day: float | None = None  # None where the server does not measure planning
    jit_time_s_per_day: float | None = None  # 15+
    entries: int | None = None  # of pg_stat_statements that are this statement, by query id
    read_plans: Callable[[], Sequence[Plan]] = field(default=lambda: (), repr=False, compare=False)

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(self.read_plans())

    @property
    def rows_per_day(self) -> float | None:
        if self.rows_per_call is None or self.calls_per_day is None:
            return None
        return self.rows_per_call * self.calls_per_day

    @property
    def calls_per_s(self) -> float:
        """On average; 0 where it is not known."""
        return (self.calls_per_day or 0.0) / DAY_S

    @property
    def load(self) -> dict[str, Any]:
        """For a finding about the whole statement: what it takes a day, and in how long that was seen."""
        return {"impact_s_per_day": self.time_s_per_day, "watched_s": self.watched_s}

    @cached_property
    def tree(self) -> Node | None:
        """The parse tree; None where the text is not one statement. Shared: never to be changed."""
        node = single_statement(self.normalized_sql)
        return None if isinstance(node, Unparsable) else node

    @property
    def table(self) -> TableFacts | None:
        """The one table it names, where there is only one and it is known."""
        if self.facts is None or len(self.tables) != 1:
            return None
        schema, _, name = self.tables[0].rpartition(".")
        return self.facts.find_table(name, schema or None)

    @cached_property
    def blocks(self) -> tuple[QueryBlock, ...]:
        """What the blocks of the query that is planned ask of their tables: of a cursor's or a COPY's, the one inside.

        Parses the text; a check that most statements do not concern looks at ``normalized_sql`` first.
        """
        sql = planned_query(self.normalized_sql, self.facts) or self.normalized_sql
        return tuple(query_blocks(sql, self.facts))
