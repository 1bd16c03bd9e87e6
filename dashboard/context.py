"""What every template may ask."""

from django.conf import settings
from django.http import HttpRequest

from dashboard.permissions import is_operator


def role(request: HttpRequest) -> dict[str, object]:
    """``is_operator``: whether to offer what only operators may do (the views check again)."""
    # A request that is refused before the session is read, for its Host header, has no user.
    return {"is_operator": hasattr(request, "user") and is_operator(request.user)}


def adding(request: HttpRequest) -> dict[str, str]:
    """How a server is added by a command, and where to type it; "" where there is none (a container)."""
    return {"up_command": settings.UP_COMMAND, "up_place": settings.LOGIN_PLACE}
