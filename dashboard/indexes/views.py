"""The indexes that a server's database should have: what each budget buys, and one set as a plan to carry out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import AdviceRun
from analyzer.monitored.access.preflight_connection import PLANNER_TWIN
from analyzer.store.schemas import kept_schema
from dashboard.indexes.advice_chart import gain_curve
from dashboard.indexes.index_plan import index_plan
from dashboard.indexes.what_if_form import what_if_form
from dashboard.permissions import viewer_required
from dashboard.servers.choice import redirect_to_server, server_and_others
from dashboard.servers.databases import chosen_database


@viewer_required
@require_GET
def all_indexes(request: HttpRequest) -> HttpResponse:
    return redirect_to_server(request, "indexes", "indexes", "Indexes")


@viewer_required
@require_GET
def indexes(request: HttpRequest, server: str) -> HttpResponse:
    chosen_server, others = server_and_others(server)
    chosen = chosen_database(request, chosen_server)
    database = chosen.database
    run = AdviceRun.objects.select_related("database").filter(database=database).first() if database else None
    facts = kept_schema(database) if database else None
    plan = index_plan(run, facts, request.GET.get("point"), timezone.localtime()) if run else None
    steps = {step.step: step for step in chosen_server.steps.filter(step__in=["advise", "texts"])}
    context = {
        "section": "indexes",
        "server": chosen_server,
        "other_servers": others,
        "database": database,
        "databases": chosen.others,
        "run": run,
        "plan": plan,
        "curve": gain_curve(plan.points, plan.point) if plan else None,
        "point_words": [point.words for point in plan.points] if plan else [],
        "hindered": next(
            (item for item in chosen_server.preflight if item["name"] == PLANNER_TWIN and item["status"] == "warning"),
            None,
        ),
        "step": steps.get("advise"),
        "texts": steps.get("texts"),
        "form": what_if_form(facts, request.GET) if facts else None,
    }
    return render(request, "dashboard/indexes.html", context)
