"""The nightly mails, from "due" to "sent". The rows of ReportMail are the queue; nothing is kept in Redis.

    make_due     a row for each person whose hour has come; unique (person, night) makes it one, whoever is quicker
    send_due     takes one row at a time, writes the mail into it, sends it
    ask_for      a row for a mail that a person wants now

Whoever takes a row moves its ``next_attempt_at`` into the future and commits, then sends. So two workers never send
the same, and one who dies is followed by another after that time. Should he have died between the mail server's
"accepted" and our commit, the mail goes out a second time, with the same Message-ID.
"""

import logging
import smtplib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from analyzer.models import ReportMail, ReportSubscription, Server
from analyzer.reports import nights
from dashboard.mail.compose import compose, message_of
from dashboard.mail.report_figures import report_of
from dashboard.templatetags.texts import visible

logger = logging.getLogger(__name__)

# After each failed attempt; then it is given up. The first is longer than a task may run (tasks.py), and all of them
# together bridge a mail server that is away for a morning.
WAITS = (timedelta(minutes=6), timedelta(minutes=15), timedelta(minutes=45), timedelta(hours=2), timedelta(hours=4))
RUN_S = 50.0  # a run begins no further mail after that: the next run comes within a minute
KEPT = timedelta(days=30)
FAILED_SHOWN = timedelta(days=2)
BETWEEN_ASKED = timedelta(seconds=30)  # between two mails a person asks for
UNSUBSCRIBE_SALT = "pgloupe.report.unsubscribe"


def zone_of(name: str) -> ZoneInfo:
    """UTC for a zone that this machine's data does not know (any more)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


# -- due ----------------------------------------------------------------------------------------------------------


def make_due(now: datetime) -> int:
    """Rows for the nights whose hour has come; how many are new."""
    made = 0
    for subscription in ReportSubscription.objects.filter(is_active=True, user__is_active=True):
        night, due = nights.latest_night(now, subscription.hour, zone_of(subscription.time_zone))
        if due <= subscription.since or now - due > nights.LATEST:
            continue
        if ReportMail.objects.filter(user_id=subscription.user_id, night=night).exists():
            continue
        mail = ReportMail(user_id=subscription.user_id, night=night, due_at=due, next_attempt_at=due, window_end=due)
        mail.window_start = nights.window_start(due, _reported_until(subscription.user_id))
        made += len(ReportMail.objects.bulk_create([mail], ignore_conflicts=True))
    return made


def ask_for(user: User, now: datetime) -> ReportMail | None:
    """A mail about the time since the last one, to be sent at once; None when one was asked for a moment ago."""
    with transaction.atomic():
        ReportSubscription.objects.select_for_update().get(user=user)
        waiting = Q(state=ReportMail.State.DUE) | Q(due_at__gt=now - BETWEEN_ASKED)
        if ReportMail.objects.filter(waiting, user=user, night__isnull=True).exists():
            return None
        start, end = window_now(user, now)
        return ReportMail.objects.create(user=user, due_at=now, next_attempt_at=now, window_start=start, window_end=end)


def window_now(user: User, now: datetime) -> tuple[datetime, datetime]:
    """What a mail sent now would be about: a day at least, else one after the nightly mail had nothing to say."""
    return min(nights.window_start(now, _reported_until(user.pk)), now - nights.NIGHT), now


def try_again(mail: ReportMail, now: datetime) -> bool:
    """A failed mail gets all its attempts anew."""
    failed = ReportMail.objects.filter(pk=mail.pk, state=ReportMail.State.FAILED)
    return bool(failed.update(state=ReportMail.State.DUE, attempts=0, next_attempt_at=now, finished_at=None))


def _reported_until(user_id: int) -> datetime | None:
    """The end of the last night the person was told about, or will be; mails asked for by hand leave it alone."""
    told = (ReportMail.State.SENT, ReportMail.State.SKIPPED, ReportMail.State.DUE)
    return (
        ReportMail.objects.filter(user_id=user_id, night__isnull=False, state__in=told)
        .order_by("-window_end")
        .values_list("window_end", flat=True)
        .first()
    )


# -- sent ---------------------------------------------------------------------------------------------------------


def send_due(now: datetime) -> int:
    """Send what is due, one after the other, for at most RUN_S; how many went out."""
    begun, sent = time.monotonic(), 0
    while time.monotonic() - begun < RUN_S:
        mail = _take(now + timedelta(seconds=time.monotonic() - begun))
        if mail is None:
            break
        sent += _attempt(mail, now + timedelta(seconds=time.monotonic() - begun))
    ReportMail.objects.filter(due_at__lt=now - KEPT).delete()
    return sent


def _take(now: datetime) -> ReportMail | None:
    """The next mail that is due, ours alone until its ``next_attempt_at``."""
    with transaction.atomic():
        mail = (
            ReportMail.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("user")
            .filter(state=ReportMail.State.DUE, next_attempt_at__lte=now)
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if mail is None:
            return None
        mail.attempts += 1
        mail.next_attempt_at = now + WAITS[min(mail.attempts, len(WAITS)) - 1]
        mail.save(update_fields=["attempts", "next_attempt_at"])
    return mail


def _attempt(mail: ReportMail, now: datetime) -> bool:
    """Whether it was sent. Nothing that goes wrong here keeps another person's mail from going out."""
    if mail.attempts > len(WAITS) + 1:
        return _finish(mail, ReportMail.State.FAILED, now, mail.last_error or "The worker was stopped at each attempt.")
    try:
        subscription = ReportSubscription.objects.filter(user=mail.user).first()
        is_wanted = subscription is not None and (subscription.is_active or mail.night is None)
        if subscription is None or not is_wanted or not mail.user.is_active:
            return _finish(mail, ReportMail.State.EXPIRED, now)
        if not mail.subject and not _write(mail, subscription, now):
            return _finish(mail, ReportMail.State.SKIPPED, now)
        _send(mail, subscription)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # a fault of the mail server, or of ours: kept, shown, tried again
        if not isinstance(error, smtplib.SMTPException | OSError):
            logger.exception("mail %s cannot be written", mail.pk)
        words = error_words(error)
        logger.warning("mail %s was not sent at attempt %s: %s", mail.pk, mail.attempts, words)
        if is_final(error) or mail.attempts > len(WAITS):
            return _finish(mail, ReportMail.State.FAILED, now, words)
        ReportMail.objects.filter(pk=mail.pk).update(last_error=words)
        return False
    return _finish(mail, ReportMail.State.SENT, now)


def _write(mail: ReportMail, subscription: ReportSubscription, now: datetime) -> bool:
    """Write the mail into its row; False for a quiet night that the person does not want to hear of."""
    report = report_of(servers_of(subscription), mail.window_start, mail.window_end, now)
    is_nightly = mail.night is not None
    if is_nightly and report.is_quiet and subscription.quiet_nights == ReportSubscription.Quiet.SKIP:
        return False
    zone = zone_of(subscription.time_zone)
    written = compose(report, zone, unsubscribe_url=unsubscribe_url(subscription), is_short=is_nightly)
    mail.address, mail.subject, mail.html, mail.text = (
        subscription.address,
        written.subject[:300],
        written.html,
        written.text,
    )
    mail.save(update_fields=["address", "subject", "html", "text"])
    return True


def _send(mail: ReportMail, subscription: ReportSubscription) -> None:
    message_of(
        mail, mail.address, message_id=f"report-{mail.pk}-{mail.due_at:%Y%m%d}",
        unsubscribe_url=unsubscribe_url(subscription),
    ).send()  # fmt: skip


def _finish(mail: ReportMail, state: str, now: datetime, error: str = "") -> bool:
    ReportMail.objects.filter(pk=mail.pk).update(state=state, finished_at=now, last_error=error)
    return state == ReportMail.State.SENT


def servers_of(subscription: ReportSubscription) -> list[Server]:
    """All of them also for a subscription that is not saved yet."""
    is_all = subscription.all_servers or not subscription.pk
    servers = Server.objects.all() if is_all else subscription.servers.all()
    return list(servers.order_by("name"))


def is_by_smtp() -> bool:
    return settings.EMAIL_BACKEND != "dashboard.mail.folder.FolderBackend"


# -- what went wrong ----------------------------------------------------------------------------------------------


def is_final(error: BaseException) -> bool:
    """Whether the mail server will never take it: its 5xx about the address or the content (RFC 5321, 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


def error_words(error: BaseException) -> str:
    """One sentence for the page. What the server said may hold anything, so it is made visible and short."""
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{code} {_said(text)}" for code, text in error.recipients.values())
        words = f"The mail server {where} refused the address: {said}"
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        words = f"The mail server {where} refused EMAIL_USER and EMAIL_PASSWORD: {error.smtp_code}"
    elif isinstance(error, smtplib.SMTPResponseException):
        words = f"The mail server {where} refused the mail: {error.smtp_code} {_said(error.smtp_error)}"
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        words = f"The mail server {where} lacks what EMAIL_TLS or EMAIL_USER ask for: {error}"
    elif isinstance(error, smtplib.SMTPException):
        words = f"The mail server {where} ended the conversation: {error}"
    elif isinstance(error, OSError) and not is_by_smtp():
        words = f"The mail could not be written to {settings.EMAIL_FOLDER}: {error.strerror or error}"
    elif isinstance(error, OSError):
        words = f"The mail could not be handed over to {where}: {error.strerror or error}"
    else:
        return f"pgLoupe failed at this mail ({type(error).__name__}); the worker's log says where"
    return visible(" ".join(words.split()))[:500]


def _said(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


@dataclass(frozen=True, slots=True)
class MailHealth:
    """Of everybody's mails: for the page about pgLoupe itself."""

    waiting: int
    late: int  # tried and not sent yet
    failed: int  # given up in the last FAILED_SHOWN
    last_error: str


def mail_health(now: datetime) -> MailHealth:
    state = ReportMail.State
    waiting = ReportMail.objects.filter(state=state.DUE)
    failed = ReportMail.objects.filter(state=state.FAILED, finished_at__gt=now - FAILED_SHOWN)
    late = waiting.filter(attempts__gt=0).exclude(last_error="")
    newest = (failed | late).order_by("-due_at").first()
    return MailHealth(
        waiting=waiting.count(),
        late=late.count(),
        failed=failed.count(),
        last_error=newest.last_error if newest else "",
    )


# -- unsubscribing ------------------------------------------------------------------------------------------------


def unsubscribe_url(subscription: ReportSubscription) -> str:
    """Works without a login and for as long as the address stays: mails are read late."""
    token = signing.dumps([subscription.pk, subscription.address], salt=UNSUBSCRIBE_SALT, compress=True)
    return settings.PGLOUPE_BASE_URL + reverse("report_unsubscribe", args=[token])


def subscription_of(token: str) -> ReportSubscription | None:
    """Whose link it is; None for a forged one, or one to an address that is no longer used."""
    try:
        pk, address = signing.loads(token, salt=UNSUBSCRIBE_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return ReportSubscription.objects.filter(pk=pk, address=address).first()


def unsubscribe(subscription: ReportSubscription, now: datetime) -> None:
    ReportSubscription.objects.filter(pk=subscription.pk, is_active=True).update(is_active=False, unsubscribed_at=now)
