"""The first page: what to do, on all servers, by the time it saves."""

import hashlib
from collections.abc import Collection, Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server
from dashboard.permissions import viewer_required
from dashboard.servers.actions import actions, whole_sets, with_statements
from dashboard.servers.rows import new_since, open_findings, sampled_and_failing, server_rows, servers_down

SHOWN = 5  # what a person can take up in a day


@viewer_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    servers = list(Server.objects.order_by("name"))
    server_list = server_rows(servers, timezone.now())
    context = {
        "section": "overview",
        "servers": server_list,
        "new_count": sum(row.new for row in server_list),
        **_actions(servers, {row.server.pk for row in server_list if row.state.is_trouble}),
    }
    return render(request, "dashboard/overview.html", context)


@viewer_required
@require_GET
def findings_now(request: HttpRequest) -> HttpResponse:
    """The list alone, for the page that refreshes itself; 204 when it has this state already."""
    servers = list(Server.objects.order_by("name"))
    context = _actions(servers, servers_down(servers))
    if request.GET.get("have") == context["digest"]:
        return HttpResponse(status=204)
    return render(request, "dashboard/_findings_now.html", context)


def _actions(servers: Sequence[Server], down: Collection[int]) -> dict[str, object]:
    """``down``: ids of those that give no figures now."""
    found = actions(without_figures=down)
    shown = with_statements(found[:SHOWN])
    open_count = open_findings().count()
    since = new_since(timezone.now())
    reached, failing = (0, 0) if found else sampled_and_failing()
    is_waiting = not found and not reached and not failing
    sets = whole_sets([server for server in servers if server.pk not in down])
    has_servers = bool(servers)
    state = [
        (
            action.title,
            action.s_per_day,
            action.is_new(since),
            action.suggestion and action.suggestion.ddl,
            [(f.pk, f.severity, f.impact_s_per_day, f.message) for f in action.findings],
        )
        for action in shown
    ]
    said = (state, len(found), open_count, has_servers, is_waiting, failing, [(s.pk, str(w)) for s, w in sets])
    return {
        "actions": shown,
        "action_count": len(found),
        "new_since": since,
        "sets": sets,
        "open_count": open_count,
        "has_servers": has_servers,
        "is_waiting": is_waiting,
        "failing": failing,
        "digest": hashlib.sha256(repr(said).encode()).hexdigest()[:16],
    }
