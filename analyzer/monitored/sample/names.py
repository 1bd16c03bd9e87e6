"""Names of databases and roles, to show beside the counters."""

from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.readings import NamesByOid


def read_names(conn: MonitoredConnection) -> NamesByOid:
    """Every database and role of the server by oid."""
    with conn.transaction_read_only():
        rows = conn.run("names", action="reading the names of databases and roles")
    return NamesByOid(
        databases={r.oid: r.name for r in rows if r.kind == "database"},
        roles={r.oid: r.name for r in rows if r.kind == "role"},
    )
