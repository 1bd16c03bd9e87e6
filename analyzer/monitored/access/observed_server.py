"""What the preflight's items are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.errors import MonitoredServerError
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.failures import quoted
from analyzer.monitored.readings import ServerState


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """What the server said about itself, for the items."""

    conn: MonitoredConnection
    login: Row
    tables: Row
    settings: Mapping[str, str]
    extension: Row | None  # as available on the server; None: its files are not installed
    state: ServerState | None  # None: pg_stat_statements does not answer
    problem: MonitoredServerError | None  # why not
    entries: Row | None
    login_objection: str | None = None  # why EXPLAIN is not sent with it

    @property
    def version_num(self) -> int:
        return self.conn.server_version_num

    @property
    def is_pooled(self) -> bool:
        """A pooler makes up the process id it tells at the start; the server knows the real one."""
        return bool(self.login.backend_pid != self.conn.backend_pid)

    @property
    def role(self) -> str:
        return quoted(str(self.login.login))
