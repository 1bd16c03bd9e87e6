"""What the store keeps of a database's past, to say what changed. Imported by ``analyzer.models``."""

from django.db import models


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
    """What a planner knew from one reading to the next: of a table its figures, structure or statistics; settings.

    A new row when it changed; statistics hold values of rows, so all of it is encrypted.
    """

    database = models.ForeignKey("analyzer.Database", models.CASCADE, related_name="planner_pieces")
    kind = models.CharField(max_length=10)  # behaviour.planner_past: settings, figures, structure, statistics
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
    said = models.TextField()
    hint = models.TextField(blank=True, default="")
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "database", "shape_before", "shape_after", "changed_at"], name="uq_plancause"
            )
        ]
