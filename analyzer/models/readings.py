"""What was read of a server last: where counters, schema, the server as a whole and its log are at."""

from django.db import models

from analyzer.models.servers import Database, Server


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


class ModelsMap(models.Model):
    """Which Django model each table of a database belongs to, as somebody uploaded it (advice/code/models_map.py)."""

    database = models.OneToOneField(Database, models.CASCADE, primary_key=True, related_name="models_map")
    text = models.TextField()
    tables = models.PositiveIntegerField()  # named in it
    uploaded_at = models.DateTimeField()
    uploaded_by = models.CharField(max_length=150)
