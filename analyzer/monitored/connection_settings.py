"""Where a monitored server is and how to log in: checked before anything is sent."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from analyzer.errors import BadInput

WEAK_SSLMODES = frozenset({"disable", "allow", "prefer"})
SSLMODES = WEAK_SSLMODES | {"require", "verify-ca", "verify-full"}
DSN_KEYS = frozenset({"host", "port", "user", "password", "dbname", "sslmode", "channel_binding"})
# in DSNs of providers and frameworks; we set these ourselves, or libpq's default does at least as much
IGNORED_DSN_KEYS = frozenset(
    {"application_name", "fallback_application_name", "client_encoding", "connect_timeout", "gssencmode", "keepalives",
     "keepalives_count", "keepalives_idle", "keepalives_interval", "sslsni", "target_session_attrs",
     "tcp_user_timeout"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where a monitored server is and how to log in. ``sslrootcert`` is PEM text, never a path.

    ``requires_channel_binding``: log in by SCRAM-SHA-256-PLUS or not at all, libpq's channel_binding=require; otherwise
    by it where the server offers it.

    ``hostaddrs`` and ``is_plaintext_checked`` are set by the address policy alone: the addresses it checked, to connect
    to instead of resolving the host again; that it allows a connection there without TLS.
    """

    host: str
    user: str
    dbname: str
    port: int = 5432
    password: str = field(default="", repr=False)
    sslmode: str = "require"
    sslrootcert: str = field(default="", repr=False)
    requires_channel_binding: bool = False
    hostaddrs: tuple[str, ...] = ()
    is_plaintext_checked: bool = False

    def __post_init__(self) -> None:
        for name in ("host", "user", "dbname", "password", "sslmode", "sslrootcert"):
            if "\0" in getattr(self, name):
                raise BadInput(f"The connection's {name} holds a NUL character")
        for name in ("host", "user", "dbname"):
            if not getattr(self, name):
                raise BadInput(f"The connection needs a {name}")
        if "," in self.host:
            raise BadInput("Give one host; several servers are monitored as several entries")
        if self.host.startswith("@"):
            raise BadInput("Abstract Unix sockets are not supported")
        if not 1 <= self.port <= 65535:
            raise BadInput(f"Port {self.port} is not between 1 and 65535")
        if self.sslmode not in SSLMODES:
            raise BadInput(f"sslmode {self.sslmode!r} does not exist; take require or verify-full")
        if self.sslmode in WEAK_SSLMODES and not (self.is_local or self.is_plaintext_checked):
            raise BadInput(plaintext_refused(self.sslmode, self.host))
        if self.sslrootcert and "-----BEGIN CERTIFICATE-----" not in self.sslrootcert:
            raise BadInput("sslrootcert must be the certificate itself (PEM text), not a path")

    @classmethod
    def from_dsn(
        cls, text: str, *, allow_local: bool = False, allow_files: bool = False, is_plaintext_checked: bool = False
    ) -> "ConnectionSettings":
        """From a URI or a key=value string. Keys that make libpq read files or go elsewhere are refused.

        ``allow_local``: Unix-socket directories may be given as host (command line), else not (web form).
        ``allow_files``: sslrootcert may name a file of certificates, which is read here (command line).
        ``is_plaintext_checked``: the caller has the address policy look at it next.
        """
        given = _read_dsn(text)
        for key in given:
            if key not in DSN_KEYS | IGNORED_DSN_KEYS and not (allow_files and key == "sslrootcert"):
                hint = "; give the certificate itself in its own field" if key == "sslrootcert" else ""
                raise BadInput(f"The connection string may not set {key}{hint}")
        for key in ("host", "user", "dbname"):
            if not given.get(key):
                raise BadInput(f"The connection string names no {key}")
        host, port = given["host"], given.get("port") or "5432"
        if "@" in host[1:]:
            raise BadInput("The password holds an @; write it as %40 in the connection string")
        if "," in host or "," in port:
            raise BadInput("Give one host; several servers are monitored as several entries")
        if is_socket_directory(host) and not allow_local:
            raise BadInput("A Unix-socket directory is not allowed as host here; give a host name or address")
        if not port.isascii() or not port.isdigit():
            raise BadInput(f"Port {port!r} is not a number")
        sslmode, sslrootcert = _verification(given.get("sslmode", ""), given.get("sslrootcert", ""))
        return cls(
            host=host,
            port=int(port),
            user=given["user"],
            password=given.get("password", ""),
            dbname=given["dbname"],
            sslmode=sslmode or ("prefer" if is_loopback(host) else "require"),
            sslrootcert=sslrootcert,
            requires_channel_binding=_requires_channel_binding(given.get("channel_binding", "")),
            is_plaintext_checked=is_plaintext_checked,
        )

    @property
    def address(self) -> str:
        """``host:port/dbname``, for people: without login and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.dbname}"

    @property
    def is_local(self) -> bool:
        return is_socket_directory(self.host) or is_loopback(self.host)


def plaintext_refused(sslmode: str, where: str) -> str:
    return (
        f"sslmode={sslmode} may leave the connection to {where} unencrypted; that is allowed to this machine itself."
        " Take sslmode=require or verify-full; or, for a network you trust, whoever runs pgLoupe names it in"
        " PGLOUPE_ALLOW_PLAINTEXT_TO"
    )


def is_socket_directory(host: str) -> bool:
    return host.startswith(("/", "@"))


def is_loopback(host: str) -> bool:
    if is_socket_directory(host) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _verification(sslmode: str, sslrootcert: str) -> tuple[str, str]:
    """A DSN's sslmode, no weaker than libpq reads it beside its sslrootcert, and the certificates in that file.

    Source: the manual, "SSL Support" of libpq: with root certificates, require is verify-ca; "system" is verify-full.
    """
    if not sslrootcert:
        return sslmode, ""
    if sslrootcert == "system":
        if sslmode not in ("", "verify-full"):
            raise BadInput(f"sslrootcert=system goes with sslmode=verify-full, not with {sslmode}")
        return "verify-full", ""
    if sslmode in WEAK_SSLMODES:
        raise BadInput(f"sslmode={sslmode} would not need the certificates of sslrootcert; take sslmode=verify-full")
    try:
        pem = Path(sslrootcert).read_text("ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput(f"The certificates in sslrootcert={sslrootcert} cannot be read: {reason}") from error
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise BadInput(f"There is no certificate (PEM text) in sslrootcert={sslrootcert}")
    return ("verify-ca" if sslmode in ("", "require") else sslmode), pem


def _requires_channel_binding(value: str) -> bool:
    if value not in ("", "disable", "prefer", "require"):
        raise BadInput(f"channel_binding {value!r} does not exist; take prefer or require")
    return value == "require"


def _read_dsn(text: str) -> dict[str, str]:
    if "\0" in text:
        raise BadInput("The connection string holds a NUL character")
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    if separator and scheme.split("+")[0] in ("postgres", "postgresql"):  # SQLAlchemy: postgresql+psycopg://
        text = "postgresql://" + rest
    elif separator and "=" not in scheme:
        raise BadInput(f"A connection string starts with postgresql://, not {scheme[:20]}://")
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except (psycopg.Error, UnicodeError):
        # libpq's message repeats parts of the string, perhaps of the password
        raise BadInput(
            "The connection string cannot be read; write it as postgresql://user:password@host:5432/database,"
            " with special characters of the password percent-encoded"
        ) from None
