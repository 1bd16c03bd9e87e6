"""The first page: what costs the most, on all servers."""

import hashlib

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import FindingRecord, Server, StepStatus, SuggestionRecord
from dashboard.permissions import viewer_required
from dashboard.server_rows import open_findings, server_rows

SHOWN = 10


@viewer_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    servers = list(Server.objects.order_by("name"))
    context = {
        "section": "overview",
        "servers": server_rows(servers, timezone.now()),
        **_findings(has_servers=bool(servers)),
    }
    return render(request, "dashboard/overview.html", context)


@viewer_required
@require_GET
def findings_now(request: HttpRequest) -> HttpResponse:
    """The list alone, for the page that refreshes itself; 204 when it has this state already."""
    context = _findings(has_servers=Server.objects.exists())
    if request.GET.get("have") == context["digest"]:
        return HttpResponse(status=204)
    return render(request, "dashboard/_findings_now.html", context)


def _findings(*, has_servers: bool) -> dict[str, object]:
    found = list(
        open_findings().select_related("server", "statement").order_by("-severity", "-impact_s_per_day", "pk")[:SHOWN]
    )
    suggestions = suggestions_for(found)
    count = open_findings().count()
    is_waiting = not found and not StepStatus.objects.filter(last_success_at__isnull=False).exists()
    state = [
        (f.pk, f.severity, f.impact_s_per_day, f.message, suggestions.get(f.pk) and suggestions[f.pk].ddl)
        for f in found
    ]
    return {
        "rows": [(f, suggestions.get(f.pk)) for f in found],
        "open_count": count,
        "has_servers": has_servers,
        "is_waiting": is_waiting,
        "digest": hashlib.sha256(repr((state, count, has_servers, is_waiting)).encode()).hexdigest()[:16],
    }


def suggestions_for(findings: list[FindingRecord]) -> dict[int, SuggestionRecord]:
    """By finding id, the open suggestion that helps most. One query."""
    by_key = {(f.database_id, f.key): f.pk for f in findings}
    if not by_key:
        return {}
    suggested: dict[int, SuggestionRecord] = {}
    for suggestion in SuggestionRecord.objects.filter(
        closed_at__isnull=True, database_id__in={f.database_id for f in findings if f.database_id}
    ).order_by("helped_time_s_per_day"):
        for key in suggestion.finding_keys:
            if (suggestion.database_id, key) in by_key:
                suggested[by_key[suggestion.database_id, key]] = suggestion
    return suggested
