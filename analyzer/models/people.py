"""Login links, and who gets the nightly mail, with every mail and how it went."""

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q


class LoginLink(models.Model):
    """A one-time login link: only its hash is kept."""

    token_hash = models.CharField(max_length=64, unique=True)
    user_name = models.CharField(max_length=150)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class ReportSubscription(models.Model):
    """A person's nightly mail: whither, when, about which servers."""

    class Quiet(models.TextChoices):
        LINE = "line", "One short line"
        SKIP = "skip", "No mail"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="report_subscription")
    is_active = models.BooleanField(default=True)
    address = models.EmailField()
    hour = models.PositiveSmallIntegerField(default=7, validators=[MaxValueValidator(23)])
    time_zone = models.CharField(max_length=64, default="UTC")
    all_servers = models.BooleanField(default=True)  # those added later too
    servers = models.ManyToManyField("analyzer.Server", blank=True, related_name="report_subscriptions")
    quiet_nights = models.CharField(max_length=4, choices=Quiet.choices, default=Quiet.LINE)
    since = models.DateTimeField()  # mails due before are not sent
    unsubscribed_at = models.DateTimeField(null=True)  # by the link of a mail


class ReportMail(models.Model):
    """One mail: the row is the queue. It is written before it is sent, so a lost worker or Redis loses none.

    Whoever takes a row moves ``next_attempt_at`` first: until then nobody else does, and should he die it is
    tried again after it.
    """

    class State(models.TextChoices):
        DUE = "due", "waiting"
        SENT = "sent", "sent"
        SKIPPED = "skipped", "nothing new, so not sent"
        FAILED = "failed", "failed"
        EXPIRED = "expired", "not sent: unsubscribed"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="report_mails")
    night = models.DateField(null=True)  # on the reader's calendar; None: asked for by hand
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_error = models.TextField(blank=True, default="")
    finished_at = models.DateTimeField(null=True)  # sent, skipped or given up
    # Written at the first attempt and kept, so that every attempt sends the same.
    address = models.EmailField(blank=True, default="")
    subject = models.CharField(max_length=300, blank=True, default="")
    html = models.TextField(blank=True, default="")
    text = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "night"], name="uq_reportmail_user_night")]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="ix_reportmail_due", condition=Q(state="due")),
            models.Index(fields=["user", "-due_at"], name="ix_reportmail_user_due"),
        ]
