"""Who may do what: everybody with a login is a viewer, operators may also change things.

Every view needs a login (``dashboard.middleware.SignInRequired``) but those in ``PUBLIC``. Decorate every view with one
of the two roles (outermost), or list its name in ``PUBLIC``; tests/dashboard/test_permissions.py walks the URL table
and fails for a view that is neither. What changes only a person's own settings is a viewer's.

A POST that an operator view answers with a status under 400 is written to the audit log. A view says what it did with
``dashboard.people.audit_log.record(request, "server_added", server.name)``; without, the URL's name and arguments
are kept.
So a form that changed nothing answers 422, not 200.

A role is membership in the Django group of that name (made by a migration); a superuser is an operator.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from dashboard.people import audit_log as audit

VIEWER, OPERATOR = "viewer", "operator"
ROLES = (VIEWER, OPERATOR)

# URLs that need no login; each has its own guard: a password, a one-time token, a signature.
PUBLIC = frozenset(
    {
        "login",
        "login_once",
        "logout",
        "invitation",
        "password_reset",
        "password_reset_sent",
        "password_reset_confirm",
        "report_unsubscribe",
    }
)

View = Callable[..., HttpResponseBase]


def is_operator(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Asked of the store once per request at most (``dashboard.backends`` reads it together with the user)."""
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_superuser:
        return True
    known: bool | None = getattr(user, "in_operators", None)
    if known is None:
        known = user.groups.filter(name=OPERATOR).exists()
        user.in_operators = known  # type: ignore[attr-defined]
    return known


def viewer_required(view: View) -> View:
    """Whoever is logged in."""
    view.required_role = VIEWER  # type: ignore[attr-defined]
    return view


def operator_required(view: View) -> View:
    """Operators only: a viewer is told so (403). What a POST did is kept in the audit log."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_operator(request.user):
            raise PermissionDenied("Only operators may do this. Ask one of them, or ask to become one.")
        response = view(request, *args, **kwargs)
        if request.method == "POST" and response.status_code < 400:
            audit.record_unless_recorded(request)
        return response

    guarded.required_role = OPERATOR  # type: ignore[attr-defined]
    return guarded
