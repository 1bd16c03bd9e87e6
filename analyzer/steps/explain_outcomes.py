"""Keeps what an EXPLAIN came to: its plans, the decision of the gate with its audit, and when the next is due."""

from datetime import datetime

from analyzer.errors import fault_reason
from analyzer.models import Database, ExplainAudit, ExplainState, PlanRecord, Server, Statement
from analyzer.monitored.explain.explain import ExplainOutcome
from analyzer.plans.shape import shape_of
from analyzer.steps import explain as explaining
from analyzer.store import parameters, plan_periods
from analyzer.store.plans import keep_plan

REAL_VALUES = (PlanRecord.Values.SAMPLED, PlanRecord.Values.NONE)
DECISIONS = ("executed", "plan_only", "refused", "failed")  # the best first


def keep_fault(
    server: Server, database: Database, item: explaining.ToExplain, error: Exception, spent_ms: float, now: datetime
) -> None:
    """A fault of ours costs the one statement its plan, for a day; the others are explained all the same."""
    reason = fault_reason(error)
    ExplainAudit.objects.create(
        server=server,
        database_name=database.name,
        statement=item.statement,
        text_hash="",  # it may be the text that we stumble over
        decision="failed",
        reason=reason,
        layer="pgloupe",
        duration_ms=spent_ms,
    )
    ExplainState.objects.update_or_create(
        statement=item.statement,
        database=database,
        defaults={
            "explained_at": now,
            "next_at": now + explaining.FRESH_FOR,
            "schema_signature": item.signature,
            "mean_exec_time_ms": item.rate.mean_exec_time_ms,
            "used_real_values": True,  # none would change it
            "outcome": "failed",
            "reason": reason,
        },
    )


def keep_outcomes(
    server: Server, database: Database, item: explaining.ToExplain, outcomes: list[ExplainOutcome], now: datetime
) -> None:
    # of plans with one shape the last stays: that of real values, whose time is the one people wait for
    for outcome in sorted(outcomes, key=lambda o: o.values_source in REAL_VALUES):
        _keep_outcome(server, database, item.statement, outcome, now)
    samples = parameters.samples_of(item.statement, database)
    if samples and any(o.values_source == "sampled" for o in outcomes):
        plan_periods.note_values(item.statement, database, samples[0])
    best = min(outcomes, key=lambda o: DECISIONS.index(o.decision))
    ExplainState.objects.update_or_create(
        statement=item.statement,
        database=database,
        defaults={
            "explained_at": now,
            "next_at": explaining.next_time(best.decision, best.layer, now),
            "schema_signature": item.signature,
            "mean_exec_time_ms": item.rate.mean_exec_time_ms,
            "used_real_values": any(o.values_source in REAL_VALUES for o in outcomes)
            or bool(samples)
            or best.layer in explaining.LAYERS_BEFORE_VALUES,
            "outcome": best.decision,
            "reason": best.reason,
        },
    )


def _keep_outcome(
    server: Server, database: Database, statement: Statement, outcome: ExplainOutcome, now: datetime
) -> None:
    ExplainAudit.objects.create(
        server=server,
        database_name=database.name,
        statement=statement,
        text_hash=outcome.text_hash,
        decision=outcome.decision,
        reason=outcome.reason,
        layer=outcome.layer,
        duration_ms=outcome.duration_ms,
    )
    if outcome.plan is None:
        return
    plan = outcome.plan
    keep_plan(
        statement,
        database,
        shape=shape_of(plan),
        plan=outcome.plan_json,
        values_source=outcome.values_source,
        is_analyzed=plan.is_analyzed,
        server_version_num=server.server_version_num or 0,
        not_analyzed_because="" if plan.is_analyzed else outcome.reason,
        is_by_twin=outcome.is_by_twin,
        rewrites=list(outcome.rewrites),
        total_cost=plan.root.total_cost,
        execution_time_ms=plan.execution_time_ms,
        planning_time_ms=plan.planning_time_ms,
        now=now,
    )
