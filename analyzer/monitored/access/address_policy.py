"""Which addresses a server that was added on the page may have: whoever may add one must not get further than that.

A person with the form could otherwise let pgLoupe talk to what only the machine it runs on reaches: itself, the
cloud's metadata service, a router. So a name is resolved once, every address is checked, and libpq then connects to the
checked ones (``hostaddr``), with the name for TLS. Servers added by a command (``manage.py up DSN``) come from
whoever runs pgLoupe: their addresses are trusted, unencrypted connections are not.
"""

import ipaddress
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.errors import BadInput, ServerUnreachable
from analyzer.monitored.connection_settings import (
    WEAK_SSLMODES,
    ConnectionSettings,
    is_socket_directory,
    plaintext_refused,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = "the machine pgLoupe runs on (loopback)"
DEFAULT = "default"  # in PGLOUPE_ALLOWED_ADDRESSES: everything but SPECIAL
# IANA's special-purpose registries (RFC 6890); metadata services as AWS, Azure, Google and Alibaba document them
SPECIAL: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (name, tuple(ipaddress.ip_network(text) for text in texts))
    for name, texts in (
        ("a cloud's metadata service", ("169.254.169.254/32", "169.254.170.2/32", "168.63.129.16/32",
                                        "100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::254/128")),
        (LOOPBACK, ("127.0.0.0/8", "::1/128")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("no address of a machine (unspecified)", ("0.0.0.0/8", "::/128")),
        ("reserved", ("240.0.0.0/4", "192.0.0.0/24", "100::/64")),
    )
)  # fmt: skip
DEFAULT_AND_LOOPBACK = f"{DEFAULT},127.0.0.0/8,::1/128"
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")
# Below 1024 stand SSH, mail and web servers; PostgreSQL and its poolers use 5432, 6432, 6543, 25060 and the like.
DEFAULT_PORTS = "1024-65535"
DEFAULT_PLAINTEXT = "127.0.0.0/8,::1/128"
RESOLVE_TIMEOUT_S = 5.0
# Every address is checked; so many are tried, each for connect_timeout.
MOST_TRIED = 3


class AddressRefused(BadInput):
    """``field`` of the form that has to change: host, port or sslmode."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """``allowed`` networks; with ``allows_default`` also everything outside SPECIAL. ``plaintext_to``: without TLS."""

    allowed: tuple[Network, ...]
    allows_default: bool
    ports: tuple[range, ...]
    plaintext_to: tuple[Network, ...]

    @classmethod
    def parse(cls, addresses: str = "", ports: str = "", plaintext_to: str = "") -> "AddressPolicy":
        """From PGLOUPE_ALLOWED_ADDRESSES, PGLOUPE_ALLOWED_PORTS and PGLOUPE_ALLOW_PLAINTEXT_TO; BadInput says which."""
        words = _words(addresses) or [DEFAULT]
        return cls(
            tuple(_network(word, "PGLOUPE_ALLOWED_ADDRESSES") for word in words if word != DEFAULT),
            DEFAULT in words,
            tuple(_ports(word) for word in _words(ports or DEFAULT_PORTS)),
            tuple(
                _network(word, "PGLOUPE_ALLOW_PLAINTEXT_TO")
                for word in _words(",".join((DEFAULT_PLAINTEXT, plaintext_to)))
            ),
        )

    def checked(self, settings: ConnectionSettings, *, is_trusted: bool) -> ConnectionSettings:
        """The same with the addresses to connect to; AddressRefused or ServerUnreachable (an unknown name) else.

        ``is_trusted``: added by a command, so only a connection without TLS is looked at.
        """
        is_weak = settings.sslmode in WEAK_SSLMODES
        if is_trusted and (not is_weak or settings.is_local):
            return settings  # libpq resolves the name
        if is_socket_directory(settings.host):
            raise AddressRefused(
                "A Unix-socket directory is not allowed as host here; give a host name or address", "host"
            )
        if not is_trusted and not any(settings.port in ports for ports in self.ports):
            raise AddressRefused(
                f"Port {settings.port} is not among those allowed here"
                f" ({', '.join(_port_text(ports) for ports in self.ports)}; PGLOUPE_ALLOWED_PORTS)",
                "port",
            )
        addresses = resolve(settings)
        if not is_trusted:
            for address in addresses:
                self._check(settings.host, address)
        if is_weak:
            self._check_plaintext(settings, addresses)
        tried = tuple(str(address) for address in addresses[:MOST_TRIED])
        return replace(settings, hostaddrs=tried, is_plaintext_checked=is_weak)

    def why_refused(self, address: Address) -> str:
        """What the address is that the policy refuses; an empty text where it allows it."""
        forms = list(_forms(address))
        # A wide network such as 0.0.0.0/0 does not mean the metadata service: special ones are named as such.
        for name, networks in SPECIAL:
            for special in networks:
                if any(_is_in(form, special) for form in forms) and not any(
                    _is_in(form, one) and _is_within(one, special) for form in forms for one in self.allowed
                ):
                    return name
        if self.allows_default or any(_is_in(forms[0], network) for network in self.allowed):
            return ""
        return "outside the networks allowed here"

    def _check(self, host: str, address: Address) -> None:
        reason = self.why_refused(address)
        if not reason:
            return
        what = str(address) if host == str(address) else f"{host[:100]} is {address}, which"
        why = ""
        if reason == LOOPBACK:
            why = " They may where pgLoupe listens on loopback only, with no proxy. In a container it is the container."
        raise AddressRefused(
            f"{what} is {reason}. Servers added on this page may not be there, unless whoever runs pgLoupe names the"
            f" network in PGLOUPE_ALLOWED_ADDRESSES, or adds the server in the terminal: manage.py up DSN.{why}",
            "host",
        )

    def _check_plaintext(self, settings: ConnectionSettings, addresses: list[Address]) -> None:
        for address in addresses:
            form = next(_forms(address))
            if not any(_is_in(form, network) for network in self.plaintext_to):
                where = settings.host if settings.host == str(address) else f"{settings.host[:100]} ({address})"
                raise AddressRefused(plaintext_refused(settings.sslmode, where), "sslmode")


def resolve(settings: ConnectionSettings) -> list[Address]:
    """All addresses of the host, in the system's order of preference; ServerUnreachable when there is none in time."""
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            addresses = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
            # A zone (fe80::1%eth0) is cut off: it changes nothing about what the address is.
            answers.put(
                list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in addresses))
            )
        except (OSError, UnicodeError, ValueError) as error:
            answers.put(error)

    # getaddrinfo knows no timeout of its own
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=RESOLVE_TIMEOUT_S)
    except queue.Empty:
        raise ServerUnreachable(settings.address, "its name was not resolved in time; is the DNS reachable?") from None
    if isinstance(answer, Exception) or not answer:
        raise ServerUnreachable(settings.address, "the host name is not known; check its spelling")
    return answer


def _forms(address: Address) -> Iterator[Address]:
    """What the address means to the kernel first, then the IPv4 addresses that a gateway may make of it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in NAT64 or (address in COMPATIBLE and int(address) > 0xFFFF):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _is_within(network: Network, outer: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and network.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and network.subnet_of(outer)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _network(word: str, setting: str) -> Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError:
        raise BadInput(f"{setting}: {word!r} is not a network such as 10.0.0.0/8 or fd00::/8") from None


def _ports(word: str) -> range:
    first, _, last = word.partition("-")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or ports[0] < 1 or ports[-1] > 65535:
        raise BadInput(f"PGLOUPE_ALLOWED_PORTS: {word!r} is not a port or a range such as 5432 or 6000-6999")
    return ports


def _port_text(ports: range) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"
