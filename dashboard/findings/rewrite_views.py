"""A finding's statement as it is and written otherwise with the same rows, side by side, from the planner twin."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from analyzer.errors import BadInput, PgLoupeError
from analyzer.models import Database, FindingRecord, Statement
from analyzer.plans import redact_plan
from analyzer.questions.ask import RewritePlans, rewrite_plans
from analyzer.store.schemas import kept_schema
from analyzer.store.series.totals import StatementRate
from analyzer.store.series.workload import recorded_statements
from dashboard.indexes import question_limit
from dashboard.indexes.what_if_views import status_of
from dashboard.permissions import viewer_required
from dashboard.servers.state import sampling_state
from dashboard.statements.plan_text import plan_text
from dashboard.statements.plan_view import plan_document

ONE_CALL = StatementRate(calls_per_day=1.0, total_time_s_per_day=0.0, mean_exec_time_ms=None, rows_per_call=None)


@viewer_required
@never_cache
@require_GET
def finding_rewrites(request: HttpRequest, pk: int) -> HttpResponse:
    records = FindingRecord.objects.select_related("server", "database__server", "statement")
    finding = get_object_or_404(records, pk=pk)
    if finding.statement is None or finding.database is None:
        raise Http404
    context: dict[str, Any] = {
        "section": "findings",
        "finding": finding,
        "state": sampling_state(finding.server),
        "statement": finding.statement,
    }
    status = 200
    try:
        with question_limit.counted(request):
            found = _planned(finding.database, finding.statement, request.user.pk)
        context |= {"found": found, "sides": _sides(found, finding.statement)}
    except PgLoupeError as problem:
        context["problem"] = str(problem).rstrip(".")
        status = status_of(problem)
    return render(request, "dashboard/finding_rewrites.html", context, status=status)


def _planned(database: Database, statement: Statement, person: object) -> RewritePlans:
    facts = kept_schema(database)
    if facts is None:
        raise BadInput("There is no reading of the schema yet")
    recorded = recorded_statements(database.server, database, {statement.pk: ONE_CALL})
    if not recorded:
        raise BadInput("Its whole text is not kept, or it is of a kind that has no plan")
    return rewrite_plans(database.server, recorded[0], facts, person)


def _sides(plans: RewritePlans, statement: Statement) -> list[tuple[str, str, str]]:
    """The plan as it is and the cheapest other one: title, drawing and text of each; [] where there is none."""
    best = plans.rewrites[0] if plans.rewrites else None
    if best is None or best.explained is None:
        return []
    before, after = redact_plan([plans.explained]), redact_plan([best.explained])
    return [
        ("As it is", plan_document(statement.normalized_sql, before), plan_text(before)),
        (f"Written otherwise: {best.kind}", plan_document(best.sql, after), plan_text(after)),
    ]
