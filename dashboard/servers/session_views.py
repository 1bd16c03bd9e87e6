"""The sessions of a server at this moment, on a page that refreshes itself."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from analyzer.errors import PgLoupeError
from analyzer.models import Server, Statement
from analyzer.questions.sessions_now import SessionsNow, sessions_now
from analyzer.store.series.activity import last_look
from dashboard.permissions import viewer_required


@viewer_required
@require_GET
def server_sessions(request: HttpRequest, server: str) -> HttpResponse:
    """The whole page, or for the script, which asks every few seconds, what changes."""
    watched = get_object_or_404(Server, slug=server)
    name = "_sessions_now" if request.headers.get("HX-Request") == "true" else "server_sessions"
    return render(request, f"dashboard/{name}.html", {"section": "servers", "server": watched, **_context(watched)})


def _context(server: Server) -> dict[str, Any]:
    if not server.is_active:
        return {"problem": "It is paused: nothing is read from it.", "last": last_look(server)}
    try:
        now = sessions_now(server)
    except PgLoupeError as error:
        return {"problem": str(error), "last": last_look(server)}
    limits = now.standing.limits if now.standing else None
    usable = limits.max_connections - limits.reserved_connections if limits else None
    return {
        "now": now,
        "limits": limits,
        "usable": usable,
        "taken_ratio": limits.client_sessions / usable if limits and usable and limits.client_sessions else None,
        "texts": _texts(server, now),
    }


def _texts(server: Server, now: SessionsNow) -> dict[str, str]:
    """Statements by fingerprint, as they are kept: without values."""
    sessions = [
        *(tree.root for tree in now.trees),
        *(blocked.session for tree in now.trees for blocked in tree.blocked),
        *(transaction.session for transaction in now.transactions),
    ]
    wanted: Iterable[str] = {s.fingerprint for s in sessions if s is not None and s.fingerprint}
    return dict(
        Statement.objects.filter(server=server, fingerprint__in=wanted).values_list("fingerprint", "normalized_sql")
    )
