"""Plans of statements that a monitored server must not even be asked to plan: the planner twin's.

They are those that change data, and those whose text reaches code of the database's users: planning would run it with
our login's rights. The twin holds no rows and runs as nobody.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from analyzer.advice.planner import Query, Refused, values_of
from analyzer.advice.queries import plannable_queries
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.errors import PgLoupeError, costing_only
from analyzer.models import Server
from analyzer.monitored.explain.explain import ExplainOutcome, ExplainRequest
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.redact import redact_plan
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.preparable import preparable_sql
from analyzer.steps.time_limit import STOP_ON
from analyzer.store.servers import connection_settings
from analyzer.twin import Twin, lease
from analyzer.values.choose import ValuesSource

logger = logging.getLogger(__name__)

NOT_BY_TWIN = "Nor did pgLoupe's planner twin plan it: "
BY_TWIN = "The server was not asked; this is the plan of pgLoupe's planner twin, made of your schema and statistics."

VALUES: tuple[ValuesSource, ...] = ("sampled", "typical", "rare", "generic")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement that the gate left to the twin."""

    request: ExplainRequest
    outcome: ExplainOutcome
    calls_per_day: float = 1.0


def plans_of_twin(
    server: Server, facts: SchemaFacts, waiting: Sequence[Waiting], now: datetime
) -> Iterator[ExplainOutcome]:
    """An outcome for each, in their order; where the twin cannot plan it either, the gate's with that reason too."""
    done = 0
    try:
        with lease(connection_settings(server, facts.database), settings.VAR_DIR, is_watched=True) as twin:
            for item in waiting:
                fingerprint, fault = item.request.fingerprint, dict[str, str]()
                planned = item.outcome
                with costing_only(fingerprint, fault):
                    planned = _planned(twin, item, facts, now)
                done += 1
                yield _unplanned(planned, fault[fingerprint]) if fault else planned
    except PgLoupeError as error:
        logger.warning("The twin of server %s made no plans: %s", server.slug, error)
        yield from (_unplanned(item.outcome, str(error)) for item in waiting[done:])


def _planned(twin: Twin, waiting: Waiting, facts: SchemaFacts, now: datetime) -> ExplainOutcome:
    request = waiting.request
    statement = WorkloadStatement(
        request.fingerprint, request.sql, waiting.calls_per_day, total_time_s_per_day=0.0, mean_time_ms=0.0,
        rows_per_call=request.rows_per_call, samples=tuple(request.sampled_sqls),
    )  # fmt: skip
    queries, refused = plannable_queries(twin, [statement], facts, now, STOP_ON)
    if not queries:
        return _unplanned(waiting.outcome, refused.get(request.fingerprint, "it cannot be planned"))
    query = max(queries, key=lambda q: q.weight)
    explained = twin.explain(query)
    if isinstance(explained, Refused):
        return _unplanned(waiting.outcome, explained.reason)
    plan_json = redact_plan([explained])
    try:
        plan = parse_plan(plan_json)
    except PlanError as error:
        return _unplanned(waiting.outcome, str(error))
    return replace(
        waiting.outcome,
        decision="plan_only",
        reason=f"{waiting.outcome.reason} {BY_TWIN}",
        values_source=_values(query, request.sql),
        plan_json=plan_json,
        plan=plan,
        is_by_twin=True,
    )


def _unplanned(outcome: ExplainOutcome, reason: str) -> ExplainOutcome:
    return replace(outcome, reason=f"{outcome.reason} {NOT_BY_TWIN}{reason.rstrip('.')}.")


def _values(query: Query, sql: str) -> ValuesSource:
    name = values_of(query.key)
    for source in VALUES:
        if name == source:
            return source
    return "generic" if preparable_sql(sql).parameters else "none"
