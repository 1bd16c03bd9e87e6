"""The first page: what costs the most, on all servers."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import FindingRecord, Server, SuggestionRecord
from dashboard.permissions import viewer_required
from dashboard.server_rows import new_since, open_findings, sampled_and_failing, server_rows

SHOWN = 5  # what a person can take up in a day
LOOKED_AT = 100  # findings one index answers are shown as one, so more are read than shown


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """A finding with what answers it, and the ones after it that the same index answers."""

    finding: FindingRecord
    suggestion: SuggestionRecord | None
    others: list[FindingRecord] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return 1 + len(self.others)


@viewer_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    servers = list(Server.objects.order_by("name"))
    server_list = server_rows(servers, timezone.now())
    context = {
        "section": "overview",
        "servers": server_list,
        "new_count": sum(row.new for row in server_list),
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
        open_findings()
        .select_related("server", "statement")
        .order_by("-severity", "-impact_s_per_day", "pk")[:LOOKED_AT]
    )
    rows = rows_of(found)[:SHOWN]
    count = open_findings().count() if len(found) == LOOKED_AT else len(found)
    since = new_since(timezone.now())
    reached, failing = (0, 0) if found else sampled_and_failing()
    is_waiting = not found and not reached and not failing
    state = [
        (
            row.finding.pk,
            row.finding.severity,
            row.finding.impact_s_per_day,
            row.finding.message,
            is_new(row.finding, since),
            row.suggestion and row.suggestion.ddl,
            [other.pk for other in row.others],
        )
        for row in rows
    ]
    return {
        "rows": rows,
        "new_since": since,
        "open_count": count,
        "shown_count": sum(row.answered for row in rows),
        "has_servers": has_servers,
        "is_waiting": is_waiting,
        "failing": failing,
        "digest": hashlib.sha256(repr((state, count, has_servers, is_waiting, failing)).encode()).hexdigest()[:16],
    }


def is_new(finding: FindingRecord, since: datetime) -> bool:
    """It came, or came back, after ``since``."""
    return max(finding.first_seen, finding.reopened_at or finding.first_seen) >= since


def rows_of(findings: list[FindingRecord]) -> list[FindingGroup]:
    """In the same order; those that one index answers stand with the first of them. One query."""
    suggestions = suggestions_for(findings)
    rows: list[FindingGroup] = []
    answered: dict[int, FindingGroup] = {}
    for finding in findings:
        suggestion = suggestions.get(finding.pk)
        if suggestion and suggestion.pk in answered:
            answered[suggestion.pk].others.append(finding)
            continue
        rows.append(FindingGroup(finding, suggestion))
        if suggestion:
            answered[suggestion.pk] = rows[-1]
    return rows


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
