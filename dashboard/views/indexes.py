"""The indexes that a server's database should have: what each budget buys, and one set as a plan to carry out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import AdviceRun, Database, Server
from analyzer.monitored.preflight_connection import PLANNER_TWIN
from dashboard.advice_chart import gain_curve
from dashboard.index_plan import index_plan
from dashboard.permissions import viewer_required
from dashboard.schema_cache import current_schema
from dashboard.what_if_form import what_if_form


@viewer_required
@require_GET
def indexes(request: HttpRequest, server: str) -> HttpResponse:
    found = get_object_or_404(Server, slug=server)
    database = Database.objects.filter(server=found, is_inspected=True).order_by("pk").first()
    run = AdviceRun.objects.select_related("database").filter(database=database).first() if database else None
    facts = current_schema(database) if database else None
    plan = index_plan(run, facts, request.GET.get("point"), timezone.localtime()) if run else None
    context = {
        "section": "servers",
        "server": found,
        "database": database,
        "run": run,
        "plan": plan,
        "curve": gain_curve(plan.points, plan.point) if plan else None,
        "point_words": [point.words for point in plan.points] if plan else [],
        "hindered": next(
            (item for item in found.preflight if item["name"] == PLANNER_TWIN and item["status"] == "warning"), None
        ),
        "step": found.steps.filter(step="advise").first(),
        "form": what_if_form(facts, request.GET) if facts else None,
    }
    return render(request, "dashboard/indexes.html", context)
