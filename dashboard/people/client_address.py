"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The client's address, "" where there is none (a Unix socket).

    ``X-Forwarded-For`` is believed only as far as our own proxies wrote it (PGLOUPE_TRUSTED_PROXIES, 1 behind TLS):
    each appends whom it heard from, and what stands left of that the client may have made up.
    """
    heard_from = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    heard_from.append(request.META.get("REMOTE_ADDR", ""))
    address = heard_from[max(0, len(heard_from) - 1 - settings.TRUSTED_PROXIES)]
    try:
        return str(ip_address(address))
    except ValueError:
        return ""


def network_of(address: str) -> str:
    """What a rate limit counts by: an IPv6 customer has a whole /64 to himself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)
