"""A step's connection to the monitored server, with the limits of the settings."""

from contextlib import AbstractContextManager

from django.conf import settings

from analyzer.models import Database, Server
from analyzer.monitored.connection import MonitoredConnection, connect
from analyzer.store.servers import connection_settings


def connect_to(server: Server, database: Database | None = None) -> AbstractContextManager[MonitoredConnection]:
    """``database``: another than the one the server is reached through."""
    return connect(
        connection_settings(server, database.name if database is not None else None),
        statement_timeout_ms=settings.ANALYZER_STATEMENT_TIMEOUT_MS,
        lock_timeout_ms=settings.ANALYZER_LOCK_TIMEOUT_MS,
        connect_timeout_s=settings.ANALYZER_CONNECT_TIMEOUT_S,
    )


def connect_in(
    server: Server, timeout_s: int, dbname: str | None = None
) -> AbstractContextManager[MonitoredConnection]:
    """As ``connect_to``, where somebody waits: no longer than that."""
    return connect(
        connection_settings(server, dbname), connect_timeout_s=timeout_s, statement_timeout_ms=timeout_s * 1000
    )
