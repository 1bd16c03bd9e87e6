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

    class Meta:
        indexes = [models.Index(fields=["statement", "database", "-last_seen"], name="ix_planperiod_statement")]
