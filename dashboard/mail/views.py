"""The nightly mail: what it would say now, when it comes, what became of those before, and unsubscribing.

A mail's HTML is shown in a frame with a policy of its own: styles inside it count, since mail programs know nothing
else, but no script runs, nothing is fetched and no form is sent, wherever it is opened.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from analyzer.models import ReportMail, ReportSubscription
from analyzer.reports import nights
from dashboard.mail import queue as mail_queue
from dashboard.mail.compose import Mail, compose
from dashboard.mail.report_figures import report_of
from dashboard.mail.report_form import ReportForm, first_settings
from dashboard.permissions import viewer_required

MAILS_SHOWN = 30
# ``sandbox`` without allow-scripts and allow-same-origin: a document of an origin of its own, also outside the frame.
MAIL_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "sandbox allow-popups allow-popups-to-escape-sandbox",
    )
)


@viewer_required
@require_GET
def report(request: HttpRequest) -> HttpResponse:
    """The mail as it would be now, and the ones before."""
    now = timezone.now()
    subscription = _subscription(request)
    mails = list(
        ReportMail.objects.filter(user=_user(request)).order_by("-due_at", "-pk").defer("html", "text")[:MAILS_SHOWN]
    )
    shown = subscription or first_settings(_user(request))
    context = {
        "section": "report",
        "subscription": subscription,
        "next_due_at": _next_due(subscription, now),
        "zone": mail_queue.zone_of(shown.time_zone),
        "preview": _preview(shown, now),
        "is_text": request.GET.get("as") == "text",
        "mails": mails,
        "is_waiting": any(m.state == ReportMail.State.DUE for m in mails),
        "is_by_smtp": mail_queue.is_by_smtp(),
        "folder": settings.EMAIL_FOLDER,
        "links_lead_here": _links_lead_here(request),
        "base_url": settings.PGLOUPE_BASE_URL,
    }
    return render(request, "dashboard/report.html", context)


@viewer_required
@require_GET
@xframe_options_sameorigin
def preview_html(request: HttpRequest) -> HttpResponse:
    shown = _subscription(request) or first_settings(_user(request))
    return _mail_response(_preview(shown, timezone.now()).html)


@viewer_required
@require_POST
def send_now(request: HttpRequest) -> HttpResponse:
    """Put it into the queue; beat has a worker send it within a minute."""
    user = _user(request)
    if _subscription(request) is None:
        messages.error(request, "Choose an address first.")
        return redirect("report_settings")
    if mail_queue.ask_for(user, timezone.now()) is None:
        messages.warning(request, "One is on its way already.")
    else:
        messages.success(request, "The mail goes out within a minute; below you see when it has.")
    return redirect("report")


@viewer_required
@require_http_methods(["GET", "POST"])
def report_settings(request: HttpRequest) -> HttpResponse:
    """Whither, when, about which servers. Saving switches the mail on; "Stop" switches it off."""
    user = _user(request)
    stored = _subscription(request)
    subscription = stored or first_settings(user)
    if request.method == "POST" and "stop" in request.POST:
        ReportSubscription.objects.filter(user=user).update(is_active=False)
        messages.success(request, "No more nightly mails. Save the form to have them again.")
        return redirect("report_settings")
    was_active = subscription.is_active
    form = ReportForm(request.POST or None, instance=subscription)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        with transaction.atomic():
            saved = form.save(commit=False)
            if not was_active:  # today's hour may be over: the first mail is the next one
                saved.since, saved.unsubscribed_at = now, None
            saved.is_active = True
            saved.save()
            form.save_m2m()
        due = timezone.localtime(_next_due(saved, now) or now, mail_queue.zone_of(saved.time_zone))
        messages.success(request, f"Saved. The next mail comes on {due:%A %-d %B at %H:%M}, {saved.time_zone}.")
        return redirect("report")
    context = {
        "section": "report",
        "form": form,
        "is_stored": stored is not None,
        "subscription": stored,
        "is_by_smtp": mail_queue.is_by_smtp(),
        "folder": settings.EMAIL_FOLDER,
    }
    return render(request, "dashboard/report_settings.html", context, status=422 if request.method == "POST" else 200)


@viewer_required
@require_GET
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    sent = _mail(request, pk)
    context = {
        "section": "report",
        "mail": sent,
        "is_text": request.GET.get("as") == "text",
        "is_by_smtp": mail_queue.is_by_smtp(),
        "folder": settings.EMAIL_FOLDER,
    }
    return render(request, "dashboard/report_mail.html", context)


@viewer_required
@require_GET
@xframe_options_sameorigin
def mail_html(request: HttpRequest, pk: int) -> HttpResponse:
    sent = _mail(request, pk)
    if not sent.html:
        raise Http404("Nothing was written")
    return _mail_response(sent.html)


@viewer_required
@require_POST
def try_again(request: HttpRequest, pk: int) -> HttpResponse:
    if mail_queue.try_again(_mail(request, pk), timezone.now()):
        messages.success(request, "It is tried again within a minute.")
    return redirect("report_mail", pk)


@csrf_exempt  # the signature is the guard: mail programs post without a cookie (RFC 8058)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks and changes nothing: mail scanners open links. POST ends the mails, once or many times."""
    subscription = mail_queue.subscription_of(token)
    if subscription is not None and request.method == "POST":
        mail_queue.unsubscribe(subscription, timezone.now())
        subscription.refresh_from_db()
    context = {"subscription": subscription}
    return render(
        request, "dashboard/report_unsubscribe.html", context, status=200 if subscription is not None else 404
    )


def _user(request: HttpRequest) -> User:
    """The person herself: a viewer's view, so there is one."""
    return get_object_or_404(User, pk=request.user.pk)


def _subscription(request: HttpRequest) -> ReportSubscription | None:
    return ReportSubscription.objects.filter(user=_user(request)).first()


def _mail(request: HttpRequest, pk: int) -> ReportMail:
    """Only one's own: mails hold unsubscribe links."""
    return get_object_or_404(ReportMail, pk=pk, user=_user(request))


def _preview(subscription: ReportSubscription, now: datetime) -> Mail:
    start, end = mail_queue.window_now(subscription.user, now)
    report = report_of(mail_queue.servers_of(subscription), start, end, now)
    return compose(report, mail_queue.zone_of(subscription.time_zone))


def _next_due(subscription: ReportSubscription | None, now: datetime) -> datetime | None:
    if subscription is None or not subscription.is_active:
        return None
    zone: ZoneInfo = mail_queue.zone_of(subscription.time_zone)
    due = nights.next_due(now, subscription.hour, zone)
    mails = ReportMail.objects.filter(user_id=subscription.user_id, night__isnull=False)
    have = set(mails.values_list("night", flat=True))
    while due.astimezone(zone).date() in have:  # the hour was moved to a later one of the same day
        due = nights.next_due(due, subscription.hour, zone)
    return due


def _links_lead_here(request: HttpRequest) -> bool:
    return f"{request.scheme}://{request.get_host()}" == settings.PGLOUPE_BASE_URL


def _mail_response(html: str) -> HttpResponse:
    # Links open beside the page; in a mail program that element has no say.
    shown = html.replace("<head>", '<head>\n<base target="_blank">', 1)
    return HttpResponse(
        shown,
        headers={
            "Content-Security-Policy": MAIL_POLICY,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "private, no-store",
        },
    )
