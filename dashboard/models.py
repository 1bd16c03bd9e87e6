"""People: how they got in, from where, and what operators did. What is watched is in ``analyzer/models/``."""

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models


class LoginAttempt(models.Model):
    """A failed sign-in or a request for a reset mail, kept a day for the rate limit.

    The name is kept as a keyed hash: people type passwords into the wrong field.
    """

    class Kind(models.TextChoices):
        PASSWORD = "password", "wrong password"
        RESET = "reset", "asked for a reset mail"

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PASSWORD)
    at = models.DateTimeField(auto_now_add=True)
    network = models.CharField(max_length=45)  # an IPv4 address or an IPv6 /64; "" when not known
    name_hash = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "network", "at"], name="ix_loginattempt_network"),
            models.Index(fields=["kind", "name_hash", "at"], name="ix_loginattempt_name"),
            models.Index(fields=["at"], name="ix_loginattempt_at"),
        ]


class TwinQuestion(models.Model):
    """What a person asked of a planner twin, kept a day for the rate limit. Neither the text nor the answer."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="twin_questions")
    at = models.DateTimeField(auto_now_add=True)
    took_s = models.FloatField()  # the longest it may take, until it is known

    class Meta:
        indexes = [
            models.Index(fields=["user", "at"], name="ix_twinquestion_user_at"),
            models.Index(fields=["at"], name="ix_twinquestion_at"),
        ]


class Invitation(models.Model):
    """A one-time link that makes an account; only the token's hash is kept."""

    token_hash = models.CharField(max_length=64, unique=True)
    email = models.EmailField()
    role = models.CharField(max_length=10)
    invited_by = models.CharField(max_length=150)
    invited_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_by = models.CharField(max_length=150, blank=True, default="")
    withdrawn_at = models.DateTimeField(null=True)


class KnownSession(models.Model):
    """What a person sees of a session of theirs; goes with it."""

    session = models.OneToOneField(Session, models.CASCADE, related_name="known")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="known_sessions")
    address = models.CharField(max_length=45, blank=True, default="")
    user_agent = models.CharField(max_length=300, blank=True, default="")
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()  # to five minutes

    class Meta:
        indexes = [models.Index(fields=["user", "-seen_at"], name="ix_knownsession_user_seen")]


class AuditEntry(models.Model):
    """Something an operator did. No foreign key: the entry outlives whom and what it is about."""

    at = models.DateTimeField(auto_now_add=True)
    user_name = models.CharField(max_length=150)
    address = models.CharField(max_length=45, blank=True, default="")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=300, blank=True, default="")
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["-at", "-id"], name="ix_auditentry_at"),
            models.Index(fields=["user_name", "-at"], name="ix_auditentry_user_at"),
            models.Index(fields=["action", "-at"], name="ix_auditentry_action_at"),
        ]
