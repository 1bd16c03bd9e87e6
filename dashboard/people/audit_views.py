"""What operators did, and what the gate decided about each EXPLAIN. For operators; nothing here changes anything."""

from datetime import datetime, time, timedelta
from functools import cached_property
from typing import cast

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from analyzer.models import ExplainAudit, Server
from dashboard.models import AuditEntry
from dashboard.permissions import operator_required

PER_PAGE = 50
DECISIONS = {"executed": "executed", "plan_only": "only planned", "refused": "refused", "failed": "failed"}

MOST_COUNTED = 10_000  # older decisions are in the table, for SQL: nobody pages that far


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than a person would page."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[ExplainAudit]", self.object_list)[:MOST_COUNTED].count()


@operator_required
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    user_name, action, q = (request.GET.get(key, "")[:200] for key in ("user", "action", "q"))
    since, until = _day(request, "since"), _day(request, "until")
    wanted = Q()
    if user_name:
        wanted &= Q(user_name=user_name)
    if action:
        wanted &= Q(action=action)
    if q:
        wanted &= Q(subject__icontains=q) | Q(address__startswith=q)
    if since:
        wanted &= Q(at__gte=since)
    if until:
        wanted &= Q(at__lt=until + timedelta(days=1))
    entries = AuditEntry.objects.filter(wanted).order_by("-at", "-id")
    context = {
        "section": "audit",
        "page": Paginator(entries, PER_PAGE).get_page(request.GET.get("page")),
        "user_names": AuditEntry.objects.order_by("user_name").values_list("user_name", flat=True).distinct(),
        "actions": AuditEntry.objects.order_by("action").values_list("action", flat=True).distinct(),
        "user_name": user_name,
        "action": action,
        "q": q,
        "since": since,
        "until": until,
        "is_filtered": bool(wanted),
    }
    return render(request, "dashboard/audit.html", context)


@operator_required
@require_GET
def explain(request: HttpRequest) -> HttpResponse:
    """Every decision of the gate about one server, the newest first."""
    slug, decision = request.GET.get("server", ""), request.GET.get("decision", "")
    servers = list(Server.objects.order_by("name"))
    chosen = next((s for s in servers if s.slug == slug), servers[0] if servers else None)
    audits = ExplainAudit.objects.filter(server=chosen).select_related("statement").order_by("-at", "-pk")
    if decision in DECISIONS:
        audits = audits.filter(decision=decision)
    context = {
        "section": "audit",
        "page": CappedPaginator(audits, PER_PAGE).get_page(request.GET.get("page")),
        "servers": servers,
        "chosen": chosen,
        "decisions": DECISIONS,
        "decision": decision,
    }
    return render(request, "dashboard/audit_explain.html", context)


def _day(request: HttpRequest, name: str) -> datetime | None:
    """Midnight of the day asked for, in the current time zone."""
    try:
        day = parse_date(request.GET.get(name, ""))
    except ValueError:
        return None
    if day is None or not 2000 <= day.year < 9999:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))
