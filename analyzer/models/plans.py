"""Plans of statements: what they are, when each was planned so, and what the planner knew then."""

from django.db import models

from analyzer.models.servers import Database, Server
from analyzer.models.statements import Statement


class PlanRecord(models.Model):
    """A plan of a statement, kept once per shape and redacted."""

    class Values(models.TextChoices):
        SAMPLED = "sampled", "real values, of a run that was seen"
        TYPICAL = "typical", "a frequent value, from the column statistics"
        RARE = "rare", "a rare value, from the column statistics"
        GENERIC = "generic", "no values: a generic plan"
        NONE = "none", "the statement has no parameters"

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="plans")
    database = models.ForeignKey(Database, models.CASCADE)
    shape = models.CharField(max_length=32)
    values_source = models.CharField(max_length=10, choices=Values.choices)
    is_analyzed = models.BooleanField()
    not_analyzed_because = models.TextField(blank=True, default="")
    is_by_twin = models.BooleanField(default=False)  # the server must not be asked for it
    plan = models.JSONField()  # as EXPLAIN printed it, redacted
    rewrites = models.JSONField(default=list)  # what was changed to make the text plannable, in words
    total_cost = models.FloatField(null=True)
    execution_time_ms = models.FloatField(null=True)
    planning_time_ms = models.FloatField(null=True)
    server_version_num = models.IntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    # what the twin makes of the same text: "same plan", "same shape, cost within 3 %", "different: ..."; or why not
    twin_verdict = models.CharField(max_length=300, blank=True, default="")
    twin_asked_at = models.DateTimeField(null=True)
    # what the checks said of it, impact aside (``steps/check.py``), and what else that depends on; "": not judged yet
    judgement = models.JSONField(default=dict)
    judged_with = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "database", "shape", "is_analyzed"], name="uq_plan_shape")
        ]
        indexes = [models.Index(fields=["statement", "-last_seen"], name="ix_plan_statement_seen")]


class ExplainState(models.Model):
    """When a statement was last explained in a database, and what has to change before it is explained again."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="explain_states")
    database = models.ForeignKey(Database, models.CASCADE)
    explained_at = models.DateTimeField()
    next_at = models.DateTimeField()  # at the latest; a change of its tables or its mean time brings it forward
    schema_signature = models.CharField(max_length=32)  # of its tables' columns and indexes
    mean_exec_time_ms = models.FloatField(null=True)
    used_real_values = models.BooleanField(default=False)  # or needed none
    outcome = models.CharField(max_length=12)  # the best decision: executed, plan_only, refused, failed
    reason = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["statement", "database"], name="uq_explainstate")]


class ExplainAudit(models.Model):
    """Every decision of the gate: who asked, for what, what was decided and why, how long it took."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="explain_audits")
    database_name = models.CharField(max_length=63)
    statement = models.ForeignKey(Statement, models.SET_NULL, null=True)
    at = models.DateTimeField(auto_now_add=True)
    asked_by = models.CharField(max_length=150, default="schedule")
    text_hash = models.CharField(max_length=64)  # sha256 of the text sent
    decision = models.CharField(max_length=12)  # refused, plan_only, executed, failed
    reason = models.TextField()
    layer = models.CharField(max_length=20, blank=True, default="")
    duration_ms = models.FloatField(null=True)  # of server time

    class Meta:
        indexes = [models.Index(fields=["server", "-at"], name="ix_explainaudit_server_at")]


class PlanPeriodRecord(models.Model):
    """From when to when all plans of a statement for one kind of values, by one planner, had one shape.

    A plan's own row (``PlanRecord``) is one per shape, whenever it was seen; this tells which came after which.
    """

    statement = models.ForeignKey("analyzer.Statement", models.CASCADE, related_name="plan_periods")
    database = models.ForeignKey("analyzer.Database", models.CASCADE)
    values_source = models.CharField(max_length=10)
    is_by_twin = models.BooleanField(default=False)
    shape = models.CharField(max_length=32)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    sql_encrypted = models.TextField(blank=True, default="")  # the newest text with its values, where these were seen

    class Meta:
        indexes = [models.Index(fields=["statement", "database", "-last_seen"], name="ix_planperiod_statement")]


class PlannerPiece(models.Model):
    """What a planner knew from one reading to the next: of a table its figures, structure, statistics or oid; settings.

    A new row when it changed; statistics hold values of rows, so all of it is encrypted.
    """

    database = models.ForeignKey("analyzer.Database", models.CASCADE, related_name="planner_pieces")
    kind = models.CharField(max_length=10)  # behaviour.planner_past: settings, figures, structure, ...
    name = models.CharField(max_length=130)  # "schema.table", "" of settings
    digest = models.CharField(max_length=32)  # keyed, so that it tells nothing
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    data_encrypted = models.TextField()  # zlib-compressed JSON in base64

    class Meta:
        indexes = [models.Index(fields=["database", "kind", "name", "-first_seen"], name="ix_plannerpiece")]


class PlanCause(models.Model):
    """Why a statement's plan changed, as the planner twin proved it; or why it could not."""

    statement = models.ForeignKey("analyzer.Statement", models.CASCADE, related_name="plan_causes")
    database = models.ForeignKey("analyzer.Database", models.CASCADE)
    shape_before = models.CharField(max_length=32)
    shape_after = models.CharField(max_length=32)
    changed_at = models.DateTimeField()  # the new plan was first seen
    found_at = models.DateTimeField()
    is_proved = models.BooleanField()
    description = models.TextField()
    hint = models.TextField(blank=True, default="")
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "database", "shape_before", "shape_after", "changed_at"], name="uq_plancause"
            )
        ]
