"""The span of time a page shows, the same on every page: one of a few up to now, or one of its own (from, to)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from analyzer.models import Server
from analyzer.store.series.windows import DEFAULT_SPAN, SPANS, Window

SHORTEST = timedelta(minutes=1)  # two samples of the usual interval
OLDEST = timedelta(days=400)  # what is kept of days, unless set otherwise
FORM = "%Y-%m-%dT%H:%M"  # of <input type=datetime-local>, here in UTC


def window_of(request: HttpRequest, server: Server) -> Window:
    """As the address says; else the default, or less for a server that is not watched for as long yet."""
    own = _own(request.GET.get("from", ""), request.GET.get("to", ""))
    if own is not None:
        return own
    if request.GET.get("window") in SPANS:
        return Window.from_query(request.GET)
    return Window.last(fitting_span(server.created_at))


def _own(start_text: str, end_text: str) -> Window | None:
    """None where the address names no such span; it ends now at the latest."""
    now = timezone.now()
    start, end = _moment(start_text), _moment(end_text) or now
    if start is None:
        return None
    start, end = max(start, now - OLDEST), min(end, now)
    return Window(start, end) if end - start >= SHORTEST else None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text[:25]).replace(tzinfo=UTC)
    except ValueError:
        return None


def fitting_span(watched_since: datetime) -> str:
    """The shortest span that holds everything since, at most the default."""
    age = timezone.now() - watched_since
    return next((key for key, span in SPANS.items() if age <= span or key == DEFAULT_SPAN), DEFAULT_SPAN)


def choices(window: Window) -> list[tuple[str, bool]]:
    return [(key, key == window.key) for key in SPANS]


def in_address(window: Window) -> str:
    """For a link that keeps the span: ``window=24h`` or ``from=...&to=...``."""
    if window.key:
        return f"window={window.key}"
    return urlencode({"from": _form(window.start), "to": _form(window.end)})


def in_words(window: Window) -> str:
    """ "24h", or "2026-11-29 10:00 to 11:30 UTC"."""
    if window.key:
        return window.key
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%Y-%m-%d %H:%M'}} UTC"


def before(window: Window) -> Window:
    """As long as the window, and ending where it begins."""
    return Window(window.start - (window.end - window.start), window.start)


def about(window: Window) -> dict[str, object]:
    """What templates need of it: _windows.html and the links that keep it."""
    return {
        "windows": choices(window),
        "window_name": in_words(window),
        "window_query": in_address(window),
        "window_from": _form(window.start),
        "window_to": _form(window.end),
        "is_own_window": not window.key,
    }


def _form(at: datetime) -> str:
    return at.astimezone(UTC).strftime(FORM)
