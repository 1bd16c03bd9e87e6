"""Whether EXPLAIN may go to a replica instead: its plans say something about the primary only if it is its copy."""

from analyzer.errors import MonitoredServerError
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings


class NotItsReplica(MonitoredServerError):
    def __init__(self, replica: str, primary: str, reason: str) -> None:
        super().__init__(replica, primary, reason)
        self.replica, self.primary, self.reason = replica, primary, reason

    def __str__(self) -> str:
        return f"{self.replica} is no replica of {self.primary}: {self.reason}; nothing is explained there"


def need_replica(replica: ConnectionSettings, primary: ConnectionSettings) -> None:
    """Raises NotItsReplica, or what keeps us from asking either of them."""
    is_replica, system = _identity(replica)
    if not is_replica:
        raise NotItsReplica(replica.address, primary.address, "it takes writes")
    if _identity(primary)[1] != system:
        raise NotItsReplica(replica.address, primary.address, "it is a copy of another system")


def _identity(settings: ConnectionSettings) -> tuple[bool, int]:
    with connect(settings) as connection, connection.transaction_read_only():
        (row,) = connection.run("replica_identity", action="asking whether it is a replica")
    return row.is_replica, row.system_identifier
