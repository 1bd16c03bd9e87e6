"""The checks: what each looks for, its thresholds and where they come from; and what is different on a server."""

from dataclasses import dataclass

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from analyzer.checks import Check, all_checks
from analyzer.checks.document import SUBJECTS, by_subject, paragraphs, subject_of
from analyzer.checks.facts import StatementFacts
from analyzer.checks.impact import SEVERITY_BY_TIME
from analyzer.checks.threshold import SharedThresholds, Threshold
from analyzer.errors import BadInput
from analyzer.models import CheckRule, Server
from analyzer.plans import Plan
from analyzer.steps.schedule import interval_s
from analyzer.store.check_rules import change_rule
from dashboard.people import audit_log
from dashboard.permissions import operator_required, viewer_required
from dashboard.servers.rows import open_findings
from dashboard.templatetags.quantities import spoken, threshold_value


@dataclass(frozen=True, slots=True)
class CheckOnServer:
    """The check on one server; in the form what was typed where that was refused."""

    server: Server
    rule: CheckRule | None
    changed: list[tuple[str, float, str]]  # threshold, its value there, unit
    fields: list[tuple[str, Threshold, str]]
    is_off: bool
    reason: str
    error: str
    within_s: float  # until the check runs next


@viewer_required
@require_GET
def checks(request: HttpRequest) -> HttpResponse:
    open_by_code = dict(open_findings().values_list("code").annotate(number=Count("pk")).values_list("code", "number"))
    changed: dict[str, list[CheckRule]] = {}
    for rule in CheckRule.objects.select_related("server").order_by("server__name"):
        changed.setdefault(rule.code, []).append(rule)
    groups = [
        (
            SUBJECTS[subject],
            [(check, open_by_code.get(check.code, 0), changed.get(check.code, [])) for check in of_subject],
        )
        for subject, of_subject in by_subject().items()
    ]
    context = {
        "section": "findings",
        "groups": groups,
        "number": len(all_checks()),
        "shared": SEVERITY_BY_TIME,
        "shared_changed": changed.get(SEVERITY_BY_TIME.code, []),
    }
    return render(request, "dashboard/checks.html", context)


@viewer_required
@require_GET
def check(request: HttpRequest, code: str) -> HttpResponse:
    return _page(request, _get(code))


@operator_required
@require_POST
def change(request: HttpRequest, code: str, server: str) -> HttpResponse:
    """Switch the check off or on for a server, or change its thresholds there. An empty field means: as it comes."""
    of_check, of_server = _get(code), get_object_or_404(Server, slug=server)
    reason = request.POST.get("reason", "")
    is_off = request.POST.get("is_off") == "on" and isinstance(of_check, Check)
    thresholds: dict[str, float] = {}
    try:
        for name, threshold in of_check.thresholds.items():
            typed = request.POST.get(f"threshold-{name}", "").strip()
            if typed:
                thresholds[name] = _number(name, threshold, typed)
        change_rule(
            of_server, of_check, is_off=is_off, thresholds=thresholds, reason=reason, by=request.user.get_username()
        )
    except BadInput as error:
        return _page(request, of_check, wrong=of_server, error=str(error), status=422)
    audit_log.record(
        request,
        "check_changed",
        f"{of_check.code} {of_check.title}",
        server=of_server.name,
        is_off=is_off,
        thresholds=thresholds,
        reason=reason.strip(),
    )
    return redirect("check", code)


def _number(name: str, threshold: Threshold, typed: str) -> float:
    """As pages write numbers, with spaces; a ratio may be typed as a percentage."""
    text = "".join(typed.split())
    is_percentage = text.endswith("%") and name.endswith("ratio")
    try:
        return float(text[:-1]) / 100 if is_percentage else float(text)
    except ValueError as error:
        message = f"{spoken(name)} ({threshold.unit}) has to be a number: “{typed[:40]}” is none."
        raise BadInput(message) from error


def _get(code: str) -> Check | SharedThresholds:
    if code == SEVERITY_BY_TIME.code:
        return SEVERITY_BY_TIME
    check = next((c for c in all_checks() if c.code == code), None)
    if check is None:
        raise Http404(f"There is no check {code}.")
    return check


def _page(
    request: HttpRequest,
    of_check: Check | SharedThresholds,
    *,
    wrong: Server | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    step = of_check.kind.provided_by if isinstance(of_check, Check) else "check"
    rules = {rule.server_id: rule for rule in CheckRule.objects.filter(code=of_check.code)}

    def on(server: Server) -> CheckOnServer:
        rule, thresholds = rules.get(server.pk), of_check.thresholds
        kept, within_s = rule.thresholds if rule else {}, interval_s(server, step)
        changed = [(n, v, thresholds[n].unit if n in thresholds else "") for n, v in kept.items()]
        if wrong is None or server.pk != wrong.pk:
            fields = [(n, t, threshold_value(kept[n]) if n in kept else "") for n, t in thresholds.items()]
            return CheckOnServer(
                server, rule, changed, fields, bool(rule and rule.is_off), rule.reason if rule else "", "", within_s
            )
        typed = request.POST
        fields = [(n, t, typed.get(f"threshold-{n}", "")) for n, t in thresholds.items()]
        is_off, reason = typed.get("is_off") == "on", typed.get("reason", "")
        return CheckOnServer(server, rule, changed, fields, is_off, reason, error, within_s)

    context = {
        "section": "findings",
        "check": of_check,
        "paragraphs": paragraphs(of_check),
        "subject": SUBJECTS[subject_of(of_check)] if isinstance(of_check, Check) else None,
        "shared": SEVERITY_BY_TIME,
        "is_timed": isinstance(of_check, Check) and of_check.kind.container in (Plan, StatementFacts),
        "servers": [on(server) for server in Server.objects.order_by("name")],
        "open_findings": open_findings().filter(code=of_check.code).count(),
    }
    return render(request, "dashboard/check.html", context, status=status)
