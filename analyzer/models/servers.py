"""Which servers are watched, with their databases and roles, and how each step went on them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Server(models.Model):
    """A monitored PostgreSQL instance, reached through one of its databases; others with load are looked into too."""

    class ExplainMode(models.TextChoices):
        ANALYZE = "analyze", "EXPLAIN ANALYZE where the gate allows it"
        PLAIN = "plain", "EXPLAIN only, nothing is executed"
        OFF = "off", "No EXPLAIN"

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=100, unique=True)
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    user = models.CharField(max_length=63)
    dbname = models.CharField(max_length=63)
    password_encrypted = models.TextField(blank=True, default="")
    sslmode = models.CharField(max_length=20, default="require")
    sslrootcert = models.TextField(blank=True, default="", help_text="PEM certificates, not a path")
    requires_channel_binding = models.BooleanField(default=False)  # libpq's channel_binding=require
    explain_mode = models.CharField(max_length=10, choices=ExplainMode.choices, default=ExplainMode.ANALYZE)
    explain_budget_s_per_hour = models.PositiveIntegerField(default=60)
    sample_interval_s = models.PositiveIntegerField(default=60, validators=[MinValueValidator(5)])
    # of the monitored machine, which no SQL tells; None: nobody said, and the load guard assumes some
    cores = models.PositiveIntegerField(null=True)
    disk_gb = models.FloatField(null=True)  # of the disk that holds its databases; None: nobody said
    # A physical replica that EXPLAIN goes to; its login and database are the server's own. "": none.
    replica_host = models.CharField(max_length=255, blank=True, default="")
    replica_port = models.PositiveIntegerField(
        default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    # Names or patterns (tenant_*) of the databases to look into; empty: all that have load.
    databases_only = models.JSONField(default=list)
    databases_not = models.JSONField(default=list)
    reads_log = models.BooleanField(db_default=False, default=False)  # of the server's log, what took how long
    is_active = models.BooleanField(default=True)
    # Added by a command, not on the page: the address policy leaves its address alone.
    is_address_trusted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # Learnt at each connection; None until then.
    server_version_num = models.IntegerField(null=True)
    preflight = models.JSONField(default=list)  # [{name, status: ok|warning|missing, detail, sql}]
    preflight_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name

    @property
    def disk_bytes(self) -> int | None:
        return None if self.disk_gb is None else int(self.disk_gb * 2**30)


class StepStatus(models.Model):
    """How the last runs of one step went on one server (``snapshot``, ``activity``, ``catalog``, ``explain``, ...)."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="steps")
    step = models.CharField(max_length=30)
    last_started_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_duration_ms = models.FloatField(null=True)
    failing_since = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="")
    note = models.TextField(blank=True, default="")  # what a successful run could not do, and why
    due_at = models.DateTimeField(null=True)  # when the next run is due

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "step"], name="uq_stepstatus_server_step")]


class Database(models.Model):
    """One database of a server. Only the one a server is reached through is inspected (catalog, EXPLAIN)."""

    class Orm(models.TextChoices):
        DJANGO = "django", "Django"
        SQLALCHEMY = "sqlalchemy", "Alembic and SQLAlchemy"
        SQLMODEL = "sqlmodel", "Alembic and SQLModel"
        SQL = "sql", "SQL"

    server = models.ForeignKey(Server, models.CASCADE, related_name="databases")
    oid = models.BigIntegerField()
    name = models.CharField(max_length=63)
    is_inspected = models.BooleanField(default=False)  # its schema is read, its statements planned and advised on
    problem = models.TextField(blank=True, default="")  # why it could not be read the last time
    orm = models.CharField(max_length=10, choices=Orm, blank=True, default="")  # as somebody chose; "": as found
    orm_found = models.CharField(max_length=10, blank=True, default="")  # by the map of models, else by the tables

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "oid"], name="uq_database_server_oid")]

    @property
    def code_first(self) -> str:
        """What its application's code is shown in first: one of Orm, or "" where that is not known."""
        return self.orm or self.orm_found


class Role(models.Model):
    """Names of the roles that ran statements."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="roles")
    oid = models.BigIntegerField()
    name = models.CharField(max_length=63)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "oid"], name="uq_role_server_oid")]
