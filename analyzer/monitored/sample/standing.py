"""Reads what stands on a server beside its sessions. What the login may not read is None and costs the rest nothing."""

from collections.abc import Callable
from typing import TypeVar

from analyzer.errors import MissingRight
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.schema.standing import (
    Archiver,
    ConnectionLimits,
    PreparedTransaction,
    Progress,
    Replica,
    Slot,
    Standing,
    XminHolder,
)

Made = TypeVar("Made")


def read_standing(conn: MonitoredConnection) -> Standing:
    """Six statements, each by itself: a missing right ends one of them."""
    limits = _read(conn, "server_limits", "reading the server's limits", _limits)
    archiver = _read(conn, "archiver", "reading how archiving goes", _fields(Archiver))
    return Standing(
        limits=limits[0] if limits else None,
        holders=_read(conn, "xmin_holders", "reading who holds back xmin", _holder),
        prepared=_read(conn, "prepared_transactions", "reading prepared transactions", _fields(PreparedTransaction)),
        slots=_read(conn, "replication_slots", "reading replication slots", _fields(Slot)),
        replicas=_read(conn, "replicas", "reading who replicates", _replica),
        archiver=archiver[0] if archiver and limits and limits[0].archive_mode != "off" else None,
    )


def read_progress(conn: MonitoredConnection) -> tuple[Progress, ...] | None:
    return _read(conn, "progress", "reading the progress of maintenance", _progress)


def _read(conn: MonitoredConnection, name: str, action: str, make: Callable[[Row], Made]) -> tuple[Made, ...] | None:
    try:
        with conn.transaction_read_only():
            return tuple(make(row) for row in conn.run(name, action=action))
    except MissingRight:
        return None


def _fields(made: Callable[..., Made]) -> Callable[[Row], Made]:
    """Rows whose columns are the fields."""
    return lambda row: made(**row._asdict())


def _limits(row: Row) -> ConnectionLimits:
    values = row._asdict()
    if values["hidden_sessions"]:
        values["client_sessions"] = None
    return ConnectionLimits(**values)


def _holder(row: Row) -> XminHolder:
    return XminHolder(**row._asdict() | {"application_name": row.application_name or ""})


def _replica(row: Row) -> Replica:
    return Replica(**row._asdict() | {"application_name": row.application_name or ""})


def _progress(row: Row) -> Progress:
    return Progress(**row._asdict() | {"is_autovacuum": bool(row.is_autovacuum)})
