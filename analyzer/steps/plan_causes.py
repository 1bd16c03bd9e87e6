"""Why plans changed: statements with a new, slower plan through the twin, with single things as they were before."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from analyzer.advice.planner import Query, Refused
from analyzer.advice.queries import chosen_values
from analyzer.advice.resolved_workload import as_read
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.behaviour.past import ShapeChange, shape_changes, utc_words
from analyzer.behaviour.plan_cause import (
    NEW_PLAN,
    OLD_PLAN,
    OTHER_PLAN,
    Cause,
    Set,
    cause_words,
    cure_hint,
    find_cause,
)
from analyzer.behaviour.planner_differences import VALUES, Difference, differences, with_invalid_index
from analyzer.behaviour.planner_past import FIGURES, SETTINGS, STATISTICS, STRUCTURE, PlannerPast
from analyzer.errors import MonitoredServerError, PgLoupeError, fault_reason
from analyzer.models import Database, FindingRecord, PlanCause, PlanRecord, Server, Statement
from analyzer.plans import Plan, PlanError, parse_plan, redact_plan
from analyzer.plans.compare import plan_change, sameness
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.storage import StorageFacts
from analyzer.statements.preparable import preparable_sql
from analyzer.steps.advise import tables_named, ways_to_plan
from analyzer.steps.explain import text_to_explain
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import planner_past
from analyzer.store.plan_periods import periods_of, values_of_period
from analyzer.store.servers import connection_settings
from analyzer.twin import ANEW, Twin, lease
from analyzer.twin.compare import printed_settings
from analyzer.twin.replay import Replay
from analyzer.twin.snapshot import read_past
from analyzer.twin.watch import TwinEnded

logger = logging.getLogger(__name__)

MOST_WAYS = 3  # values tried for one statement
BEGUN_WITHIN_S = 120.0  # judgement: the advice before it may have taken most of the task's time
MOST_AT_ONCE = 5  # judgement: statements whose causes are looked for in one run; each spoils a twin
LIMIT_S = 60.0  # of planning, for each
PAST = timedelta(days=14)
CHANGED_CODE = "ST010"
AGAIN_AFTER = timedelta(days=1)  # judgement: a twin that did not start, or had other statistics, may do by then
MOST_TIMES = 4  # judgement: that one cause is looked for


def find_causes(server: Server, database: Database, facts: SchemaFacts, now: datetime) -> int:
    """Causes of the changes that are open findings and not proved yet; how many were looked into."""
    open_ones = FindingRecord.objects.filter(
        database=database, code=CHANGED_CODE, closed_at__isnull=True, statement__isnull=False
    ).select_related("statement")
    looked_into, begun = 0, time.monotonic()
    for finding in open_ones.order_by("-impact_s_per_day"):
        assert finding.statement is not None
        change = change_of(finding.statement, database, finding.subject.removeprefix("plan "), now)
        if change is None or not _is_due(_known(finding.statement, database, change).first(), now):
            continue
        if looked_into >= MOST_AT_ONCE or time.monotonic() - begun > BEGUN_WITHIN_S:
            break
        looked_into += 1
        try:
            explain_change(server, database, finding.statement, change, facts, now)
        except (MonitoredServerError, *STOP_ON):
            raise  # the others would fare no better
        except Exception as error:  # it may go the same way each time, so it is kept
            logger.exception("The cause of a new plan of statement %s", finding.statement.pk)
            known = isinstance(error, (PgLoupeError, TwinEnded))
            problem = (str(error) if known else fault_reason(error)).rstrip(".")
            _keep(finding.statement, database, change, Cause(problem=problem), [], now)
    return looked_into


def _is_due(known: PlanCause | None, now: datetime) -> bool:
    if known is None:
        return True
    times = known.evidence.get("times_looked_for", 1)
    return not known.is_proved and times < MOST_TIMES and known.found_at <= now - AGAIN_AFTER


def change_of(statement: Statement, database: Database, shape: str, now: datetime) -> ShapeChange | None:
    """The change of plan that a finding tells of: to the shape that begins so."""
    periods = periods_of(database, [statement.pk], now - PAST).get(statement.pk, [])
    fitting = [c for c in shape_changes(periods) if c.after.shape.startswith(shape) and not c.alternates]
    return fitting[-1] if fitting else None


def explain_change(
    server: Server, database: Database, statement: Statement, change: ShapeChange, facts: SchemaFacts, now: datetime
) -> PlanCause:
    """The cause of one change, kept."""
    plans = [_plan(statement, database, shape) for shape in (change.before.shape, change.after.shape)]
    then = planner_past.past_at(database, change.before.last_seen, change.after.first_seen)
    differs: list[Difference] = []
    old_path = ""
    if plans[0] is None or plans[1] is None:
        cause = Cause(problem="one of the two plans is not kept")
    elif then is None:
        cause = Cause(problem="pgLoupe kept nothing of what the planner knew before it")
    else:
        before, after = plans[0], plans[1]
        old_path = path_left(before[1], after[1])
        with lease(
            connection_settings(server, facts.database), settings.VAR_DIR, fresh_s=ANEW, is_watched=True
        ) as twin:
            twin.limit_time(LIMIT_S)
            both = before[1], after[1]
            cause, differs = _replayed(twin, database, statement, change, both, after[0], then, facts, now)
    return _keep(statement, database, change, cause, differs, now, old_path)


def path_left(before: Plan, after: Plan) -> str:
    """A step that the old plan had and the new one has not: by which index it read, if it was that."""
    labels = {node.label for node in after}
    left = [node for node in before if node.label not in labels]
    return next((node.label for node in left if node.index_name), left[0].label if left else "")


def _keep(
    statement: Statement, database: Database, change: ShapeChange, cause: Cause, differs: Sequence[Difference],
    now: datetime, old_path: str = "",
) -> PlanCause:  # fmt: skip
    known = _known(statement, database, change).first()
    record, _ = PlanCause.objects.update_or_create(
        statement=statement,
        database=database,
        shape_before=change.before.shape,
        shape_after=change.after.shape,
        changed_at=change.after.first_seen,
        defaults={
            "found_at": now,
            "is_proved": bool(cause.causes or cause.cures),
            "description": cause_words(cause, differs, old_path),
            "hint": cure_hint(cause),
            "evidence": {
                "causes": [sorted(d.description for d in some) for some in cause.causes],
                "cures": [sorted(d.description for d in some) for some in cause.cures],
                "differences": [d.description for d in differs][:50],
                "plans_made": cause.plans_made,
                "times_looked_for": known.evidence.get("times_looked_for", 1) + 1 if known else 1,
            },
        },
    )
    return record


def _replayed(
    twin: Twin, database: Database, statement: Statement, change: ShapeChange, plans: tuple[Plan, Plan],
    record: PlanRecord, then: PlannerPast, facts: SchemaFacts, now: datetime,
) -> tuple[Cause, list[Difference]]:  # fmt: skip
    known = read_past(twin, tables_named(statement.tables, facts))
    earlier = PlannerPast(then.settings, {name: past for name, past in then.tables.items() if name in known.tables})
    dated = (_dated(with_invalid_index(d, facts), database, change, facts) for d in differences(then, known))
    differs = [difference for difference in dated if difference is not None]
    base = printed_settings(plans[1])
    judge = _Judge(*plans)
    queries = [
        query
        for query in _queries(twin, database, record, facts, now)
        if judge.kind_of(twin.explain(query, settings=base)) == NEW_PLAN
    ]
    if not queries:
        return Cause(problem="pgLoupe's planner twin does not make the new plan now"), differs
    old_query = _old_query(database, statement, change, facts)
    if old_query is not None and old_query.sql != queries[0].sql:
        differs.insert(0, VALUES)
    replay = Replay(twin, earlier, known, differs)
    differs = replay.replayed(differs)

    def cause_for(query: Query) -> Cause:
        def kind_of_plan(old: Set) -> str:
            asked = old_query if VALUES in old and old_query is not None else query
            return judge.kind_of(replay.explain(asked, old - {VALUES}, base))

        return find_cause(differs, kind_of_plan)

    causes = [cause_for(query) for query in queries[:MOST_WAYS]]
    return next((cause for cause in causes if not cause.problem), causes[0]), differs


PIECE = {"setting": SETTINGS, "statistics": STATISTICS, "size": FIGURES}  # else STRUCTURE


def _dated(difference: Difference, database: Database, change: ShapeChange, facts: SchemaFacts) -> Difference | None:
    """With the readings between which it changed, where they are known; of statistics with the ANALYZE between.

    None where it changed after the plan did. Figures may move by a little without being kept anew.
    """
    if difference.kind == "table renamed":
        return difference
    kind = PIECE.get(difference.kind, STRUCTURE)
    before, after = planner_past.changed_between(database, kind, difference.table, change.before.last_seen)
    if before is not None and before >= change.after.first_seen and (after is not None or kind != FIGURES):
        return None
    if before is None or after is None:
        return difference
    between = f"between {utc_words(before.timestamp())} and {utc_words(after.timestamp())}"
    table = facts.table_called(difference.table)
    storage = table.storage if table is not None and difference.kind == "statistics" else None
    ran = analyzed_between(storage, before, after)
    return replace(difference, description=f"{difference.description} ({ran or between})")


def analyzed_between(storage: StorageFacts | None, before: datetime, after: datetime) -> str:
    """Which ANALYZE made the statistics that were read at ``after``; "" where one ran later or none is known."""
    at = storage.analyzed_at if storage is not None else None
    if storage is None or at is None or not before < at <= after:
        return ""
    by = "autoanalyze" if at == storage.last_autoanalyze else "an ANALYZE that somebody ran"
    return f"by {by}, {utc_words(at.timestamp())}"


class _Judge:
    """Which of two plans a third one is.

    Where no shape is the same, since versions write them otherwise, how tables are read and joined decides.
    """

    def __init__(self, before: Plan, after: Plan) -> None:
        self._before, self._after = before, after
        self._differ_in_words = bool(plan_change(before, after).sentences)

    def kind_of(self, answer: Any) -> str:
        if isinstance(answer, Refused):
            return OTHER_PLAN
        try:
            plan = parse_plan(redact_plan([answer]))
        except PlanError:
            return OTHER_PLAN
        for known, kind in ((self._before, OLD_PLAN), (self._after, NEW_PLAN)):
            if sameness(known, plan).is_same_shape:
                return kind
        if self._differ_in_words:
            for known, kind in ((self._before, OLD_PLAN), (self._after, NEW_PLAN)):
                if not plan_change(known, plan).sentences:
                    return kind
        return OTHER_PLAN


def _queries(twin: Twin, database: Database, record: PlanRecord, facts: SchemaFacts, now: datetime) -> Iterator[Query]:
    """The text with the values that the plan was made for; where these are not known any more, with others."""
    ways = ways_to_plan(twin, database, record, facts, now)
    if not ways:
        text = text_to_explain(record.statement, facts).sql
        text = preparable_sql(text, facts=facts).sql or text
        ways = [(text, values) for values in chosen_values(twin, text, facts, now).values()] + [(text, None)]
    for sql, values in ways:
        query = _as_query(sql, values)
        if query is not None:
            yield query


def _as_query(sql: str, values: tuple[str | None, ...] | None) -> Query | None:
    text = preparable_sql(sql).sql
    return Query("replayed", "replayed", text, 0.0, values) if text else None


def _old_query(database: Database, statement: Statement, change: ShapeChange, facts: SchemaFacts) -> Query | None:
    """With the values that were seen then, where the plans were made for such."""
    sample = values_of_period(statement, database, change.before) if change.before.values == "sampled" else ""
    if not sample:
        return None
    told = WorkloadStatement("", statement.normalized_sql, 1.0, 0.0, 0.0, samples=(sample,))
    samples = as_read([told], facts)[0].samples
    return _as_query(samples[0], None) if samples else None


def _plan(statement: Statement, database: Database, shape: str) -> tuple[PlanRecord, Plan] | None:
    records = PlanRecord.objects.filter(statement=statement, database=database, shape=shape)
    record = records.select_related("statement").order_by("-is_analyzed", "-last_seen").first()
    if record is None:
        return None
    try:
        return record, parse_plan(record.plan)
    except PlanError:
        return None


def _known(statement: Statement, database: Database, change: ShapeChange) -> Any:
    return PlanCause.objects.filter(
        statement=statement, database=database, shape_before=change.before.shape, shape_after=change.after.shape,
        changed_at=change.after.first_seen,
    )  # fmt: skip
