"""What may be said about where a server is, and what is refused before anything is sent."""

import pytest

from analyzer.errors import BadInput
from analyzer.monitored.connection import ConnectionSettings

CANARY = "canary-Xy7%&'\"pass"


def test_uri_becomes_settings():
    settings = ConnectionSettings.from_dsn("postgresql://joe:s%40cret@db.example.com:6432/shop?sslmode=verify-full")
    assert settings == ConnectionSettings(
        host="db.example.com", port=6432, user="joe", password="s@cret", dbname="shop", sslmode="verify-full"
    )
    assert settings.address == "db.example.com:6432/shop"


@pytest.mark.parametrize(
    ("dsn", "host", "port", "sslmode"),
    [
        ("postgres://joe@db/shop", "db", 5432, "require"),
        ("host=db user=joe dbname=shop port=5433", "db", 5433, "require"),
        ("postgresql+psycopg://joe@db/shop", "db", 5432, "require"),  # SQLAlchemy's
        ("postgresql://joe@localhost/shop", "localhost", 5432, "prefer"),
        ("postgresql://joe@127.0.0.2/shop", "127.0.0.2", 5432, "prefer"),
        ("postgresql://joe@[::1]:5433/shop", "::1", 5433, "prefer"),
        ("postgresql://joe@ep-x-pooler.neon.tech/shop?sslmode=require&channel_binding=require",
         "ep-x-pooler.neon.tech", 5432, "require"),
        ("postgresql://joe@db/shop?connect_timeout=3&application_name=x", "db", 5432, "require"),
    ],
)  # fmt: skip
def test_forms_of_connection_strings(dsn, host, port, sslmode):
    settings = ConnectionSettings.from_dsn(dsn)
    assert (settings.host, settings.port, settings.sslmode) == (host, port, sslmode)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sslrootcert", "/etc/passwd"), ("sslcert", "/x"), ("sslkey", "/x"), ("sslkeylogfile", "/tmp/keys"),
        ("passfile", "/x"), ("service", "x"), ("options", "-cfoo"),
        ("hostaddr", "10.0.0.1"), ("oauth_issuer", "http://x"), ("replication", "database"),
        ("require_auth", "none"), ("sslnegotiation", "direct"), ("load_balance_hosts", "random"),
    ],
)  # fmt: skip
def test_keys_beyond_the_list_are_refused_by_name(key, value):
    with pytest.raises(BadInput, match=rf"^The connection string may not set {key}\b"):
        ConnectionSettings.from_dsn(f"postgresql://joe:{'pw'}@db/shop?{key}={value.replace('/', '%2F')}")


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("postgresql://joe@db,db2/shop", "Give one host; several servers are monitored as several entries"),
        ("postgresql://joe@db:1,db:2/shop", "Give one host; several servers are monitored as several entries"),
        ("postgresql://joe@db/sh\0op", "The connection string holds a NUL character"),
        ("postgresql://db/shop", "The connection string names no user"),
        ("postgresql://joe@db", "The connection string names no dbname"),
        ("postgresql://joe@/shop", "The connection string names no host"),
        ("mysql://joe@db/shop", "A connection string starts with postgresql://, not mysql://"),
        ("postgresql://joe@db:70000/shop", "Port 70000 is not between 1 and 65535"),
        ("host=db user=joe dbname=shop port=x", "Port 'x' is not a number"),
        ("postgresql://joe@%2Ftmp/shop",
         "A Unix-socket directory is not allowed as host here; give a host name or address"),
        ("host=@abstract user=joe dbname=shop",
         "A Unix-socket directory is not allowed as host here; give a host name or address"),
        ("postgresql://joe@db/shop?sslmode=prefer",
         "sslmode=prefer may leave the connection to db unencrypted; that is allowed to this machine itself."
         " Take sslmode=require or verify-full; or, for a network you trust, whoever runs pgLoupe names it in"
         " PGLOUPE_ALLOW_PLAINTEXT_TO"),
        ("postgresql://joe@10.1.2.3/shop?sslmode=disable",
         "sslmode=disable may leave the connection to 10.1.2.3 unencrypted; that is allowed to this machine itself."
         " Take sslmode=require or verify-full; or, for a network you trust, whoever runs pgLoupe names it in"
         " PGLOUPE_ALLOW_PLAINTEXT_TO"),
        ("postgresql://joe@db/shop?sslmode=maybe", "sslmode 'maybe' does not exist; take require or verify-full"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(dsn, message):
    with pytest.raises(BadInput) as caught:
        ConnectionSettings.from_dsn(dsn)
    assert str(caught.value) == message


def test_socket_directory_only_where_allowed():
    settings = ConnectionSettings.from_dsn("host=/run/pg user=joe dbname=shop", allow_local=True)
    assert (settings.host, settings.sslmode, settings.is_local) == ("/run/pg", "prefer", True)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://joe:{CANARY}@db:99999999999999999999/shop",
        f"host=db user=joe password={CANARY} dbname",
        f"postgresql://joe:{CANARY}%zz@db/shop",
        f"postgresql://joe:{CANARY}%00@db/shop",
        f"host=db user=joe dbname=shop password='{CANARY}",
    ],
)
def test_bad_connection_strings_show_nothing_of_the_password(dsn):
    with pytest.raises(BadInput) as caught:
        ConnectionSettings.from_dsn(dsn)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_settings_show_no_password():
    settings = ConnectionSettings(host="db", user="joe", dbname="shop", password=CANARY)
    assert CANARY not in repr(settings) + str(settings) + settings.address


def test_certificate_must_be_its_text():
    with pytest.raises(BadInput, match="must be the certificate itself"):
        ConnectionSettings(host="db", user="joe", dbname="shop", sslrootcert="/etc/ssl/ca.pem")


@pytest.mark.parametrize(
    ("sslmode", "becomes"),
    [("", "verify-ca"), ("require", "verify-ca"), ("verify-ca", "verify-ca"), ("verify-full", "verify-full")],
)
def test_file_of_certificates_is_read_where_files_may_be_named(sslmode, becomes, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    dsn = f"host=db user=joe dbname=shop sslrootcert={file}" + (f" sslmode={sslmode}" if sslmode else "")
    settings = ConnectionSettings.from_dsn(dsn, allow_files=True)
    assert (settings.sslmode, settings.sslrootcert) == (becomes, file.read_text())
    with pytest.raises(BadInput, match="may not set sslrootcert; give the certificate itself in its own field"):
        ConnectionSettings.from_dsn(dsn)


def test_system_certificates_verify_in_full():
    settings = ConnectionSettings.from_dsn("postgresql://joe@db/shop?sslrootcert=system", allow_files=True)
    assert (settings.sslmode, settings.sslrootcert) == ("verify-full", "")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("sslrootcert=system sslmode=require", "sslrootcert=system goes with sslmode=verify-full, not with require"),
        ("sslrootcert=/x sslmode=prefer",
         "sslmode=prefer would not need the certificates of sslrootcert; take sslmode=verify-full"),
        ("sslrootcert=/no/such.pem",
         "The certificates in sslrootcert=/no/such.pem cannot be read: No such file or directory"),
        ("sslrootcert=/tmp", "The certificates in sslrootcert=/tmp cannot be read: Is a directory"),
        ("sslrootcert=/dev/null", "There is no certificate (PEM text) in sslrootcert=/dev/null"),
        ("channel_binding=maybe", "channel_binding 'maybe' does not exist; take prefer or require"),
    ],
)  # fmt: skip
def test_what_cannot_be_verified_is_said(rest, message):
    with pytest.raises(BadInput) as caught:
        ConnectionSettings.from_dsn(f"host=localhost user=joe dbname=shop {rest}", allow_files=True)
    assert str(caught.value) == message


@pytest.mark.parametrize(("value", "is_required"), [("require", True), ("prefer", False), ("disable", False)])
def test_channel_binding_is_not_forgotten(value, is_required):
    settings = ConnectionSettings.from_dsn(f"postgresql://joe@db/shop?sslmode=require&channel_binding={value}")
    assert settings.requires_channel_binding is is_required
