"""Where one is logged in, and the end of it."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from dashboard.people import login_sessions
from dashboard.permissions import viewer_required


@viewer_required
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    rows = [
        {
            "session": s,
            "device": login_sessions.device_of(s.user_agent),
            "is_this": s.session_id == request.session.session_key,
        }
        for s in login_sessions.sessions_of(cast(User, request.user))
    ]
    rows.sort(key=lambda row: not row["is_this"])  # this one first, then as they came: the newest first
    return render(request, "dashboard/sessions.html", {"section": "account", "rows": rows})


@viewer_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """One session of the person's own; another's is none of theirs (it just is not found)."""
    if login_sessions.end(cast(User, request.user), only=pk, but_key=request.session.session_key):
        messages.success(request, "That session has ended.")
    return redirect("sessions")


@viewer_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    count = login_sessions.end(cast(User, request.user), but_key=request.session.session_key)
    messages.success(request, f"{count} other session{'' if count == 1 else 's'} ended.")
    return redirect("sessions")
