"""Which server answers at an address, to know one that is watched already by another of its databases."""

from dataclasses import dataclass
from datetime import datetime

from analyzer.monitored.connection import MonitoredConnection


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """``started_at``: when its postmaster started, by its own clock; no two servers share the microsecond."""

    started_at: datetime
    database_oid: int
    database: str


def read_identity(conn: MonitoredConnection) -> ServerIdentity:
    with conn.transaction_read_only():
        (row,) = conn.run("server_identity", action="asking which server answers")
    return ServerIdentity(row.started_at, row.database_oid, row.database)
