"""The list of findings and the page of one; muting is the only thing a person changes."""

from django.core.paginator import Paginator
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from analyzer.checks import all_checks
from analyzer.checks.document import paragraphs
from analyzer.findings import Severity
from analyzer.models import FindingRecord, Server, Statement, SuggestionRecord
from analyzer.store import findings as store
from dashboard.people import audit_log as audit
from dashboard.permissions import operator_required, viewer_required
from dashboard.servers.rows import COSTLIEST_FIRST, sampled_and_failing

PER_PAGE = 50
STATES = {
    "open": Q(closed_at__isnull=True, muted_at__isnull=True),
    "muted": Q(closed_at__isnull=True, muted_at__isnull=False),
    "closed": Q(closed_at__isnull=False),
}
SEVERITIES = [s.name.lower() for s in sorted(Severity, reverse=True)]


@viewer_required
@require_GET
def findings(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    state = state if state in STATES else "open"
    server_slug, code, severity = (request.GET.get(name, "") for name in ("server", "code", "severity"))
    servers = list(Server.objects.order_by("name"))
    wanted = Q()
    if any(server.slug == server_slug for server in servers):
        wanted &= Q(server__slug=server_slug)
    if code in {check.code for check in all_checks()}:
        wanted &= Q(code=code)
    if severity in SEVERITIES:
        wanted &= Q(severity=Severity[severity.upper()])
    order = ("-closed_at", "pk") if state == "closed" else COSTLIEST_FIRST
    found = FindingRecord.objects.filter(wanted, STATES[state]).select_related("server", "statement").order_by(*order)
    counts = FindingRecord.objects.filter(wanted).aggregate(
        **{name: Count("pk", filter=where) for name, where in STATES.items()}
    )
    context = {
        "section": "findings",
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "state": state,
        "states": [(name, counts[name], name == state) for name in STATES],
        "servers": servers,
        "server_slug": server_slug,
        "severities": SEVERITIES,
        "severity": severity,
        "checks": all_checks(),
        "code": code,
        "is_filtered": bool(wanted),
        "failing": 0 if counts[state] else sampled_and_failing()[1],
    }
    return render(request, "dashboard/findings.html", context)


@viewer_required
@require_GET
def finding(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _get(pk))


@operator_required
@require_POST
def mute(request: HttpRequest, pk: int) -> HttpResponse:
    found = _get(pk)
    reason = request.POST.get("reason", "").strip()[:1000]
    if not reason:
        return _page(request, found, status=422, mute_error="Say why: the next person will ask.")
    store.mute(found, request.user.get_username(), reason)
    audit.record(request, "mute", f"{found.code} {found.subject}", server=found.server.name, reason=reason)
    return redirect("finding", pk)


@operator_required
@require_POST
def unmute(request: HttpRequest, pk: int) -> HttpResponse:
    found = _get(pk)
    store.unmute(found)
    audit.record(request, "unmute", f"{found.code} {found.subject}", server=found.server.name)
    return redirect("finding", pk)


def _get(pk: int) -> FindingRecord:
    return get_object_or_404(FindingRecord.objects.select_related("server", "database", "statement"), pk=pk)


def _page(request: HttpRequest, found: FindingRecord, *, status: int = 200, mute_error: str = "") -> HttpResponse:
    check = next((c for c in all_checks() if c.code == found.code), None)
    context = {
        "section": "findings",
        "finding": found,
        "evidence": [
            (name, value)
            for name, value in found.evidence.items()
            if not (name.endswith("_s_per_day") and value == found.impact_s_per_day)  # shown as the impact
        ],
        "suggestions": _suggestions(found),
        "statements": _statements(found),
        "check": check,
        "check_paragraphs": paragraphs(check) if check else [],
        "thresholds": list(check.thresholds.items()) if check else [],
        "mute_error": mute_error,
        "mute_reason": request.POST.get("reason", ""),
    }
    return render(request, "dashboard/finding.html", context, status=status)


def _suggestions(found: FindingRecord) -> list[SuggestionRecord]:
    return list(
        SuggestionRecord.objects.filter(
            SuggestionRecord.OPEN_OR_BUILT, database__server=found.server, finding_keys__contains=[found.key]
        ).order_by(F("helped_time_s_per_day").desc(nulls_last=True), "pk")[:5]
    )


def _statements(found: FindingRecord) -> list[Statement]:
    """The statement the finding is about first, then those it names."""
    wanted = Q(fingerprint__in=found.related_fingerprints[:20])
    if found.statement_id:
        wanted |= Q(pk=found.statement_id)
    rows = list(Statement.objects.filter(wanted, server=found.server)[:21])
    return sorted(rows, key=lambda s: (s.pk != found.statement_id, s.pk))
