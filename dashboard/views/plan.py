"""A plan, drawn by PEV2 on a page of its own: Bootstrap, which PEV2 needs, would restyle ours."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from analyzer.models import PlanRecord
from analyzer.statements.display import display_sql
from dashboard.middleware import POLICY_IN_OWN_FRAME
from dashboard.permissions import viewer_required
from dashboard.plan_text import plan_text


@viewer_required
@require_GET
@xframe_options_sameorigin
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(PlanRecord.objects.select_related("statement"), pk=pk)
    context = {
        "plan": found,
        "pretty_sql": display_sql(found.statement.normalized_sql),
        "plan_lines": plan_text(found.plan),
    }
    response = render(request, "dashboard/plan.html", context)
    response.headers["Content-Security-Policy"] = POLICY_IN_OWN_FRAME
    return response
