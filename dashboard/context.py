"""What every template may ask."""

from django.http import HttpRequest

from dashboard.permissions import is_operator


def role(request: HttpRequest) -> dict[str, object]:
    """``is_operator``: whether to offer what only operators may do (the views check again)."""
    return {"is_operator": is_operator(request.user)}
