"""Log in to a monitored server, with nothing of our own machine's environment, and read text of whatever encoding."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Buffer, Loader

from analyzer.errors import ServerUnreachable
from analyzer.monitored import failures
from analyzer.monitored.connection_settings import ConnectionSettings

APPLICATION_NAME = "pgloupe"
# A command is run once, so the login that wakes a server has to be the one that gets in. Source: Aurora's manual,
# "auto-pause": about 15 s, 30 after a day of sleep; Neon's: under a second. psql waits for two minutes.
WAKING_S = 30
# of Debian and Alpine, Red Hat, SUSE, macOS: where a Python of one's own does not know them
SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)  # fmt: skip
AS_BYTES = "SQL_ASCII"  # PostgreSQL's name for: no encoding, nothing is checked or converted
ODD_BYTE = "\ufffd"


def libpq_parameters(
    settings: ConnectionSettings, connect_timeout_s: int, stack: contextlib.ExitStack
) -> dict[str, Any]:
    """Everything libpq needs to log in, the password too; files it reads live as long as ``stack``."""
    parameters: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "dbname": settings.dbname,
        "sslmode": settings.sslmode,
        "application_name": APPLICATION_NAME,
        "client_encoding": "utf8",
        "connect_timeout": connect_timeout_s,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        # nothing from our own machine's environment or home directory
        "options": "",
        # a path that cannot exist: about one that is no plain file libpq warns on stderr
        "passfile": f"{os.devnull}/none",
        "gssencmode": "disable",
    }
    if settings.hostaddrs:  # checked by the address policy; the name stays for TLS
        parameters["host"] = ",".join([settings.host] * len(settings.hostaddrs))
        parameters["hostaddr"] = ",".join(settings.hostaddrs)
    if settings.password:
        parameters["password"] = settings.password
    if settings.requires_channel_binding:
        parameters["channel_binding"] = "require"
    if settings.sslmode.startswith("verify-"):
        parameters["sslrootcert"] = _root_certificates(settings.sslrootcert, stack)
    else:
        # whoever answers was not verified: a password goes out hashed (SCRAM, md5) or not at all
        parameters["require_auth"] = "!password"
    return parameters


def log_in(settings: ConnectionSettings, parameters: Mapping[str, Any]) -> "psycopg.Connection[Any]":
    """A session of libpq's; ``parameters`` are those of ``settings``, perhaps changed. Raises ServerUnreachable."""
    try:
        return psycopg.connect("", autocommit=True, prepare_threshold=None, **parameters)
    except psycopg.Error as error:
        raise failures.unreachable(error, settings.address, settings.password) from error
    except (UnicodeError, OSError) as error:
        raise ServerUnreachable(settings.address, f"it cannot be tried ({type(error).__name__})") from error


def _root_certificates(pem: str, stack: contextlib.ExitStack) -> str:
    """A path for libpq: the PEM in a private file that lives as long as the session, else the system's."""
    if not pem:
        # "system" would be the place that psycopg's own OpenSSL was built for, which no machine has
        known = (ssl.get_default_verify_paths().cafile, *SYSTEM_CERTIFICATES)
        return next((path for path in known if path and Path(path).exists()), "system")
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pgloupe-"))  # mode 0700
    path = Path(directory) / "root.pem"
    path.touch(mode=0o600)
    path.write_text(pem)
    return str(path)


def read_leniently(raw: "psycopg.Connection[Any]") -> None:
    """Of SQL_ASCII psycopg makes bytes otherwise, of every type that is a text."""
    for type_name in ("text", "name", "varchar", "bpchar", '"char"'):
        raw.adapters.register_loader(type_name, LenientText)
        raw.adapters.register_loader(type_name, LenientBinaryText)


class LenientText(Loader):
    """Text that may hold bytes of another encoding: pg_stat_activity shows other databases' as they are, and one
    without an encoding its own. ODD_BYTE stands for what is no UTF-8.
    """

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


class LenientBinaryText(LenientText):
    format = pq.Format.BINARY
