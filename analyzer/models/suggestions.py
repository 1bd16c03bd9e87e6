"""Indexes worth creating, and why statements got none."""

from django.db import models
from django.db.models import Q

from analyzer.models.servers import Database
from analyzer.models.statements import Statement


class SuggestionRecord(models.Model):
    """An index worth creating, with its price and whom it helps, and what became of it.

    It is closed when there is nothing to create any more; ``state`` says why. ``outcome`` is ``{}`` until it was built;
    then as ``analyzer/steps/follow.py`` writes it.
    """

    class State(models.TextChoices):
        SUGGESTED = "suggested", "to be created"
        BUILT = "built", "created, its use not yet known"
        REALISED = "realised", "created and of use"
        NOT_USED = "not_used", "created and not used"
        CLOSED = "closed", "no longer suggested"

    FOLLOWED = (State.BUILT, State.REALISED, State.NOT_USED)  # the index is there
    OPEN_OR_BUILT = Q(closed_at__isnull=True) | Q(state__in=FOLLOWED)

    database = models.ForeignKey(Database, models.CASCADE, related_name="suggestions")
    key = models.CharField(max_length=500)
    table = models.CharField(max_length=130)
    name = models.CharField(max_length=63)
    method = models.CharField(max_length=20)
    columns = models.JSONField()
    definition = models.JSONField(default=dict)  # advice.outcome.definition_to_json; {} where it was not kept
    ddl = models.TextField()
    undo_ddl = models.TextField()
    estimated_size_bytes = models.BigIntegerField(null=True)
    level = models.CharField(max_length=10)
    reason = models.TextField()
    warnings = models.JSONField(default=list)
    helps = models.JSONField(default=list)  # [{fingerprint, total_time_s_per_day}]
    finding_keys = models.JSONField(default=list)
    helped_time_s_per_day = models.FloatField(null=True)  # as measured
    saved_time_s_per_day = models.FloatField(null=True)  # of that, as planned; None where no planner was asked
    watched_s = models.FloatField(null=True)  # as of a finding
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.SUGGESTED)
    built_at = models.DateTimeField(null=True)  # of the first schema reading with the valid index
    built_index_name = models.CharField(max_length=63, blank=True, default="")
    outcome = models.JSONField(default=dict)
    evidence = models.JSONField(default=dict)  # advice.planned.Evidence as JSON; {} where no planner was asked

    class Meta:
        constraints = [models.UniqueConstraint(fields=["database", "key"], name="uq_suggestion_key")]

    @property
    def costliest_helped(self) -> str:
        """Fingerprint of the statement it helps that takes the most time; "" where it is for a foreign key alone."""
        most = max(self.helps, key=lambda h: h.get("total_time_s_per_day") or 0.0, default=None)
        return str(most["fingerprint"]) if most else ""


class AdviceRun(models.Model):
    """The newest index advice for a whole database; ``result`` as ``analyzer/steps/advise.py`` writes it.

    A run that failed leaves the last good result and says why in ``problem``.
    """

    database = models.OneToOneField(Database, models.CASCADE, primary_key=True, related_name="advice_run")
    made_at = models.DateTimeField(null=True)  # of the result; None before the first
    tried_at = models.DateTimeField()
    problem = models.TextField(blank=True, default="")
    duration_s = models.FloatField(null=True)
    statements = models.PositiveIntegerField(default=0)
    candidates = models.PositiveIntegerField(default=0)
    plans_made = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict)


class NoSuggestion(models.Model):
    """Why a statement got no index suggestion, in one sentence."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="no_suggestions")
    database = models.ForeignKey(Database, models.CASCADE)
    reason = models.TextField()
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["statement", "database"], name="uq_nosuggestion")]
