"""A person's question to the twin of a watched server, answered while the page waits.

    what_if_answer      these indexes were there, those were gone: what would change
    query_answer        a statement that does not run yet
    index_plans         one statement without and with one index, whether it is there or not
    rewrite_plans       one statement as it is and written otherwise

The server is asked whether the twin is still like it; where it is down, what was read last answers. A statement that
the twin cannot plan is planned by HypoPG there, if statements are explained there at all. ``person``: who
asks, who holds one twin of a process at a time, so that nobody keeps others waiting with many questions at once.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from analyzer.advice.candidates.typed import Typed
from analyzer.advice.costliest_statements import dearest
from analyzer.advice.ddl import IndexDdl, create_indexes
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.outcome import built_index
from analyzer.advice.planned_rewrites import planned_rewrites
from analyzer.advice.planner import Refused, values_of
from analyzer.advice.predicted import NotPredicted, PlannedRewrite, Prediction
from analyzer.advice.queries import generic_query, plannable_queries
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.errors import BadInput, MonitoredServerError
from analyzer.models import Server
from analyzer.monitored.access.replica import need_replica
from analyzer.monitored.catalog.schema import need_statistics
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.plans.compare import PlanChange, explained_change
from analyzer.questions.predict import predict, with_second_opinion
from analyzer.questions.what_if import TriedIndex, WhatIf, statements_reading, what_if
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import NotRewritten, why_none
from analyzer.statements.preparable import preparable_sql
from analyzer.store.servers import connection_settings, explain_settings
from analyzer.twin import Twin, lease, limits

LIMIT_S = 20.0  # judgement: nobody waits longer for a page; gunicorn's own limit is 60 s
MOST_AT_ONCE = 2  # a process: each holds a PostgreSQL of its own
WAIT_S = 5.0
# The last plan may begin just before the limit; where the twin ended over it, it is not made anew after it.
LONGEST_S = LIMIT_S + limits.TIMEOUT_MS / 1000 + limits.KILL_AFTER_S
_turns = threading.Condition()
_asking: list[object] = []  # who holds a twin


class Busy(RuntimeFailure):
    """Nothing was asked: others, or other questions of the same person, are being answered."""


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """``ddl``: of each index tried, in their order. ``texts``: SQL of the statements that were looked at."""

    what_if: WhatIf
    ddl: tuple[IndexDdl, ...]
    texts: Mapping[str, str]
    not_planned: Mapping[str, str]
    statements: int  # of the workload
    took_s: float

    @property
    def pairs(self) -> list[tuple[TriedIndex, IndexDdl]]:
        return list(zip(self.what_if.tried, self.ddl, strict=True))


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    prediction: Prediction | NotPredicted
    took_s: float


@dataclass(frozen=True, slots=True)
class IndexPlans:
    """``without`` and ``with_it``: EXPLAIN's objects, with values of samples or statistics: redact before showing.

    ``values`` they were planned with: "sampled", "typical", "rare", "generic", or "given" (the text has no parameters);
    of several those for which the index matters most. Costs are of one call over all of them. ``change`` is None where
    the planner keeps to its plans.
    """

    values: str
    without: Mapping[str, Any]
    with_it: Mapping[str, Any]
    cost_without: float
    cost_with: float
    change: PlanChange | None
    took_s: float


@dataclass(frozen=True, slots=True)
class RewritePlans:
    """``explained``: EXPLAIN's object of the statement as it is, without values."""

    explained: Mapping[str, Any]
    rewrites: tuple[PlannedRewrite, ...]  # the cheapest first
    why_none: tuple[NotRewritten, ...]  # where there are none: of each kind, why not
    took_s: float


def what_if_answer(
    server: Server,
    recorded: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    typed: Typed,
    now: datetime,
    person: object = None,
) -> WhatIfAnswer:
    """Raises BadInput (an index that cannot be created), MonitoredServerError or RuntimeFailure."""
    begun = time.monotonic()
    need_statistics(facts)
    workload = dearest(recorded)
    tables = [*(w.definition.table for w in typed.adds), *(e.table for e in typed.hides)]
    looked_at = statements_reading(workload, tables, facts)
    with _twin(server, facts, person) as twin:
        queries, not_planned = plannable_queries(twin, looked_at, facts, now)
        definitions, hidden = [w.definition for w in typed.adds], {e.index.oid for e in typed.hides}
        ddl = _ddl(typed, facts)
        answer = what_if(twin, queries, definitions, hidden, facts, ddl)
    texts = {s.fingerprint: s.sql for s in looked_at}
    return WhatIfAnswer(answer, ddl, texts, not_planned, len(workload), took_s=time.monotonic() - begun)


def query_answer(server: Server, facts: SchemaFacts, sql: str, now: datetime, person: object = None) -> QueryAnswer:
    """Raises BadInput (no statistics), MonitoredServerError or RuntimeFailure."""
    begun = time.monotonic()
    need_statistics(facts)
    with _twin(server, facts, person) as twin:
        answer = predict(twin, facts, sql, now=now)
        if isinstance(answer, NotPredicted) and server.explain_mode != Server.ExplainMode.OFF:
            (answer,) = with_second_opinion([answer], _planning_server(server, facts), facts)
        return QueryAnswer(answer, time.monotonic() - begun)


def _planning_server(server: Server, facts: SchemaFacts) -> ConnectionSettings:
    """Where EXPLAIN goes. Raises MonitoredServerError where that is a replica of another."""
    where = explain_settings(server, facts.database)
    if server.replica_host:
        need_replica(where, connection_settings(server, facts.database))
    return where


def index_plans(
    server: Server,
    recorded: WorkloadStatement,
    definition: IndexDefinition,
    facts: SchemaFacts,
    now: datetime,
    person: object = None,
    *,
    name: str | None = None,
) -> IndexPlans:
    """Planned with the values that the advisor takes. An index that is there is hidden instead of tried; one that is
    not bears ``name``.

    Raises BadInput (the statement or the index cannot be planned), MonitoredServerError or RuntimeFailure.
    """
    begun = time.monotonic()
    need_statistics(facts)
    existing = built_index(definition)
    with _twin(server, facts, person) as twin:
        queries, refused = plannable_queries(twin, [recorded], facts, now)
        if not queries:
            raise BadInput(refused[recorded.fingerprint])
        adds, hides = ([], {existing.oid}) if existing else ([definition], set())
        ddl = create_indexes([(each, name) for each in adds], facts)
        result = what_if(twin, queries, adds, hides, facts, ddl)
        if result.refused:
            raise BadInput(result.refused[recorded.fingerprint])
        change = result.changes[0] if result.changes else None
        if change and change.query and change.before and change.after:
            costs, plans, query = (change.cost_before, change.cost_after), (change.before, change.after), change.query
        else:
            query, planned = queries[0], twin.explain(queries[0])
            if isinstance(planned, Refused):
                raise BadInput(planned.reason)
            cost = result.cost_before / sum(q.weight for q in queries) or float(planned["Plan"]["Total Cost"])
            costs, plans = (cost, cost), (planned, planned)
    (without, with_it), (cost_without, cost_with) = (plans[::-1], costs[::-1]) if existing else (plans, costs)
    return IndexPlans(
        values=values_of(query.key) or ("generic" if preparable_sql(recorded.sql).parameters else "given"),
        without=without,
        with_it=with_it,
        cost_without=cost_without,
        cost_with=cost_with,
        change=explained_change(without, with_it) if change else None,
        took_s=time.monotonic() - begun,
    )


def rewrite_plans(
    server: Server, recorded: WorkloadStatement, facts: SchemaFacts, person: object = None
) -> RewritePlans:
    """Raises BadInput (the statement cannot be planned), MonitoredServerError or RuntimeFailure."""
    begun = time.monotonic()
    need_statistics(facts)
    query = generic_query(recorded, facts)
    if isinstance(query, Refused):
        raise BadInput(query.reason)
    with _twin(server, facts, person) as twin:
        explained = twin.explain(query)
        if isinstance(explained, Refused):
            raise BadInput(explained.reason)
        rewrites = planned_rewrites(twin, query, explained, facts)
    reasons = () if rewrites else why_none(query.sql, facts)
    return RewritePlans(explained, rewrites, reasons, took_s=time.monotonic() - begun)


def _ddl(typed: Typed, facts: SchemaFacts) -> tuple[IndexDdl, ...]:
    return tuple(create_indexes([(wanted.definition, wanted.name) for wanted in typed.adds], facts))


@contextmanager
def _twin(server: Server, facts: SchemaFacts, person: object) -> Iterator[Twin]:
    with _turn(person), ExitStack() as stack:
        where = connection_settings(server, facts.database)
        try:
            twin = stack.enter_context(lease(where, settings.VAR_DIR, is_watched=True))
        except MonitoredServerError:
            twin = stack.enter_context(lease(where, settings.VAR_DIR, is_watched=True, use_server=False))
        twin.limit_time(LIMIT_S)
        yield twin


@contextmanager
def _turn(person: object) -> Iterator[None]:
    """Raises Busy where none comes in time. Nobody known (None) is a person of their own each time."""
    me = object() if person is None else person
    with _turns:
        if not _turns.wait_for(lambda: me not in _asking and len(_asking) < MOST_AT_ONCE, timeout=WAIT_S):
            if me in _asking:
                raise Busy("Your last question is still being answered; ask again in a moment")
            raise Busy("Other questions are being answered; ask again in a moment")
        _asking.append(me)
    try:
        yield
    finally:
        with _turns:
            _asking.remove(me)
            _turns.notify_all()
