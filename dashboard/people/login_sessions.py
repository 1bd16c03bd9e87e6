"""A person's sessions: known from the login on, listed for their owner, ended one by one or all but one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from dashboard.models import KnownSession
from dashboard.people.client_address import address_of

SEEN_EVERY = timedelta(minutes=5)  # a page view writes at most this often
_SEEN = "seen_at"


@receiver(user_logged_in, dispatch_uid="dashboard.people.login_sessions.remember")
def _on_login(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    remember(request, user)


def remember(request: HttpRequest, user: User) -> None:
    """Keep what the owner needs to recognise the session by. Also after its key changed (a new password)."""
    now = timezone.now()
    request.session[_SEEN] = now.timestamp()
    request.session.save()  # makes the key where there is none yet
    Session.objects.filter(known__user=user, expire_date__lt=now).delete()
    KnownSession.objects.update_or_create(
        session_id=request.session.session_key,
        defaults={"user": user, "seen_at": now, "address": address_of(request), "user_agent": _agent(request)},
    )


def touch(request: HttpRequest) -> None:
    """The session was used now; written to five minutes' precision, so most page views write nothing."""
    now, seen_at = timezone.now(), request.session.get(_SEEN)
    if seen_at is not None and now - datetime.fromtimestamp(seen_at, tz=UTC) < SEEN_EVERY:
        return
    request.session[_SEEN] = now.timestamp()  # kept with the response
    known = KnownSession.objects.filter(session_id=request.session.session_key)
    is_known = known.update(seen_at=now, address=address_of(request), user_agent=_agent(request))
    if not is_known and isinstance(request.user, User):  # it is older than the list of sessions
        remember(request, request.user)


def sessions_of(user: User) -> list[KnownSession]:
    return list(KnownSession.objects.filter(user=user, session__expire_date__gt=timezone.now()).order_by("-seen_at"))


def end(user: User, *, only: int | None = None, but_key: str | None = None) -> int:
    """End the user's sessions (only one of them; all but the one with this key). How many there were."""
    wanted = KnownSession.objects.filter(user=user)
    if only is not None:
        wanted = wanted.filter(pk=only)
    if but_key is not None:
        wanted = wanted.exclude(session_id=but_key)
    keys = list(wanted.values_list("session_id", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)


_SYSTEMS = (("iPhone|iPad", "iOS"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip
_BROWSERS = (("Edg/|EdgA/", "Edge"), ("OPR/", "Opera"), ("Firefox/|FxiOS/", "Firefox"), ("SamsungBrowser/", "Samsung"),
             ("Chrome/|CriOS/|Chromium/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip


def device_of(user_agent: str) -> str:
    """``Firefox on Linux``: enough to tell one's phone from one's desk. Unknown programs by their first word."""
    browser = next((name for pattern, name in _BROWSERS if re.search(pattern, user_agent)), "")
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, user_agent)), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or user_agent.split(" ")[0].split("/")[0][:40] or "Unknown device"


def _agent(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_USER_AGENT", "")).replace("\0", "")[:300]
