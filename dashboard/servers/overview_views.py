"""The first page: what to do, on all servers, by the time it saves."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server
from dashboard.permissions import viewer_required
from dashboard.servers.actions import OverviewAction, ServerActions, actions, by_server, whole_sets, with_statements
from dashboard.servers.new_and_worse import of_all
from dashboard.servers.rows import new_since, open_findings, sampled_and_failing, server_rows, servers_down


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
    todo = actions(without_figures=down, servers=len(servers))
    counts = dict(open_findings().order_by().values_list("server_id").annotate(Count("pk")))
    sets = {server.pk: words for server, words in whole_sets([s for s in servers if s.pk not in down])}
    groups = _with_statements(by_server(todo, sets, counts, servers))
    open_count = sum(counts.values())
    now = timezone.now()
    since, news = new_since(now), of_all(servers, now)
    reached, failing = (0, 0) if todo else sampled_and_failing()
    is_waiting = not todo and not reached and not failing
    has_servers = bool(servers)
    state = [
        (group.server.pk, str(group.whole_set), group.open_count, [_said(action, since) for action in group.actions])
        for group in groups
    ]
    told = (
        [row.url for row in news.new],
        [(more.url, more.number) for more in news.more_new],
        [(f.pk, f.message) for f in news.slower],
    )
    said = (state, open_count, told, has_servers, is_waiting, failing)
    return {
        "groups": groups,
        "is_one_server": len(servers) == 1,
        "other_servers": len({action.server.pk for action in todo} | sets.keys()) - len(groups),
        "new_since": since,
        "news": news,
        "open_count": open_count,
        "has_servers": has_servers,
        "is_waiting": is_waiting,
        "failing": failing,
        "digest": hashlib.sha256(repr(said).encode()).hexdigest()[:16],
    }


def _with_statements(groups: Sequence[ServerActions]) -> list[ServerActions]:
    """One query for all of them."""
    found = iter(with_statements(action for group in groups for action in group.actions))
    return [replace(group, actions=[next(found) for _ in group.actions]) for group in groups]


def _said(action: OverviewAction, since: datetime) -> tuple[object, ...]:
    return (
        action.title,
        action.s_per_day,
        action.is_new(since),
        action.suggestion and action.suggestion.ddl,
        [(f.pk, f.severity, f.impact_s_per_day, f.message) for f in action.findings],
    )
