"""The audit log: what operators did, when, to what and from where. A trigger refuses to change or delete its rows."""

from django.http import HttpRequest

from dashboard.models import AuditEntry
from dashboard.people.client_address import address_of


def record(request: HttpRequest, action: str, subject: str = "", **details: object) -> None:
    """Keep one action of the logged-in person: ``record(request, "server_added", server.name, host=server.host)``.

    Never hand over a secret; ``details`` must be JSON.
    """
    write(request, request.user.get_username() if request.user.is_authenticated else "", action, subject, details)


def write(request: HttpRequest, user_name: str, action: str, subject: str, details: dict[str, object]) -> None:
    AuditEntry.objects.create(
        user_name=user_name[:150],
        address=address_of(request),
        action=action[:60],
        subject=_plain(subject)[:300],
        details={key: _plain(value) if isinstance(value, str) else value for key, value in details.items()},
    )
    request.is_audited = True  # type: ignore[attr-defined]


def record_unless_recorded(request: HttpRequest) -> None:
    """For operator views that do not say themselves what they did: the URL's name and arguments."""
    if getattr(request, "is_audited", False):
        return
    match = request.resolver_match
    action = (match.view_name if match else "") or request.path[:60]
    arguments = {name: str(value) for name, value in match.kwargs.items()} if match else {}
    record(request, action, ", ".join(arguments.values()))


def _plain(text: str) -> str:
    return text.replace("\0", "")  # PostgreSQL's text cannot hold it
