"""What happened to a server, and what was new on it."""

from django.db import models


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
    description = models.TextField()  # without a full stop; names of the server's as they are, so shown escaped
    table = models.CharField(max_length=130, blank=True, default="")  # "schema.table", where it is about one
    release = models.CharField(max_length=200, blank=True, default="")  # a tag of comments that was seen first here
    is_mark = models.BooleanField(default=True)  # False: on no chart, only known

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
