"""The servers, and the page of one: what works, what does not, and the SQL that mends it."""

from functools import partial

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server, Snapshot
from analyzer.monitored.access.role_sql import create_login_sql
from analyzer.steps.schedule import STEPS
from analyzer.store.events import events_between
from analyzer.store.same_server import watched_as_well
from analyzer.store.series.timelines import server_timeline
from dashboard.charts import charts
from dashboard.charts.marks import grouped, of_events
from dashboard.findings.looked_at import looked_at
from dashboard.permissions import viewer_required
from dashboard.servers.databases import database_rows
from dashboard.servers.load import load_by_wait
from dashboard.servers.new_and_worse import of_server
from dashboard.servers.rows import COSTLIEST_FIRST, open_findings, server_rows
from dashboard.servers.state import server_state
from dashboard.windows import about, window_of

GAPS_SHOWN = 20


@viewer_required
@require_GET
def servers(request: HttpRequest) -> HttpResponse:
    watched = list(Server.objects.order_by("name"))
    context = {
        "section": "servers",
        "servers": server_rows(watched, timezone.now()),
        "login_sql": create_login_sql("pgloupe", "app"),
    }
    return render(request, "dashboard/servers.html", context)


@viewer_required
@require_GET
def server(request: HttpRequest, server: str) -> HttpResponse:
    """One server over the window."""
    watched = get_object_or_404(Server, slug=server)
    window = window_of(request, watched)
    timeline = server_timeline(watched, window)
    measured = [b for b in timeline.buckets if b.covered_s]
    covered_s = sum(b.covered_s for b in measured)
    total_ms = sum(b.total_exec_time_ms or 0.0 for b in measured) if measured else None
    shares = Snapshot.objects.filter(server=watched, taken_at__gt=window.start, gap_reason="").aggregate(
        own=Sum("own_exec_time_ms"), everybody=Sum("total_exec_time_ms"), seconds=Sum("interval_s")
    )
    happened = of_events(events_between(watched, window.start, window.end), watched.dbname)
    marks = grouped(happened, window.start, window.end, watched.created_at)
    context = {
        "section": "servers",
        "server": watched,
        **about(window),
        "load_by_wait": load_by_wait(request, watched, window, marks),
        "timeline": charts.server_load(timeline, watched.created_at, marks),
        "marks": marks,
        "total_ms": total_ms,
        "load": total_ms / 1000 / covered_s if total_ms is not None and covered_s else None,
        "own_ratio": shares["own"] / shares["everybody"] if shares["everybody"] else None,
        "own_ms_per_min": shares["own"] / shares["seconds"] * 60 if shares["seconds"] else None,
        "news": of_server(watched, window),
        "statement_count": watched.statements.count(),
        "databases": database_rows(watched, window),
        "same_server": watched_as_well(watched),
        "findings": open_findings()
        .filter(server=watched)
        .select_related("server", "database", "statement")
        .order_by(*COSTLIEST_FIRST)[:5],
        "looked_at": partial(looked_at, watched),  # asked for where there is no finding
        "gaps": list(reversed(timeline.gaps))[:GAPS_SHOWN],
        "preflight_open": [point for point in watched.preflight if point.get("status") != "ok"],
        "preflight_fine": [point for point in watched.preflight if point.get("status") == "ok"],
        "login_sql": create_login_sql("pgloupe", watched.dbname, watched.server_version_num),
        **_now(watched),
    }
    return render(request, "dashboard/server.html", context)


@viewer_required
@require_GET
def server_now(request: HttpRequest, server: str) -> HttpResponse:
    """State and steps alone, for the page that refreshes itself."""
    watched = get_object_or_404(Server, slug=server)
    return render(request, "dashboard/_server_now.html", {"server": watched, "is_refresh": True, **_now(watched)})


def _now(server: Server) -> dict[str, object]:
    steps = sorted(
        server.steps.all(),
        key=lambda s: (STEPS.index(s.step) if s.step in STEPS else len(STEPS), s.step),
    )
    return {"state": server_state(server, steps, timezone.now()), "steps": steps}
