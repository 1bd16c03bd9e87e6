"""What the checks found, what became of it, and what an operator changed of them."""

from typing import Any

from django.db import models
from django.db.models import Q

from analyzer.models.servers import Database, Server
from analyzer.models.statements import Statement


class FindingRecord(models.Model):
    """A finding over time: opened when first seen, closed when a run that could see it no longer does."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="findings")
    database = models.ForeignKey(Database, models.CASCADE, null=True)
    statement = models.ForeignKey(Statement, models.SET_NULL, null=True, related_name="findings")
    key = models.CharField(max_length=500)
    code = models.CharField(max_length=10)
    title = models.CharField(max_length=200)
    severity = models.PositiveSmallIntegerField()
    level = models.CharField(max_length=10)
    about = models.CharField(max_length=300)
    subject = models.CharField(max_length=300)
    table = models.CharField(max_length=130, blank=True, default="")
    message = models.TextField()
    hint = models.TextField()
    evidence = models.JSONField()
    fixes = models.JSONField(default=list)  # [{title, language, code}], and store/rewrite_costs.py's
    related_fingerprints = models.JSONField(default=list)
    place = models.CharField(max_length=200, blank=True, default="")  # of its node in the plan's shape: "0.1"
    impact_s_per_day = models.FloatField(null=True)
    impact_assumed_s_per_day = models.FloatField(default=0)  # of it; the rest was measured
    watched_s = models.FloatField(null=True)  # what the rates are made of: under an hour they are no "a day"
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)
    muted_at = models.DateTimeField(null=True)
    muted_by = models.CharField(max_length=150, blank=True, default="")
    mute_reason = models.TextField(blank=True, default="")
    muted_until = models.DateTimeField(null=True)  # None: until somebody says otherwise, or it is worse
    muted_impact_s_per_day = models.FloatField(null=True)  # when it was muted
    assigned_to = models.CharField(max_length=150, blank=True, default="")
    worse_since = models.DateTimeField(null=True)  # its impact is a multiple of what it was when it was opened
    opened_impact_s_per_day = models.FloatField(null=True)  # when it was last opened
    dearer_since = models.DateTimeField(null=True)  # since it was last told to cost a multiple of what it did
    dearer_impact_s_per_day = models.FloatField(null=True)  # what it cost then
    # Finding.members when it was last seen, and those that were not judged then
    members = models.JSONField(default=list)
    # since it was opened or muted; what is above it, or not among them, makes it worse
    known_severity = models.PositiveSmallIntegerField(null=True)  # the highest
    known_members = models.JSONField(default=list)  # Finding.members, all that there were

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server", "database", "key"], name="uq_finding_key", nulls_distinct=False)
        ]
        indexes = [
            models.Index(
                fields=["server", "-impact_s_per_day"], name="ix_finding_open", condition=Q(closed_at__isnull=True)
            ),
            models.Index(fields=["statement"], name="ix_finding_statement"),
        ]

    @property
    def first_fix(self) -> dict[str, Any] | None:
        """What a list shows of ``fixes``; None where there are none but those in which the planner sees no gain."""
        return next((fix for fix in self.fixes if not fix.get("no_gain")), None)


class FindingEvent(models.Model):
    """What happened to a finding, in order: the history on its page."""

    class Kind(models.TextChoices):
        OPENED = "opened", "Found"
        WORSE = "worse", "Got worse"
        MUTED = "muted", "Muted"
        UNMUTED = "unmuted", "No longer muted"
        ASSIGNED = "assigned", "Assigned"
        CLOSED = "closed", "Gone"
        REOPENED = "reopened", "Came back"

    WORSENED = (Kind.WORSE, Kind.UNMUTED)  # one that was muted is that no longer

    finding = models.ForeignKey(FindingRecord, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind)
    by = models.CharField(max_length=150, blank=True, default="")  # a person; "" for what the checks saw
    detail = models.TextField(blank=True, default="")
    impact_s_per_day = models.FloatField(null=True)  # at that moment
    gain = models.JSONField(default=dict)  # of CLOSED: what its statements took before and since (store/gains.py)

    class Meta:
        indexes = [models.Index(fields=["finding", "at"], name="ix_findingevent_finding_at")]


class FindingImpact(models.Model):
    """What an open finding cost at an hour: with it tomorrow's report can say what got worse."""

    id = models.BigAutoField(primary_key=True)
    finding = models.ForeignKey("analyzer.FindingRecord", models.CASCADE, related_name="impacts")
    at = models.DateTimeField()  # the full hour
    impact_s_per_day = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["finding", "at"], name="uq_findingimpact_at")]
        indexes = [models.Index(fields=["at"], name="ix_findingimpact_at")]


class CheckRule(models.Model):
    """What an operator changed of a check for one server, and why."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="check_rules")
    code = models.CharField(max_length=10)
    is_off = models.BooleanField(default=False)
    thresholds = models.JSONField(default=dict)  # name -> value, of those that were changed
    reason = models.TextField()
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "code"], name="uq_checkrule_server_code")]
