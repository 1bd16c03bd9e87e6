"""Statements, their entries in pg_stat_statements and values they ran with."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from analyzer.models.servers import Database, Server


class Statement(models.Model):
    """One statement of a server by its fingerprint, whoever runs it in whichever database."""

    PLANNABLE = ("select", "insert", "update", "delete", "merge")  # kinds; of a utility that runs a query, the query's

    class TextState(models.TextChoices):
        OK = "ok", "complete"
        HIDDEN = "hidden", "the login may not see other roles' texts"
        MISSING = "missing", "the server lost the text"
        TRUNCATED = "truncated", "cut off by the server"
        DROPPED = "dropped", "left out because it may hold secrets"

    server = models.ForeignKey(Server, models.CASCADE, related_name="statements")
    fingerprint = models.CharField(max_length=32)
    normalized_sql = models.TextField()  # redacted
    text_state = models.CharField(max_length=10, choices=TextState.choices, default=TextState.OK)
    kind = models.CharField(max_length=10)  # select insert update delete merge utility unknown
    tables = ArrayField(models.TextField(), default=list)  # "schema.name" or "name", as written
    tags = models.JSONField(default=dict)  # sqlcommenter tags of the text the server kept
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "fingerprint"], name="uq_statement_server_fp")]


class StatementEntry(models.Model):
    """One entry of pg_stat_statements: what the time series are kept for."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="entries")
    statement = models.ForeignKey(Statement, models.CASCADE, related_name="entries", null=True)
    role_oid = models.BigIntegerField()
    database_oid = models.BigIntegerField()
    queryid = models.BigIntegerField()
    toplevel = models.BooleanField(default=True)
    is_own = models.BooleanField(default=False)  # sent by pgLoupe: counted as our cost, left out elsewhere
    # its text is asked for again: an older version put texts on different tables together
    is_text_due = models.BooleanField(db_default=False)
    # The cursor that its text declares or fetches from. A FETCH belongs to the statement that declared its cursor,
    # where it is one alone (store/cursors.py): its time counts there, its calls do not.
    cursor = models.CharField(max_length=63, blank=True, db_default="")
    is_fetch = models.BooleanField(db_default=False)
    adds_calls = models.BooleanField(db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["server", "role_oid", "database_oid", "queryid", "toplevel"], name="uq_entry_key"
            )
        ]
        indexes = [models.Index(fields=["server", "cursor"], name="ix_entry_cursor", condition=~Q(cursor=""))]


class ParameterSample(models.Model):
    """Real parameter values of a statement, encrypted; at most a few per statement and only the newest."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="parameter_samples")
    database = models.ForeignKey(Database, models.CASCADE)
    taken_at = models.DateTimeField()
    duration_ms = models.FloatField(null=True)  # how long it had run when seen
    sql_encrypted = models.TextField()  # the text with its values

    class Meta:
        indexes = [models.Index(fields=["statement", "-taken_at"], name="ix_paramsample_statement")]
