"""What the store keeps, apart from the time series (see ``analyzer/store/series/partitions.py`` for those).

Texts are redacted before they come here; passwords and sampled parameter values are encrypted.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from analyzer.past_models import PlanCause as PlanCause
from analyzer.past_models import PlannerPiece as PlannerPiece
from analyzer.past_models import PlanPeriodRecord as PlanPeriodRecord
from analyzer.past_models import ServerEvent as ServerEvent
from analyzer.past_models import ServerNews as ServerNews
from analyzer.report_models import FindingImpact as FindingImpact
from analyzer.report_models import ReportMail as ReportMail
from analyzer.report_models import ReportSubscription as ReportSubscription


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


class Snapshot(models.Model):
    """One reading of a server's counters. ``gap_reason`` says why no deltas belong to it."""

    id = models.BigAutoField(primary_key=True)
    server = models.ForeignKey(Server, models.CASCADE, related_name="snapshots")
    taken_at = models.DateTimeField()
    interval_s = models.FloatField(null=True)  # since the snapshot before; None for a gap
    gap_reason = models.CharField(max_length=200, blank=True, default="")
    server_started_at = models.DateTimeField(null=True)
    stats_reset_at = models.DateTimeField(null=True)
    deallocations = models.BigIntegerField(null=True)  # pg_stat_statements_info.dealloc, 14+
    statements_version = models.CharField(max_length=10)  # of the extension
    entries = models.IntegerField(default=0)  # read
    changed_entries = models.IntegerField(default=0)
    evicted_entries = models.IntegerField(default=0)
    read_time_ms = models.FloatField(null=True)
    own_exec_time_ms = models.FloatField(default=0)  # what our statements cost the server in the interval
    total_exec_time_ms = models.FloatField(default=0)  # everybody's, for our share

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "taken_at"], name="uq_snapshot_server_taken")]


class LastReading(models.Model):
    """The newest cumulative counters of a server, compressed: what the next delta is taken from."""

    server = models.OneToOneField(Server, models.CASCADE, primary_key=True, related_name="last_reading")
    taken_at = models.DateTimeField()
    data = models.BinaryField()


class LogPosition(models.Model):
    """How far a server's log has been read: that file, up to that byte."""

    server = models.OneToOneField(Server, models.CASCADE, primary_key=True, related_name="log_position")
    file = models.TextField()
    offset_bytes = models.BigIntegerField()
    read_at = models.DateTimeField()


class SchemaReading(models.Model):
    """A database's schema as facts (``schema/kept.py``), kept when it changed; the newest is in force."""

    database = models.ForeignKey(Database, models.CASCADE, related_name="schemas")
    taken_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()
    facts = models.BinaryField()  # zlib-compressed JSON

    class Meta:
        indexes = [models.Index(fields=["database", "-taken_at"], name="ix_schemareading_db_taken")]


class ServerReading(models.Model):
    """A server as a whole (``schema/cluster.py``): the last reading of each hour; of older days one a day."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="readings")
    hour = models.DateTimeField()
    taken_at = models.DateTimeField()  # by the store's clock
    facts = models.BinaryField()  # zlib-compressed JSON

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "hour"], name="uq_serverreading_server_hour")]


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


class ParameterSample(models.Model):
    """Real parameter values of a statement, encrypted; at most a few per statement and only the newest."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="parameter_samples")
    database = models.ForeignKey(Database, models.CASCADE)
    taken_at = models.DateTimeField()
    duration_ms = models.FloatField(null=True)  # how long it had run when seen
    sql_encrypted = models.TextField()  # the text with its values

    class Meta:
        indexes = [models.Index(fields=["statement", "-taken_at"], name="ix_paramsample_statement")]


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
    times_reopened = models.PositiveIntegerField(default=0)
    reopened_at = models.DateTimeField(null=True)
    muted_at = models.DateTimeField(null=True)
    muted_by = models.CharField(max_length=150, blank=True, default="")
    mute_reason = models.TextField(blank=True, default="")
    muted_until = models.DateTimeField(null=True)  # None: until somebody says otherwise, or it is worse
    muted_impact_s_per_day = models.FloatField(null=True)  # when it was muted
    assigned_to = models.CharField(max_length=150, blank=True, default="")
    worse_since = models.DateTimeField(null=True)  # its impact is a multiple of what it was when it was opened
    opened_impact_s_per_day = models.FloatField(null=True)  # when it was last opened

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

    class What(models.TextChoices):
        OPENED = "opened", "Found"
        WORSE = "worse", "Got worse"
        MUTED = "muted", "Muted"
        UNMUTED = "unmuted", "No longer muted"
        ASSIGNED = "assigned", "Assigned"
        CLOSED = "closed", "Gone"
        REOPENED = "reopened", "Came back"

    finding = models.ForeignKey(FindingRecord, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    what = models.CharField(max_length=10, choices=What)
    by = models.CharField(max_length=150, blank=True, default="")  # a person; "" for what the checks saw
    detail = models.TextField(blank=True, default="")
    impact_s_per_day = models.FloatField(null=True)  # at that moment
    gain = models.JSONField(default=dict)  # of CLOSED: what its statements took before and since (store/gains.py)

    class Meta:
        indexes = [models.Index(fields=["finding", "at"], name="ix_findingevent_finding_at")]


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
    said_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["statement", "database"], name="uq_nosuggestion")]


class ModelsMap(models.Model):
    """Which Django model each table of a database belongs to, as somebody uploaded it (advice/code/models_map.py)."""

    database = models.OneToOneField(Database, models.CASCADE, primary_key=True, related_name="models_map")
    text = models.TextField()
    tables = models.PositiveIntegerField()  # named in it
    uploaded_at = models.DateTimeField()
    uploaded_by = models.CharField(max_length=150)


class LoginLink(models.Model):
    """A one-time login link: only its hash is kept."""

    token_hash = models.CharField(max_length=64, unique=True)
    user_name = models.CharField(max_length=150)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
