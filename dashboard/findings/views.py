"""The list of findings and the page of one; people mute findings, one or all of a list, and assign them."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from analyzer.checks import all_checks
from analyzer.checks.document import paragraphs
from analyzer.checks.rewrites import SAME_ROWS
from analyzer.findings import Severity
from analyzer.models import FindingRecord, Server, Statement
from analyzer.store import finding_life as life
from analyzer.store.gains import gained
from analyzer.store.suggestions import naming
from dashboard.findings.closed import gained_line, last_closings
from dashboard.people import audit_log as audit
from dashboard.permissions import operator_required, viewer_required
from dashboard.servers.rows import COSTLIEST_FIRST, sampled_and_failing

PER_PAGE = 50
MOST_EVENTS = 50
MOST_USERS = 500
STATES = {
    "open": Q(closed_at__isnull=True, muted_at__isnull=True),
    "muted": Q(closed_at__isnull=True, muted_at__isnull=False),
    "closed": Q(closed_at__isnull=False),
}
MUTE_FOR = {"": None, "7": timedelta(days=7), "30": timedelta(days=30), "90": timedelta(days=90)}  # by days
MUTE_WORDS = {"": "until it is worse", "7": "for a week", "30": "for a month", "90": "for three months"}
SEVERITIES = [s.name.lower() for s in sorted(Severity, reverse=True)]


@viewer_required
@require_GET
def findings(request: HttpRequest) -> HttpResponse:
    return _list(request, request.GET)


def _list(request: HttpRequest, asked: QueryDict, *, status: int = 200, mute_error: str = "") -> HttpResponse:
    state = asked.get("state", "")
    state = state if state in STATES else "open"
    wanted, chosen = _wanted(asked, request.user.get_username())
    servers = list(Server.objects.order_by("name"))
    order = ("-closed_at", "pk") if state == "closed" else COSTLIEST_FIRST
    named = FindingRecord.objects.select_related("server", "database", "statement")
    records = named.filter(wanted, STATES[state]).order_by(*order)
    counts = FindingRecord.objects.filter(wanted).aggregate(
        **{name: Count("pk", filter=where) for name, where in STATES.items()}
    )
    if state == "closed":
        records = records.prefetch_related(Prefetch("events", last_closings(), to_attr="closings"))
    codes = {*chosen["code"].split(","), *FindingRecord.objects.order_by().values_list("code", flat=True).distinct()}
    shown_of = [server for server in servers if chosen["server"] in ("", server.slug)]
    context = {
        "section": "findings",
        "gained": gained_line(gained(shown_of, timezone.now())),
        "page": Paginator(records, PER_PAGE).get_page(asked.get("page")),
        "state": state,
        "states": [(name, counts[name], name == state) for name in STATES],
        "servers": servers,
        "chosen": chosen,
        "severities": SEVERITIES,
        "checks": [check for check in all_checks() if check.code in codes],  # those that found something once
        "is_filtered": bool(wanted),
        "mute_words": MUTE_WORDS,
        "mute_error": mute_error,
        "mute_reason": asked.get("reason", ""),
        "failing": 0 if counts[state] else sampled_and_failing()[1],
    }
    return render(request, "dashboard/findings.html", context, status=status)


def _wanted(asked: QueryDict, user_name: str) -> tuple[Q, dict[str, str]]:
    """The condition that a query string asks for, and what of it is known."""
    given = {name: asked.get(name, "").strip() for name in ("server", "code", "severity", "table", "assigned")}
    wanted, chosen = Q(), dict.fromkeys(given, "")
    if given["server"] and Server.objects.filter(slug=given["server"]).exists():
        wanted &= Q(server__slug=given["server"])
        chosen["server"] = given["server"]
    codes = given["code"].split(",")  # several in links of our own
    if {check.code for check in all_checks()}.issuperset(codes):
        wanted &= Q(code__in=codes)
        chosen["code"] = given["code"]
    if given["severity"] in SEVERITIES:
        wanted &= Q(severity=Severity[given["severity"].upper()])
        chosen["severity"] = given["severity"]
    if given["table"]:
        wanted &= Q(table=given["table"]) | Q(table__startswith=f"{given['table']}.")
        chosen["table"] = given["table"]
    if given["assigned"] == "me":
        wanted &= Q(assigned_to=user_name)
        chosen["assigned"] = "me"
    return wanted, chosen


@operator_required
@require_POST
def mute_all(request: HttpRequest) -> HttpResponse:
    """All open findings that the list's filters show."""
    wanted, chosen = _wanted(request.POST, request.user.get_username())
    reason = request.POST.get("reason", "").strip()[:1000]
    if not wanted or not reason:
        missing = "Say why: the next person will ask." if wanted else "Filter the list first, by check or table."
        return _list(request, request.POST, status=422, mute_error=missing)
    records = FindingRecord.objects.filter(wanted, STATES["open"])
    muted = life.mute(records, request.user.get_username(), reason, _until(request))
    audit.record(request, "mute", f"{muted} findings", reason=reason, **chosen)
    messages.success(request, f"{muted} finding{'s' if muted != 1 else ''} muted.")
    query = urlencode({"state": "muted", **{name: value for name, value in chosen.items() if value}})
    return redirect(f"{reverse('findings')}?{query}")


def _until(request: HttpRequest) -> datetime | None:
    length = MUTE_FOR.get(request.POST.get("until", ""))
    return timezone.now() + length if length is not None else None


@viewer_required
@require_GET
def finding(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _get(pk))


@operator_required
@require_POST
def mute(request: HttpRequest, pk: int) -> HttpResponse:
    record = _get(pk)
    reason = request.POST.get("reason", "").strip()[:1000]
    if not reason:
        return _page(request, record, status=422, mute_error="Say why: the next person will ask.")
    life.mute([record], request.user.get_username(), reason, _until(request))
    audit.record(request, "mute", f"{record.code} {record.subject}", server=record.server.name, reason=reason)
    return redirect("finding", pk)


@operator_required
@require_POST
def unmute(request: HttpRequest, pk: int) -> HttpResponse:
    record = _get(pk)
    life.unmute(record, request.user.get_username())
    audit.record(request, "unmute", f"{record.code} {record.subject}", server=record.server.name)
    return redirect("finding", pk)


@operator_required
@require_POST
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    record, to = _get(pk), request.POST.get("to", "")
    if to and not get_user_model().objects.filter(username=to, is_active=True).exists():
        return _page(request, record, status=422, assign_error="There is no such user any more.")
    life.assign(record, to, request.user.get_username())
    audit.record(request, "assign", f"{record.code} {record.subject}", server=record.server.name, to=to)
    return redirect("finding", pk)


def _get(pk: int) -> FindingRecord:
    return get_object_or_404(FindingRecord.objects.select_related("server", "database", "statement"), pk=pk)


def _page(
    request: HttpRequest, record: FindingRecord, *, status: int = 200, mute_error: str = "", assign_error: str = ""
) -> HttpResponse:
    check = next((c for c in all_checks() if c.code == record.code), None)
    context = {
        "section": "findings",
        "finding": record,
        "evidence": [
            (name, value)
            for name, value in record.evidence.items()
            if not (name.endswith("_s_per_day") and value == record.impact_s_per_day)  # shown as the impact
        ],
        "suggestions": list(naming(record.server, [record.key])[:5]),
        "fixes": [_shown(fix) for fix in record.fixes],
        "can_be_rewritten": _can_be_rewritten(record),
        "is_planned": any("planned" in fix for fix in record.fixes),
        "statements": _statements(record),
        "check": check,
        "check_paragraphs": paragraphs(check) if check else [],
        "thresholds": list(check.thresholds.items()) if check else [],
        "mute_error": mute_error,
        "assign_error": assign_error,
        "mute_reason": request.POST.get("reason", ""),
        "mute_words": MUTE_WORDS,
        "state": life.state(record, timezone.now()),
        "events": record.events.order_by("-at", "-pk")[:MOST_EVENTS],
        "users": get_user_model().objects.filter(is_active=True).order_by("username")[:MOST_USERS],
    }
    return render(request, "dashboard/finding.html", context, status=status)


def _shown(fix: dict[str, Any]) -> dict[str, Any]:
    if "planned" not in fix:
        return fix
    problem = str(fix["planned"].get("problem") or "").rstrip(".")
    return fix | {
        "planned_at": parse_datetime(fix["planned"]["at"]),
        "problem": f"{problem}." if problem else "",
    }


def _can_be_rewritten(record: FindingRecord) -> bool:
    """Whether it has a statement written otherwise, that the twin can plan beside the one that runs."""
    is_known = record.statement_id is not None and record.database_id is not None
    return is_known and any(fix["title"].startswith(SAME_ROWS) for fix in record.fixes)


def _statements(record: FindingRecord) -> list[Statement]:
    """The statement the finding is about first, then those it names."""
    wanted = Q(fingerprint__in=record.related_fingerprints[:20])
    if record.statement_id:
        wanted |= Q(pk=record.statement_id)
    rows = list(Statement.objects.filter(wanted, server=record.server)[:21])
    return sorted(rows, key=lambda s: (s.pk != record.statement_id, s.pk))
