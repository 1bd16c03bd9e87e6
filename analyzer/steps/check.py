"""Step check: what is known of a database -> findings, kept; then suggestions by rule, as long as no planner's are.

Plans are judged once: what the checks found stays with the plan until the plan, the schema, the checks' code, the
server's rules or the figures that it tells of change. How much that costs is put in anew each time, because calls
change all the time.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from analyzer.advice.resolved_workload import as_read
from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.behaviour.workload import ObservedWorkload
from analyzer.checks import Context, Outcome, Rules, impact, note, run_checks, vacuum_holder
from analyzer.checks.dropping import OF_UNUSED
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding
from analyzer.models import Database, FindingRecord, PlanRecord, Server, Statement, StatementEntry, SuggestionRecord
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.standing import HeldBack
from analyzer.statements.secrets import SECRET_NAME
from analyzer.steps import advise, judgement, schedule
from analyzer.steps.check_past import check_pasts
from analyzer.steps.follow import follow_indexes
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings, suggestions
from analyzer.store.check_rules import rules_of
from analyzer.store.databases import inspected_databases
from analyzer.store.gains import MAY_BE_NEEDED, measure_gone
from analyzer.store.key_checks import key_check_times
from analyzer.store.needless_indexes import plans_without, replica_scans
from analyzer.store.new_statements import keep_news
from analyzer.store.series.overheads import StatementOverhead, overheads
from analyzer.store.series.totals import StatementRate, rates, rates_by_database, watched_s
from analyzer.store.series.windows import A_DAY, Window
from analyzer.store.series.workload import recorded_statements
from analyzer.store.series.workload import workload as read_workload
from analyzer.store.set_columns import recorded_columns_named, recorded_columns_set
from analyzer.store.statements_not_run import ChecksOfServer, still_seen_from

logger = logging.getLogger(__name__)

BEHAVIOUR_WINDOW = timedelta(hours=3)  # 180 intervals of a minute
SEEN_WITHIN = timedelta(minutes=10)


def check_server(server: Server) -> str:
    """Everything known of each database -> findings; then index suggestions for its whole workload."""
    databases = inspected_databases(server)
    if not databases:
        return "waiting for the first reading of the schema"
    now = timezone.now()
    _note_last_seen(server, now)
    rules = rules_of(server)
    a_day = Window(now - A_DAY, now)
    daily, beside = rates_by_database(server, a_day), overheads(server, a_day)
    seen_from = still_seen_from(server, now)
    outcomes: list[Outcome] = []
    faults: dict[str, str] = {}
    for database in databases:
        outcomes += _check_database(
            server, database, daily.get(database.oid, {}), beside, rules, now, seen_from, faults
        )
    measure_gone(server, now)
    keep_news(server, now)
    return note(outcomes, [f"Index {name}: {why.rstrip('.')}" for name, why in faults.items()])


def _check_database(
    server: Server,
    database: Database,
    daily: dict[int, StatementRate],
    beside: Mapping[int, StatementOverhead],
    rules: Rules,
    now: datetime,
    seen_from: datetime,
    faults: dict[str, str],
) -> list[Outcome]:
    behaviour = read_workload(server, database, Window(now - BEHAVIOUR_WINDOW, now))
    facts = behaviour.facts
    judged = run_checks(_with_daily(behaviour, daily), rules=rules, stop_on=STOP_ON)
    findings.keep_outcome(server, database, judged, ObservedWorkload, now)
    outcomes = [
        judged,
        check_plans(server, database, daily, facts, rules, now, seen_from),
        check_statements(server, database, daily, facts, rules, now, seen_from, beside),
        check_pasts(server, database, daily, rules, now, seen_from),
        check_schema(server, database, daily, facts, rules, now),
    ]
    if facts is not None:
        if follow_indexes(database, facts, now, faults):
            schedule.make_due_now(server, "advise", now=now)  # the rest of the advice may change with it
        _suggest(server, database, daily, facts)
    return outcomes


def _note_last_seen(server: Server, now: datetime) -> None:
    """To within ten minutes: writing it at every reading would cost more than it tells."""
    recent = list(rates(server, Window(now - SEEN_WITHIN, now)))
    Statement.objects.filter(pk__in=recent, last_seen__lt=now - SEEN_WITHIN).update(last_seen=now)


def _with_daily(behaviour: ObservedWorkload, daily: Mapping[int, StatementRate]) -> ObservedWorkload:
    """A few hours tell who follows whom; how often it happens a day, the longer span."""
    fingerprints = dict(Statement.objects.filter(pk__in=list(daily)).values_list("pk", "fingerprint"))
    calls = {fingerprints[pk]: rate.calls_per_day for pk, rate in daily.items() if pk in fingerprints}
    return replace(behaviour, calls_per_day=calls, watched_s=watched_s(daily))


def check_schema(
    server: Server,
    database: Database,
    daily: Mapping[int, StatementRate],
    facts: SchemaFacts | None,
    rules: Rules,
    now: datetime,
) -> Outcome:
    """Findings on the schema, kept."""
    if facts is None:
        return Outcome()
    context = Context(
        facts=facts,
        key_checks=key_check_times(database, facts, daily),
        without_index=plans_without(database, facts, now),
        replica_scans=replica_scans(server, database, now),
        columns_set=recorded_columns_set(database, facts, daily),
        empty_columns_named=recorded_columns_named(database, facts, daily),
        vacuum_holder=_vacuum_holder(server),
    )
    outcome = run_checks(facts, context, rules=rules, stop_on=STOP_ON)
    findings.keep_outcome(server, database, outcome, SchemaFacts, now)
    if context.replica_scans is not None and context.replica_scans.unwatched:
        findings.withdraw(database, OF_UNUSED, now, because=MAY_BE_NEEDED)
    return outcome


def _vacuum_holder(server: Server) -> HeldBack | None:
    found = FindingRecord.objects.filter(
        server=server, database=None, code=vacuum_holder.CODE, closed_at__isnull=True
    ).first()
    return vacuum_holder.holder_of(found.evidence) if found is not None else None


# -- plans --------------------------------------------------------------------------------------------------------


def check_plans(
    server: Server,
    database: Database,
    daily: Mapping[int, StatementRate],
    facts: SchemaFacts | None,
    rules: Rules,
    now: datetime,
    seen_from: datetime,
) -> Outcome:
    """The newest plans of every statement that still runs. ``seen_from``: last seen before then, one does not."""
    records = [r for r in _newest_plans(database) if r.statement_id in daily or r.statement.last_seen > seen_from]
    current = judgement.judged_with(database, rules)
    judgement.judge([r for r in records if judgement.is_due(r, facts, current)], facts, rules, current)
    outcome, limits = Outcome(), rules.severity_limits
    for record in records:
        one = judgement.kept(record)
        rate = daily.get(record.statement_id)
        load = impact.Load(0.0)
        if rate is not None:
            load = impact.Load(rate.calls_per_day, rate.mean_exec_time_ms, rate.watched_s)
        one.findings = impact.rated(one.findings, load, limits)
        outcome.add(one)
    outcome.findings = _worst_of_each(outcome.findings)
    # of one that did not run what is left out as too rare is not gone
    ran = {r.statement.fingerprint for r in records if r.statement_id in daily}
    looked_at = ChecksOfServer(ran, seen_from, rules.off)
    findings.keep_outcome(server, database, outcome, Plan, now, looked_at)
    return outcome


def _newest_plans(database: Database, **only: Any) -> list[PlanRecord]:
    """The plans of each statement's newest round that was executed; of its newest round where none was.

    ``only``: conditions on the plans. A round that could not execute (a busy server, a lost connection) proves
    nothing gone. The plans themselves are not read here.
    """
    records = list(
        PlanRecord.objects.filter(database=database, **only)
        .select_related("statement")
        .defer("plan", "rewrites", "not_analyzed_because", "statement__normalized_sql", "statement__tags")
    )
    newest: dict[int, tuple[bool, datetime]] = {}
    for record in records:
        rank = (record.is_analyzed, record.last_seen)
        newest[record.statement_id] = max(rank, newest.get(record.statement_id, rank))
    return [r for r in records if (r.is_analyzed, r.last_seen) == newest[r.statement_id]]


def _worst_of_each(some: Iterable[Finding]) -> list[Finding]:
    """Plans for typical and for rare values can show the same thing: the dearer one is kept."""
    worst: dict[str, Finding] = {}
    for finding in some:
        other = worst.get(finding.key)
        if other is None or (finding.impact_s_per_day or 0) > (other.impact_s_per_day or 0):
            worst[finding.key] = finding
    return list(worst.values())


# -- statements ---------------------------------------------------------------------------------------------------


def check_statements(
    server: Server,
    database: Database,
    daily: Mapping[int, StatementRate],
    facts: SchemaFacts | None,
    rules: Rules,
    now: datetime,
    seen_from: datetime,
    more: Mapping[int, StatementOverhead] | None = None,
) -> Outcome:
    """Every statement that ran in the database within a day: text, figures and, for checks that ask, plans.

    Of utilities those that may hold a secret. What was found in others stays as long as they are not gone.
    """
    ran = StatementEntry.objects.filter(
        server=server, database_oid=database.oid, is_own=False, statement_id__in=list(daily)
    )
    with_password = Q(kind="utility", normalized_sql__contains="***", normalized_sql__iregex=SECRET_NAME.pattern)
    statements = (
        Statement.objects.filter(Q(kind__in=Statement.PLANNABLE) | with_password)
        .filter(pk__in=ran.values_list("statement_id"), text_state=Statement.TextState.OK)
        .annotate(query_ids=Count("entries__queryid", Q(entries__database_oid=database.oid), distinct=True))
    )
    outcome, fingerprints = Outcome(), set()
    for statement in statements:
        fingerprints.add(statement.fingerprint)
        rate, overhead = daily[statement.pk], (more or {}).get(statement.pk)
        about = StatementFacts(
            fingerprint=statement.fingerprint,
            normalized_sql=statement.normalized_sql,
            kind=statement.kind,
            tables=tuple(statement.tables),
            facts=facts,
            calls_per_day=rate.calls_per_day,
            time_s_per_day=rate.total_time_s_per_day,
            mean_exec_time_ms=rate.mean_exec_time_ms,
            rows_per_call=rate.rows_per_call,
            watched_s=rate.watched_s,
            plan_time_s_per_day=overhead.plan_time_s_per_day if overhead is not None else None,
            jit_time_s_per_day=overhead.jit_time_s_per_day if overhead is not None else None,
            entries=statement.query_ids,
            read_plans=partial(_plans_of, statement, database),
        )
        context = Context(
            facts=facts,
            fingerprint=statement.fingerprint,
            normalized_sql=statement.normalized_sql,
            calls_per_day=rate.calls_per_day,
            mean_exec_time_ms=rate.mean_exec_time_ms,
            watched_s=rate.watched_s,
        )
        outcome.add(run_checks(about, context, rules=rules, stop_on=STOP_ON))
    findings.keep_outcome(
        server, database, outcome, StatementFacts, now, ChecksOfServer(fingerprints, seen_from, rules.off)
    )
    return outcome


def _plans_of(statement: Statement, database: Database) -> list[Plan]:
    """Those of its newest round that was executed; unreadable ones are left out."""
    newest = _newest_plans(database, statement=statement, is_analyzed=True)
    plans = []
    for kept in PlanRecord.objects.filter(pk__in=[r.pk for r in newest]).order_by("pk").values_list("plan", flat=True):
        try:
            plans.append(parse_plan(kept))
        except PlanError:
            continue
    return plans


# -- suggest ------------------------------------------------------------------------------------------------------


def _suggest(server: Server, database: Database, daily: dict[int, StatementRate], facts: SchemaFacts) -> None:
    """By rules, as long as no planner has been asked."""
    if advise.is_current(server, database, timezone.now()):
        return
    if not daily and SuggestionRecord.objects.filter(database=database, closed_at__isnull=True).exists():
        return  # of a day that nobody watched nothing follows
    recorded = as_read(recorded_statements(server, database, daily), facts)
    advice = suggest_indexes(recorded, facts, findings.open_findings(database))
    suggestions.keep_suggestions(database, advice, watched_s=watched_s(daily))
