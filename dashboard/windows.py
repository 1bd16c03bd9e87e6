"""The span of time a page shows, the same on every page."""

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone

from analyzer.models import Server
from analyzer.store.windows import DEFAULT_SPAN, SPANS, Window


def window_of(request: HttpRequest, server: Server) -> Window:
    """As the address says; else the default, or less for a server that is not watched for as long yet."""
    if request.GET.get("window") in SPANS:
        return Window.from_query(request.GET)
    return Window.last(fitting_span(server.created_at))


def fitting_span(watched_since: datetime) -> str:
    """The shortest span that holds everything since, at most the default."""
    age = timezone.now() - watched_since
    return next((key for key, span in SPANS.items() if age <= span or key == DEFAULT_SPAN), DEFAULT_SPAN)


def choices(window: Window) -> list[tuple[str, bool]]:
    return [(key, key == window.key) for key in SPANS]
