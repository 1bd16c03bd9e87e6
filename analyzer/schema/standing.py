"""What stands on a server beside its sessions: limits, replication, prepared transactions, archiving. Pure data.

Read once a minute, and by the page of sessions. A whole part is None where the login may not read it.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """``client_sessions`` is None where some are hidden from the login; ours are among them.

    ``received_bytes``, ``replayed_bytes``: positions in the WAL, of a standby that streams. ``unreplayed_s``: how long
    ago, at least, it had received what it has not replayed yet; None: it has, or it was not read before.
    ``max_slot_wal_keep_bytes``: None is no limit.
    """

    max_connections: int
    reserved_connections: int
    client_sessions: int | None = None
    hidden_sessions: int = 0  # and processes of the server's own, which cannot be told from them
    is_replica: bool = False
    received_bytes: int | None = None
    replayed_bytes: int | None = None
    unreplayed_s: float | None = None
    archive_mode: str = "off"
    max_slot_wal_keep_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class XminHolder:
    """A session, a walsender or another process that holds back xmin by ``xid_age`` transactions."""

    pid: int
    backend_type: str
    xid_age: int
    role: str | None = None
    database: str | None = None
    application_name: str = ""
    state: str | None = None
    transaction_s: float | None = None


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    gid: str
    role: str
    database: str
    age_s: float
    xid_age: int


@dataclass(frozen=True, slots=True)
class Slot:
    """``retained_bytes``: WAL kept for it, None where it has not asked for any; ``inactive_s``: 17+.

    ``wal_status``: PostgreSQL's reserved, extended, unreserved or lost; None as above.
    """

    name: str
    slot_type: str
    is_active: bool
    database: str | None = None
    wal_status: str | None = None
    retained_bytes: int | None = None
    safe_wal_bytes: int | None = None
    xid_age: int | None = None
    catalog_xid_age: int | None = None
    inactive_s: float | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """A standby or a subscriber. ``state`` is None where the login may not see it."""

    pid: int
    application_name: str = ""
    state: str | None = None
    sync_state: str | None = None
    lag_bytes: int | None = None
    replay_lag_s: float | None = None


@dataclass(frozen=True, slots=True)
class Archiver:
    """``failing_s``: since when every attempt seen has failed, as far as we have looked; 0 at the first, None: none."""

    failed_count: int
    last_failed_wal: str | None = None
    last_failed_s: float | None = None  # ago
    last_archived_s: float | None = None
    failing_s: float | None = None

    @property
    def is_failing(self) -> bool:
        if self.last_failed_s is None:
            return False
        return self.last_archived_s is None or self.last_failed_s < self.last_archived_s


@dataclass(frozen=True, slots=True)
class Standing:
    limits: ConnectionLimits | None = None
    holders: tuple[XminHolder, ...] | None = None
    prepared: tuple[PreparedTransaction, ...] | None = None
    slots: tuple[Slot, ...] | None = None
    replicas: tuple[Replica, ...] | None = None
    archiver: Archiver | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A maintenance command at work; ``done`` of ``total`` of its phase, None where the phase counts nothing."""

    pid: int
    command: str
    database: str | None
    relation: str | None  # schema.name, of the connected database only
    relation_oid: int | None
    phase: str | None
    done: int | None
    total: int | None
    unit: str
    is_autovacuum: bool
    running_s: float | None

    @property
    def done_ratio(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total and self.done is not None else None


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What keeps VACUUM from removing row versions that are ``xid_age`` transactions old.

    ``kind``: "session", "prepared transaction", "slot", "catalog slot", "standby". ``since_s``: for how long; None:
    not known. ``name``: its pid, gid or name.
    """

    kind: str
    name: str
    xid_age: int
    since_s: float | None = None
    role: str | None = None
    database: str | None = None  # whose tables; None: those of all
    application_name: str = ""
    state: str | None = None


def held_back(standing: Standing) -> list[HeldBack]:
    """All that hold back xmin, the oldest first; what is not readable is left out."""
    return sorted(_holders(standing), key=lambda held: (-held.xid_age, -(held.since_s or 0.0)))


def _holders(standing: Standing) -> Iterable[HeldBack]:
    for h in standing.holders or ():
        kind = {"client backend": "session", "walsender": "standby"}.get(h.backend_type, h.backend_type)
        database = None if kind == "standby" else h.database
        yield HeldBack(kind, str(h.pid), h.xid_age, h.transaction_s, h.role, database, h.application_name, h.state)
    for p in standing.prepared or ():
        yield HeldBack("prepared transaction", p.gid, p.xid_age, p.age_s, p.role, p.database)
    for s in standing.slots or ():
        if s.xid_age is not None:
            yield HeldBack("slot", s.name, s.xid_age, None if s.is_active else s.inactive_s)
        if s.catalog_xid_age is not None:
            yield HeldBack("catalog slot", s.name, s.catalog_xid_age, None if s.is_active else s.inactive_s)
