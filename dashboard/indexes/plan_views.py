"""One statement's plans without and with a suggested index, side by side, from the planner twin."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from analyzer.advice.gain import by_cost, gain_words
from analyzer.advice.outcome import definition_from_json
from analyzer.errors import BadInput, PgLoupeError
from analyzer.models import Statement, SuggestionRecord
from analyzer.plans import redact_plan
from analyzer.plans.compare import SAME_COST_RATIO, PlanChange, cost_words
from analyzer.questions.ask import IndexPlans, index_plans
from analyzer.steps.advise import with_executed_rows
from analyzer.store.schemas import kept_schema
from analyzer.store.series.totals import StatementRate, statement_totals
from analyzer.store.series.windows import Window
from analyzer.store.series.workload import recorded_statements
from analyzer.words.durations import THIN
from dashboard.indexes import question_limit
from dashboard.indexes.what_if_views import status_of
from dashboard.permissions import viewer_required
from dashboard.servers.state import sampling_state
from dashboard.statements.plan_text import plan_text
from dashboard.statements.plan_view import plan_document

MEASURED_OVER = timedelta(hours=24)  # rows of a call, which tell what a LIMIT really reads
VALUES = {
    "sampled": "planned with real values that were seen",
    "typical": "planned with a frequent value from the column statistics",
    "rare": "planned with a rare value from the column statistics",
    "generic": "planned without values: a generic plan",
    "given": "planned as it is: it has no parameters",
}


@viewer_required
@never_cache
@require_GET
def suggestion_plans(request: HttpRequest, pk: int, fingerprint: str) -> HttpResponse:
    suggestion = get_object_or_404(SuggestionRecord.objects.select_related("database__server"), pk=pk)
    statement = get_object_or_404(Statement, server_id=suggestion.database.server_id, fingerprint=fingerprint)
    context: dict[str, Any] = {
        "section": "findings",
        "suggestion": suggestion,
        "server": suggestion.database.server,
        "state": sampling_state(suggestion.database.server),
        "statement": statement,
    }
    status = 200
    try:
        with question_limit.counted(request):
            plans = _planned(suggestion, statement, request.user.pk)
        context |= _shown(plans, statement)
        context["gain"] = _gain(suggestion, fingerprint, plans)
    except PgLoupeError as problem:
        context["problem"] = str(problem).rstrip(".")
        status = status_of(problem)
    return render(request, "dashboard/suggestion_plans.html", context, status=status)


def _planned(suggestion: SuggestionRecord, statement: Statement, person: object) -> IndexPlans:
    database, now = suggestion.database, timezone.now()
    facts = kept_schema(database)
    if facts is None:
        raise BadInput("There is no reading of the schema yet")
    definition = definition_from_json(suggestion.definition, facts) if suggestion.definition else None
    if definition is None:
        raise BadInput("The index's table is not in the newest reading of the schema")
    filters = {"statement_ids": [statement.pk], "database_oid": database.oid}
    page = statement_totals(database.server, Window(now - MEASURED_OVER, now), limit=1, filters=filters)
    rows_per_call = page.rows[0].rows_per_call if page.rows else None
    rate = StatementRate(
        calls_per_day=1.0, total_time_s_per_day=0.0, mean_exec_time_ms=None, rows_per_call=rows_per_call
    )
    recorded = recorded_statements(database.server, database, {statement.pk: rate})
    if not recorded:
        raise BadInput("Its whole text is not kept, or it is of a kind that has no plan")
    statement_of_workload = with_executed_rows(database, recorded)[0]
    return index_plans(
        database.server, statement_of_workload, definition, facts, now, person, name=suggestion.name or None
    )


def _shown(plans: IndexPlans, statement: Statement) -> dict[str, Any]:
    without, with_it = redact_plan([plans.without]), redact_plan([plans.with_it])
    return {
        "found": plans,
        "values": VALUES[plans.values],
        "is_mean": plans.change is not None and not _is_drawn(plans, plans.change),
        "words": cost_words(plans.cost_without, plans.cost_with),
        "sides": [
            ("Without the index", plan_document(statement.normalized_sql, without), plan_text(without)),
            ("With the index", plan_document(statement.normalized_sql, with_it), plan_text(with_it)),
        ],
    }


def _gain(suggestion: SuggestionRecord, fingerprint: str, plans: IndexPlans) -> str:
    """In time, by the costs on this page; "" where the statement was not measured or the index is there."""
    time_s = next((h.get("total_time_s_per_day") for h in suggestion.helps if h["fingerprint"] == fingerprint), None)
    if suggestion.built_at or not time_s or plans.change is None or plans.cost_without <= 0:
        return ""
    return gain_words(by_cost(time_s, plans.cost_without, plans.cost_with), suggestion.watched_s, THIN)


def _is_drawn(plans: IndexPlans, change: PlanChange) -> bool:
    """Whether the costs of a call are those that the two plans show."""
    pairs = ((plans.cost_without, change.cost_before), (plans.cost_with, change.cost_after))
    return all(abs(said - drawn) <= SAME_COST_RATIO * max(said, drawn) for said, drawn in pairs)
