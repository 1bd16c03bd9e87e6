"""What the preflight's items are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.errors import MonitoredServerError
from analyzer.monitored.access.role_sql import grant_unreadable_sql
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

    @property
    def grants_sql(self) -> str:
        """What opens the tables that the login may not read."""
        tables = self.tables
        return "\n".join(
            grant_unreadable_sql(
                self.login.login,
                self.version_num,
                [(schema, name) for schema, name in tables.tables_not_granted],
                tables.unreadable_schemas,
                closed=tables.closed_schemas,
                are_all=not tables.readable,
            )
        )
