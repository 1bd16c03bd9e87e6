"""Where a server that was added on the page may be."""

import ipaddress
import socket
import threading

import pytest

from analyzer.errors import BadInput, ServerUnreachable
from analyzer.monitored.access import address_policy
from analyzer.monitored.access.address_policy import AddressPolicy, AddressRefused
from analyzer.monitored.connection import ConnectionSettings, connect
from tests.environment import IN_VAIN_S

DEFAULT = AddressPolicy.parse()


def settings(host="10.1.2.3", **changes):
    return ConnectionSettings(
        **{"host": host, "user": "joe", "dbname": "shop", "password": "p", "is_plaintext_checked": True, **changes}
    )


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("169.254.169.254", "a cloud's metadata service"),
        ("169.254.170.2", "a cloud's metadata service"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("168.63.129.16", "a cloud's metadata service"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("fd20:ce::254", "a cloud's metadata service"),
        ("::ffff:169.254.169.254", "a cloud's metadata service"),
        ("64:ff9b::a9fe:a9fe", "a cloud's metadata service"),  # NAT64
        ("2002:a9fe:a9fe::1", "a cloud's metadata service"),  # 6to4
        ("127.0.0.1", "the machine pgLoupe runs on (loopback)"),
        ("127.8.9.10", "the machine pgLoupe runs on (loopback)"),
        ("::1", "the machine pgLoupe runs on (loopback)"),
        ("::ffff:127.0.0.1", "the machine pgLoupe runs on (loopback)"),
        ("::127.0.0.1", "the machine pgLoupe runs on (loopback)"),
        ("169.254.10.10", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "no address of a machine (unspecified)"),
        ("0.1.2.3", "no address of a machine (unspecified)"),
        ("::", "no address of a machine (unspecified)"),
        ("255.255.255.255", "reserved"),
        ("10.0.0.5", ""),
        ("172.16.3.4", ""),
        ("192.168.1.1", ""),
        ("100.64.0.1", ""),
        ("fd12:3456::1", ""),
        ("8.8.8.8", ""),
        ("2600:1f18::1", ""),
        ("::ffff:10.0.0.5", ""),
    ],
)
def test_default_allows_public_and_private_networks_and_nothing_special(address, reason):
    assert DEFAULT.why_refused(ipaddress.ip_address(address)) == reason


@pytest.mark.parametrize(
    ("networks", "address", "is_allowed"),
    [
        ("10.0.0.0/8", "10.9.9.9", True),
        ("10.0.0.0/8", "::ffff:10.9.9.9", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "fd12::1", False),
        ("10.0.0.0/8, fd12::/16", "fd12::1", True),
        ("default,127.0.0.0/8", "127.0.0.1", True),
        ("default 127.0.0.1/32", "::ffff:127.0.0.1", True),
        ("default,127.0.0.1", "127.0.0.2", False),
        ("default,127.0.0.1", "8.8.8.8", True),
        # wide networks do not mean what stands out in them
        ("0.0.0.0/0,::/0", "8.8.8.8", True),
        ("0.0.0.0/0,::/0", "169.254.169.254", False),
        ("0.0.0.0/0,::/0", "127.0.0.1", False),
        ("169.254.0.0/16", "169.254.1.1", True),
        ("169.254.0.0/16", "169.254.169.254", False),
        ("169.254.169.254/32", "169.254.169.254", True),
    ],
)
def test_networks_that_the_operator_names(networks, address, is_allowed):
    allowed = AddressPolicy.parse(networks).why_refused(ipaddress.ip_address(address)) == ""
    assert allowed == is_allowed


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "::ffff:127.0.0.1", "0", "[::1]"]
)
def test_no_way_of_writing_loopback_gets_through(host):
    with pytest.raises((AddressRefused, ServerUnreachable)):
        DEFAULT.checked(settings(host), is_trusted=False)


def test_a_refusal_says_what_and_how_to_allow_it():
    with pytest.raises(AddressRefused) as caught:
        DEFAULT.checked(settings("localhost"), is_trusted=False)
    assert caught.value.field == "host"
    assert str(caught.value).startswith("localhost is ")
    assert "the machine pgLoupe runs on (loopback)" in str(caught.value)
    assert "PGLOUPE_ALLOWED_ADDRESSES" in str(caught.value)
    assert "manage.py up DSN" in str(caught.value)


def test_every_address_of_a_name_is_checked(monkeypatch):
    def both(host, port, **kwargs):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", port, 0, 2)),
        ]

    monkeypatch.setattr(address_policy.socket, "getaddrinfo", both)
    with pytest.raises(AddressRefused, match=r"^db\.example\.com is fe80::1, which is link-local"):
        DEFAULT.checked(settings("db.example.com"), is_trusted=False)


def test_the_checked_address_is_what_is_connected_to(monkeypatch):
    """The name means something else a moment later: nobody asks for it again."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve():
        client, _ = listener.accept()
        heard.append(client.recv(8))
        client.close()

    threading.Thread(target=serve, daemon=True).start()
    policy = AddressPolicy.parse("127.0.0.0/8")
    port = listener.getsockname()[1]
    answers = iter([[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]])
    monkeypatch.setattr(address_policy.socket, "getaddrinfo", lambda *a, **k: next(answers))
    checked = policy.checked(settings("rebinding.invalid", port=port, sslmode="require"), is_trusted=False)
    assert checked.hostaddrs == ("127.0.0.1",)
    assert checked.host == "rebinding.invalid"  # for TLS
    with pytest.raises(ServerUnreachable), connect(checked):  # libpq could not have resolved .invalid
        pass
    assert heard
    listener.close()


def test_a_name_nobody_knows():
    with pytest.raises(ServerUnreachable, match="the host name is not known"):
        DEFAULT.checked(settings("no-such-host.invalid"), is_trusted=False)


def test_a_name_server_that_hangs(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(address_policy.socket, "getaddrinfo", lambda *a, **k: release.wait(IN_VAIN_S) and [])
    monkeypatch.setattr(address_policy, "RESOLVE_TIMEOUT_S", 0.2)
    with pytest.raises(ServerUnreachable, match="not resolved in time"):
        DEFAULT.checked(settings("db.example.com"), is_trusted=False)
    release.set()


@pytest.mark.parametrize(("port", "is_allowed"), [(22, False), (25, False), (443, False), (1024, True), (5432, True)])
def test_ports_of_other_services_are_not_tried(port, is_allowed):
    if is_allowed:
        assert DEFAULT.checked(settings(port=port), is_trusted=False).hostaddrs == ("10.1.2.3",)
    else:
        with pytest.raises(AddressRefused, match=rf"^Port {port} is not among") as caught:
            DEFAULT.checked(settings(port=port), is_trusted=False)
        assert caught.value.field == "port"


def test_ports_that_the_operator_names():
    policy = AddressPolicy.parse(ports="5432, 6000-6002")
    for port in (5432, 6000, 6002):
        policy.checked(settings(port=port), is_trusted=False)
    with pytest.raises(AddressRefused, match="5432, 6000 to 6002; PGLOUPE_ALLOWED_PORTS"):
        policy.checked(settings(port=6003), is_trusted=False)


def test_a_servers_address_is_trusted_when_it_came_by_command():
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "/run/postgresql"):
        given = settings(host, port=22, sslmode="require")
        assert DEFAULT.checked(given, is_trusted=True) is given


def test_a_socket_directory_is_none_for_the_page():
    with pytest.raises(AddressRefused, match="Unix-socket directory"):
        AddressPolicy.parse("default,127.0.0.0/8").checked(settings("/run/postgresql"), is_trusted=False)


@pytest.mark.parametrize("is_trusted", [True, False])
@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
def test_without_tls_only_where_a_network_is_named(sslmode, is_trusted):
    given = settings("10.1.2.3", sslmode=sslmode)
    with pytest.raises(AddressRefused, match="PGLOUPE_ALLOW_PLAINTEXT_TO") as caught:
        DEFAULT.checked(given, is_trusted=is_trusted)
    assert caught.value.field == "sslmode"
    allowed = AddressPolicy.parse(plaintext_to="10.0.0.0/8").checked(given, is_trusted=is_trusted)
    assert (allowed.hostaddrs, allowed.sslmode) == (("10.1.2.3",), sslmode)
    with pytest.raises(AddressRefused):
        AddressPolicy.parse(plaintext_to="10.2.0.0/16").checked(given, is_trusted=is_trusted)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"addresses": "10.0.0.1/8"}, "PGLOUPE_ALLOWED_ADDRESSES: '10.0.0.1/8' is not a network"),
        ({"addresses": "db.example.com"}, "PGLOUPE_ALLOWED_ADDRESSES: 'db.example.com' is not a network"),
        ({"plaintext_to": "all"}, "PGLOUPE_ALLOW_PLAINTEXT_TO: 'all' is not a network"),
        ({"ports": "5432-"}, None),
        ({"ports": "0"}, "PGLOUPE_ALLOWED_PORTS: '0' is not a port or a range"),
        ({"ports": "9-5"}, "PGLOUPE_ALLOWED_PORTS: '9-5' is not a port or a range"),
        ({"ports": "http"}, "PGLOUPE_ALLOWED_PORTS: 'http' is not a port or a range"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(given, message):
    if message is None:
        assert AddressPolicy.parse(**given).ports == (range(5432, 5433),)
        return
    with pytest.raises(BadInput) as caught:
        AddressPolicy.parse(**given)
    assert str(caught.value).startswith(message)
