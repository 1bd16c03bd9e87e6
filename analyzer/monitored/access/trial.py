"""Tries a connection before it is kept: does it open, is it PostgreSQL, what is missing there.

The same session and the same preflight as later, with less patience.
"""

from dataclasses import dataclass

from analyzer.errors import BadInput, MissingRight, MonitoredServerError, ServerUnreachable
from analyzer.monitored.access.address_policy import AddressPolicy, AddressRefused
from analyzer.monitored.access.identity import ServerIdentity, read_identity
from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.readings import PreflightItem

TIMEOUT_S = 5  # a person waits
LEAST_CONNECT_TIMEOUT_S = 2  # libpq's own least
# What ServerUnreachable's reasons (failures.py) speak of -> the form's field to look at.
_FIELD_OF_REASON = (
    ("channel_binding", "requires_channel_binding"),
    ("host name", "host"),
    ("certificate is for another host", "host"),
    ("certificate", "sslrootcert"),
    ("offers no TLS", "sslmode"),
    ("sslmode", "sslmode"),
    ("password or the login", "password"),
    ("asks for a password", "password"),
    ("database does not exist", "dbname"),
    ("connect to this database", "dbname"),
    ("takes no connections", "dbname"),
    ("login does not exist", "user"),
    ("may not log in", "user"),
    ("no entry for this login", "user"),
    ("refused", "port"),
    ("not PostgreSQL", "port"),
    ("no answer in time", "host"),
    ("no way to this address", "host"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it. ``error``: why nothing was learnt, "" when the session worked; ``field`` it is about, if any."""

    error: str = ""
    field: str = ""
    remedy_sql: str = ""
    items: tuple[PreflightItem, ...] = ()
    server_version_num: int | None = None
    identity: ServerIdentity | None = None  # None where nothing answered

    @property
    def is_connected(self) -> bool:
        return not self.error

    @property
    def missing(self) -> tuple[PreflightItem, ...]:
        return tuple(item for item in self.items if item.status == "missing")

    @property
    def warnings(self) -> tuple[PreflightItem, ...]:
        return tuple(item for item in self.items if item.status == "warning")


def try_connection(settings: ConnectionSettings, policy: AddressPolicy, *, is_trusted: bool) -> Trial:
    """Connect and look at everything a server needs. About ``TIMEOUT_S`` at most until the session stands."""
    try:
        checked = policy.checked(settings, is_trusted=is_trusted)
        tries = max(1, len(checked.hostaddrs))
        with connect(
            checked,
            connect_timeout_s=max(LEAST_CONNECT_TIMEOUT_S, TIMEOUT_S // tries),
            statement_timeout_ms=TIMEOUT_S * 1000,
        ) as conn:
            items = tuple(run_preflight(conn))
            return Trial(items=items, server_version_num=conn.server_version_num, identity=read_identity(conn))
    except AddressRefused as refused:
        return Trial(error=str(refused), field=refused.field)
    except ServerUnreachable as error:
        field = next((field for words, field in _FIELD_OF_REASON if words in error.reason), "")
        return Trial(error=str(error), field=field)
    except MissingRight as error:
        return Trial(error=f"The login may not {error.action}.", field="user", remedy_sql=error.remedy_sql)
    except (MonitoredServerError, BadInput) as error:
        return Trial(error=str(error))
