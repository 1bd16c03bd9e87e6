"""A whole PostgreSQL server as facts: settings, databases, roles, extensions, counters of its background work.

What sessions do is in ``schema/server.py``. Pure data, read by ``analyzer/monitored/catalog/cluster.py``; a part that
could not be read is ``None``, with the reason in ``parts_not_read``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analyzer.schema.pace import Pace
from analyzer.schema.server import SessionsAtWork

# of pg_settings.unit, in bytes or milliseconds
BYTES = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3}
# pg_settings.source of values that our own login or session has, and nobody else
OWN_SOURCES = frozenset({"client", "user", "database user", "interactive", "test", "session"})
MILLISECONDS = {"ms": 1.0, "s": 1_000.0, "min": 60_000.0}


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """A row of pg_settings, as our login's session sees it. ``value`` is in ``unit``.

    Of what our own transactions set (``source`` "session": timeouts, search_path) it is what our login has without.
    """

    value: str
    unit: str | None = None
    default: str | None = None  # boot_val
    source: str = "default"  # default, configuration file, database, user, override, ...
    context: str = "user"  # who may change it, and whether a restart is needed: postmaster, sighup, superuser, user
    pending_restart: bool = False

    @property
    def in_bytes(self) -> int | None:
        """Of a setting that is an amount of memory or disk; -1 and what is no amount are ``None``."""
        if self.unit not in BYTES or not self.value.isdigit():
            return None
        return int(self.value) * BYTES[self.unit]

    @property
    def in_ms(self) -> float | None:
        """Of a setting that is a time."""
        if self.unit not in MILLISECONDS or self.value.startswith("-"):
            return None
        return float(self.value) * MILLISECONDS[self.unit]

    @property
    def is_changed(self) -> bool:
        """Somebody chose it: it is not PostgreSQL's default, nor computed from another."""
        return self.source not in ("default", "override")


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A row of pg_database and pg_stat_database; counters are cumulative since ``stats_reset``."""

    oid: int
    name: str
    is_template: bool = False
    allows_connections: bool = True
    size_bytes: int | None = None  # None where the login may not connect to it
    frozen_xid_age: int = 0
    multixact_age: int = 0
    encoding: str = "UTF8"
    collate: str = ""
    collation_version: str | None = None  # 15+: as recorded
    collation_version_now: str | None = None  # 15+: as the operating system has it
    sessions: int = 0  # connected at the moment of reading
    commits: int = 0
    rollbacks: int = 0
    temp_files: int = 0
    temp_bytes: int = 0
    deadlocks: int = 0
    conflicts: int = 0
    checksum_failures: int | None = None
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A row of pg_roles. ``settings``: ALTER ROLE ... SET, for all databases or for the one we are connected to."""

    name: str
    can_log_in: bool
    is_superuser: bool = False
    creates_roles: bool = False
    creates_databases: bool = False
    replicates: bool = False
    bypasses_row_security: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    member_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What ALTER ROLE or ALTER DATABASE ... SET chose; None: for all databases, for all roles."""

    database: str | None = None
    role: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrustRule:
    """A rule of pg_hba.conf that asks sessions from other machines for nothing; names as written there."""

    line_number: int
    databases: str
    roles: str
    address: str


@dataclass(frozen=True, slots=True)
class ExtensionFacts:
    """An extension of the database we are connected to."""

    name: str
    version: str
    available_version: str | None = None  # the default one of the files installed on the server
    schema: str = "public"


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """Cumulative since ``stats_reset``: pg_stat_bgwriter, from 17 on pg_stat_checkpointer."""

    timed: int
    requested: int
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evictions:
    """How many times pg_stat_statements dropped its rarest entries for lack of room (14+), and in how long:
    the last hours, or since its counters were reset.
    """

    times: int
    seen_s: float
    is_since_reset: bool = False


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """``earlier``: an older reading to take rates from, at least an hour old; not kept with this one."""

    taken_at: datetime
    server_version: str  # "16.4 (Debian 16.4-1.pgdg120+1)"
    server_version_num: int
    database: str  # that we are connected to
    login: str = ""  # ours
    started_at: datetime | None = None
    is_replica: bool = False
    settings: Mapping[str, SettingFacts] = field(default_factory=dict)
    databases: tuple[DatabaseFacts, ...] | None = None
    roles: tuple[RoleFacts, ...] | None = None
    role_settings: tuple[RoleSettings, ...] | None = None
    extensions: tuple[ExtensionFacts, ...] | None = None
    checkpoints: CheckpointFacts | None = None
    standbys: tuple[str, ...] | None = None  # that stream from it, by application_name and address
    system: int | None = None  # its identifier, which its physical replicas share
    trust_rules: tuple[TrustRule, ...] | None = None  # None: the login may not read them
    weak_passwords: tuple[str, ...] | None = None  # roles whose password is kept as MD5; None as above
    parts_not_read: Mapping[str, str] = field(default_factory=dict)
    parts_read_at: Mapping[str, datetime] = field(default_factory=dict)  # a part's name -> when
    earlier: "ClusterFacts | None" = None
    # filled in by the store
    most_sessions: Mapping[str, int] = field(default_factory=dict)  # by day, of the readings of that day
    databases_with_load: tuple[str, ...] = ()
    at_work: SessionsAtWork | None = None
    evictions: Evictions | None = None
    disk_bytes: int | None = None  # of the disk that holds the databases, as an operator said
    pace: Pace | None = None  # of the bytes of all databases together
    database_paces: Mapping[str, Pace] = field(default_factory=dict)  # by name

    def setting(self, name: str) -> str | None:
        """Its value in its unit; None where the server has no such setting or does not show it."""
        known = self.settings.get(name)
        return known.value if known is not None else None

    @property
    def sessions(self) -> int:
        """Connected at the moment of reading."""
        return sum(database.sessions for database in self.databases or ())

    @property
    def since_earlier_s(self) -> float | None:
        """Seconds since ``earlier``; None without it, or where the server was restarted in between."""
        if self.earlier is None or self.earlier.started_at != self.started_at:
            return None
        return (self.taken_at - self.earlier.taken_at).total_seconds()
