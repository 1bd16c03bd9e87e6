"""TLS for tests: a CA of one's own, and servers that take TCP connections by TLS alone.

    ca = Authority()
    server = start_hostssl(18, ca)       # a servers.Server; its certificate is for 127.0.0.1, not for localhost
    ca.pem, server.cluster.port
    give_certificate(server, ca.issue(days=-1))   # another certificate, from the next restart on

How a login has to show who it is goes by its name: ``clear_*`` by password in clear text, ``md5_*`` by md5,
``trusted_*`` not at all, all others by SCRAM, where the server offers channel binding.
"""

import datetime
import ipaddress
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analyzer.runtime.postgres import PostgresCluster
from tests import environment, servers
from tests.server_binaries import npm_bin_dir

HBA = r"""
local all all trust
hostssl all "/^clear_" 127.0.0.1/32 password
hostssl all "/^md5_" 127.0.0.1/32 md5
hostssl all "/^trusted_" 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class Authority:
    """A CA; ``pem`` is its certificate."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        is_ca = x509.BasicConstraints(ca=True, path_length=None)
        self.pem = _pem(self._signed(self._name, self._key.public_key(), is_ca, days=2))

    def issue(self, *addresses: str, days: int = 2) -> tuple[str, str]:
        """A server's certificate and key, for 127.0.0.1 where nothing is said. ``days``: valid until then."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses or ("127.0.0.1",)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = self._signed(subject, key.public_key(), x509.SubjectAlternativeName(named), days)
        form = serialization.PrivateFormat.PKCS8
        key_pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return _pem(certificate), key_pem.decode()

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType, days: int
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=5))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(extension, critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


def start_hostssl(version: int, authority: Authority) -> servers.Server:
    """Remove its cluster afterwards."""
    cluster = PostgresCluster(
        environment.SESSION_DIR / f"tls-{version}-{secrets.token_hex(3)}",
        # the wheel's 18 is built without TLS
        bin_dir=npm_bin_dir(18) if version == 18 else servers.server_bin_dir(version),
        settings=dict(servers.SETTINGS),
        tcp=True,
    )
    cluster.start()
    started = servers.Server(version, cluster)
    hba = HBA if version >= 16 else _without_patterns(started)
    (cluster.data_dir / "pg_hba.conf").write_text(hba)
    give_certificate(started, authority.issue())
    cluster.settings["ssl"] = "on"
    cluster.restart()
    return started


def _without_patterns(server: servers.Server) -> str:
    """Before 16 pg_hba.conf knows no patterns: a group stands for each."""
    with server.connect() as connection:
        for name in ("clear", "md5", "trusted"):
            connection.execute(f"create role {name}_ nologin")
    return HBA.replace('"/^', "+").replace('_"', "_")


def give_certificate(server: servers.Server, certificate_and_key: tuple[str, str]) -> None:
    for name, text in zip(("server.crt", "server.key"), certificate_and_key, strict=True):
        give_file(server, server.cluster.data_dir / name, text)


def give_file(server: servers.Server, path: Path, text: str) -> Path:
    """A file that the user the server runs as may read, and nobody else."""
    path.touch(mode=0o600)
    path.write_text(text)
    if server.cluster.user:
        os.chown(path, server.cluster.user.uid, server.cluster.user.gid)
    return path


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
