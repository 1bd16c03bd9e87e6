"""What every template may ask."""

from django.http import HttpRequest

from dashboard.permissions import is_operator


def role(request: HttpRequest) -> dict[str, object]:
    """``is_operator``: whether to offer what only operators may do (the views check again)."""
    # A request that is refused before the session is read, for its Host header, has no user.
    return {"is_operator": hasattr(request, "user") and is_operator(request.user)}
