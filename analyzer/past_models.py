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


class ServerEvent(models.Model):
    """Something that happened to a server and may explain what its charts show since: a mark on them.

    Written by ``store/events.py`` alone.
    """

    class Kind(models.TextChoices):
        DEPLOY = "deploy", "Deploy"
        RESTART = "restart", "Restart"
        VERSION = "version", "PostgreSQL version"
        TAKEOVER = "takeover", "Another server or role"
        SETTING = "setting", "Settings"
        SCHEMA = "schema", "Schema"
        RESET = "reset", "Statistics reset"

    server = models.ForeignKey("analyzer.Server", models.CASCADE, related_name="events")
    database = models.ForeignKey("analyzer.Database", models.CASCADE, null=True)
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField()  # at the latest, by the store's clock
    earliest = models.DateTimeField(null=True)  # None: it happened at ``at``
    said = models.TextField()  # without a full stop; names of the server's as they are, so shown escaped
    table = models.CharField(max_length=130, blank=True, default="")  # "schema.table", where it is about one
    release = models.CharField(max_length=200, blank=True, default="")  # a tag of comments that was seen first here
    is_mark = models.BooleanField(default=True)  # False: only to know that later ones are new

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["server", "release"], name="uq_serverevent_release", condition=~models.Q(release="")
            )
        ]
        indexes = [models.Index(fields=["server", "at"], name="ix_serverevent_server_at")]


class ServerNews(models.Model):
    """Statements of a server first seen within the last day that cost, as the step ``check`` last found them."""

    server = models.OneToOneField("analyzer.Server", models.CASCADE, primary_key=True, related_name="news")
    made_at = models.DateTimeField()
    statements = models.JSONField(default=list)  # [{fingerprint, load_ratio, time_s, first_seen}], the costliest first
