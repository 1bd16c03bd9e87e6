"""The advisor at work for one database: the recorded workload through the twin, and what is kept of the answer.

Kept are the suggestions with their evidence, the curve of gain against megabytes (``AdviceRun.result``: what
``advice/show.py`` writes, with "curve"), for each plan in the store whether the twin plans alike, and what statements
written otherwise cost (``steps/rewrites.py``).
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, QuerySet

from analyzer.advice.advise import advise
from analyzer.advice.costliest_statements import dearest
from analyzer.advice.gain import MeasuredTimes
from analyzer.advice.planned import planned_suggestions
from analyzer.advice.planner import Refused
from analyzer.advice.queries import chosen_values
from analyzer.advice.resolved_workload import as_read
from analyzer.advice.rules.suggest import WorkloadStatement, suggest_indexes
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_json, curve_as_json
from analyzer.errors import BadInput, PgLoupeError, costing_only
from analyzer.models import AdviceRun, Database, ExplainState, PlanRecord, SchemaReading, Server, Statement
from analyzer.monitored.explain.second_opinion import with_second_opinion
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.limits import rows_before_limit
from analyzer.plans.work import WorkWeights
from analyzer.plans.work_weights import learnt_weights
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.parse import is_system_table
from analyzer.statements.preparable import preparable_sql
from analyzer.steps import schedule
from analyzer.steps.explain import schema_signature, text_to_explain
from analyzer.steps.rewrites import are_waiting, plan_rewrites
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings, parameters, planner_past, suggestions
from analyzer.store.databases import inspected_databases
from analyzer.store.needless_indexes import replica_scans, with_earlier
from analyzer.store.series.totals import StatementRate
from analyzer.store.servers import connection_settings, explain_settings
from analyzer.twin import NeedsOwnAddress, Twin, lease
from analyzer.twin.compare import compare_with_server
from analyzer.twin.snapshot import read_past

logger = logging.getLogger(__name__)

MOST_KEPT_TABLES = 300  # judgement: of which it is kept what the planner knows, the largest first
MOST_COMPARED = 500  # plans of the store that the twin is asked for in one run
# judgement: an index is one more thing to keep. Of few statements it has to save two percent of the load
LEAST_GAIN_RATIO = 0.02
CURRENT_FOR = 4  # runs: after so many that failed, rules speak again
Values = PlanRecord.Values


def is_current(server: Server, database: Database, now: datetime) -> bool:
    """Whether the suggestions are a planner's, and not too old."""
    run = AdviceRun.objects.filter(database=database, made_at__isnull=False).only("made_at").first()
    age = timedelta(seconds=CURRENT_FOR * schedule.interval_s(server, "advise"))
    return run is not None and run.made_at is not None and now - run.made_at < age


def least_recently_advised(server: Server, daily: Mapping[int, Mapping[int, StatementRate]]) -> list[Database]:
    """Databases with load and a schema, those never advised on first; else the one the server is reached through.

    ``daily``: rates of the last day by database's oid.
    """
    databases = inspected_databases(server)
    tried = dict(AdviceRun.objects.filter(database__in=databases).values_list("database_id", "tried_at"))
    read = set(SchemaReading.objects.filter(database__in=databases).values_list("database_id", flat=True))
    busy = [database for database in databases if database.oid in daily and database.pk in read]
    return sorted(busy, key=lambda d: (d.pk in tried, tried.get(d.pk))) or [d for d in databases[:1] if d.pk in read]


def advise_database(
    server: Server,
    database: Database,
    recorded: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    now: datetime,
    *,
    server_time_s_per_day: float = 0.0,
    watched_s: float | None = None,
) -> str:
    """One run; a note for the server's page. Raises MonitoredServerError where the server cannot be read.

    ``server_time_s_per_day``: of all the server's statements; ``watched_s``: what the rates are made of.
    """
    # before anything that may end the run: the other databases have their turn before this one is tried again
    AdviceRun.objects.update_or_create(database=database, defaults={"tried_at": now, "problem": ""})
    run = AdviceRun.objects.filter(database=database)
    if not recorded:
        return "waiting for statements"
    if not facts.statistics_readable:
        return _failed(run, "The login may not read the tables' statistics: no plan can be made without them")
    workload = with_executed_rows(database, dearest(recorded))
    wanted = SelectionOptions(
        least_gain_ratio=LEAST_GAIN_RATIO, replica_scans=replica_scans(database.server, database, now)
    )
    begun = time.monotonic()
    try:
        with lease(connection_settings(server, facts.database), settings.VAR_DIR, is_watched=True) as twin:
            wanted = replace(wanted, work_weights=_weights(twin, database))
            advice = advise(twin, workload, facts, wanted, now=now, with_curve=True, stop_on=STOP_ON)
            missing = [*twin.limitations(), *advice.faults]
            _compare_plans(twin, database, facts, now)
            with costing_only(database.name, {}, "database"):
                _keep_past(twin, database, facts, now)
    except (RuntimeFailure, BadInput, NeedsOwnAddress) as problem:
        return _failed(run, str(problem))
    except OSError as problem:
        return _failed(run, f"The twin's files cannot be written: {problem.strerror or 'no reason given'}")
    if server.explain_mode != Server.ExplainMode.OFF:  # else nothing is planned on the server
        advice = with_second_opinion(advice, explain_settings(server, facts.database), workload, facts)
    times = MeasuredTimes({s.fingerprint: s.total_time_s_per_day for s in workload}, server_time_s_per_day, watched_s)
    result = advice_as_json(advice, missing, times) | {"curve": curve_as_json(advice, times)}
    result["judged_drops"] = with_earlier(database, result["judged_drops"], now)
    opened = findings.open_findings(database)
    kept, evidence = planned_suggestions(
        advice, suggest_indexes(as_read(workload, facts), facts, opened), workload, facts, opened
    )
    suggestions.keep_suggestions(database, kept, evidence=evidence, watched_s=watched_s, now=now)
    run.update(
        made_at=now,
        duration_s=time.monotonic() - begun,
        statements=len(workload),
        candidates=advice.candidates,
        plans_made=advice.selection.plans_made,
        result=result,
    )
    return _plan_rewrites(server, database, workload, facts, now)


def _plan_rewrites(
    server: Server, database: Database, workload: Sequence[WorkloadStatement], facts: SchemaFacts, now: datetime
) -> str:
    """Once the advice is kept: what ends it takes nothing from that. A note where something did."""
    if not are_waiting(database, workload, facts, now):
        return ""
    try:
        with lease(connection_settings(server, facts.database), settings.VAR_DIR, is_watched=True) as twin:
            plan_rewrites(twin, database, workload, facts, now)
    except PgLoupeError as problem:
        return f"Statements written otherwise were not planned: {problem}"
    except OSError as problem:
        return f"Statements written otherwise were not planned: {problem.strerror or 'a file cannot be written'}"
    return ""


def _keep_past(twin: Twin, database: Database, facts: SchemaFacts, now: datetime) -> None:
    """What its planner knows of the tables that statements touch."""
    statements = Statement.objects.filter(
        server_id=database.server_id, entries__database_oid=database.oid, entries__is_own=False
    ).distinct()
    named = {name for tables in statements.values_list("tables", flat=True) for name in tables}
    largest = sorted(tables_named(named, facts), key=lambda name: (-_rows(facts, name), name))[:MOST_KEPT_TABLES]
    planner_past.keep_past(database, read_past(twin, largest), now)


def tables_named(names: Iterable[str], facts: SchemaFacts) -> set[str]:
    """ "schema.name" of tables as statements write them, as far as the schema has them."""
    parts = [name.rpartition(".") for name in names]
    return {table.qualified_name for schema, _, name in parts for table in facts.tables_read(name, schema)}


def _rows(facts: SchemaFacts, name: str) -> float:
    table = facts.table_called(name)
    return (table.rows if table is not None else None) or 0.0


def _weights(twin: Twin, database: Database) -> WorkWeights:
    """By the newest executed plan of each statement."""
    plans = PlanRecord.objects.filter(database=database, is_analyzed=True, execution_time_ms__gt=0)
    newest = plans.order_by("statement_id", "-last_seen").distinct("statement_id")
    executed = []
    for plan, time_ms in newest.values_list("plan", "execution_time_ms")[:MOST_COMPARED].iterator(chunk_size=100):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            top = plan[0] if isinstance(plan, list) else plan
            executed.append((twin.work(top), float(time_ms or 0.0)))
    return learnt_weights(executed)


def with_executed_rows(database: Database, workload: Sequence[WorkloadStatement]) -> list[WorkloadStatement]:
    """With what the newest executed plan of each statement tells about its LIMIT."""
    plans = PlanRecord.objects.filter(
        database=database, is_analyzed=True, statement__fingerprint__in=[s.fingerprint for s in workload]
    )
    newest = plans.order_by("statement_id", "-last_seen").distinct("statement_id")
    rows: dict[str, float | None] = {}
    for fingerprint, plan in newest.values_list("statement__fingerprint", "plan").iterator(chunk_size=100):
        with contextlib.suppress(PlanError):
            rows[fingerprint] = rows_before_limit(parse_plan(plan))
    return [replace(s, rows_before_limit=rows.get(s.fingerprint)) for s in workload]


def _failed(run: QuerySet[AdviceRun], problem: str) -> str:
    run.update(problem=problem)
    return problem


def _compare_plans(twin: Twin, database: Database, facts: SchemaFacts, now: datetime) -> None:
    """For each statement's newest plans: does the twin plan the same?"""
    changed = []
    for record in _plans_to_compare(database, facts):
        with _unless_it_fails(record):
            verdicts = [
                f"not planned: {answer.reason}" if isinstance(answer, Refused) else answer.verdict
                for sql, values in ways_to_plan(twin, database, record, facts, now)
                for answer in (compare_with_server(twin, sql, values, record.plan),)
            ]
            if verdicts:
                # a plan for sampled values was made for one of the samples: which, is not kept
                record.twin_verdict = min(verdicts, key=lambda v: not v.startswith("same"))[:300]
                record.twin_asked_at = now
                changed.append(record)
    PlanRecord.objects.bulk_update(changed, ["twin_verdict", "twin_asked_at"], batch_size=100)


def ways_to_plan(
    twin: Twin, database: Database, record: PlanRecord, facts: SchemaFacts, now: datetime
) -> list[tuple[str, tuple[str | None, ...] | None]]:
    """Text and values as the server may have planned them; empty where the values are not known any more."""
    sql = text_to_explain(record.statement, facts).sql
    if record.values_source == Values.SAMPLED:
        samples = tuple(parameters.samples_of(record.statement, database))
        statement = WorkloadStatement("", record.statement.normalized_sql, 1.0, 0.0, 0.0, samples=samples)
        return [(sample, None) for sample in as_read([statement], facts)[0].samples]
    text = preparable_sql(sql, facts=facts).sql or sql
    if record.values_source in (Values.TYPICAL, Values.RARE):
        if any("rows per call" in said for said in record.rewrites):
            return []
        values = chosen_values(twin, text, facts, now).get(record.values_source)
        return [] if values is None else [(text, values)]
    return [(text, None)]


def _plans_to_compare(database: Database, facts: SchemaFacts) -> Iterator[PlanRecord]:
    """The newest plan of each statement, those not asked for longest first; not those that wait to be explained again,
    because their tables or indexes changed."""
    plans = PlanRecord.objects.filter(database=database, is_by_twin=False)
    newest = plans.order_by("statement_id", "-last_seen").distinct("statement_id")
    waiting = PlanRecord.objects.filter(pk__in=newest.values("pk")).select_related("statement")
    states = ExplainState.objects.filter(database=database)
    made_for = dict(states.values_list("statement_id", "schema_signature"))
    for record in waiting.order_by(F("twin_asked_at").asc(nulls_first=True), "pk")[:MOST_COMPARED]:
        tables = record.statement.tables
        is_fresh = made_for.get(record.statement_id) == schema_signature(facts, tables)
        if is_fresh and not any(is_system_table(table) for table in tables):  # the twin's catalog is its own
            yield record


@contextlib.contextmanager
def _unless_it_fails(record: PlanRecord) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError) as error:  # a plan that cannot be read, or values that do not fit any more
        logger.warning("plan %s was not compared: %s", record.pk, type(error).__name__)
