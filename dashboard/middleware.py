"""What holds for every page: a login, its content security policy, that nobody keeps a copy, sessions, NULs."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse

from dashboard.people import login_sessions
from dashboard.permissions import PUBLIC

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
# For the plan viewer alone, which the statement page shows in a frame.
POLICY_IN_OWN_FRAME = POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")


class ContentSecurityPolicy:
    """Nothing inline, nothing from elsewhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class NoStore:
    """No cache keeps a page, a browser's neither: after a logout the back button shows none. Static files pass by."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class SignInRequired(LoginRequiredMiddleware):
    """A new view is nobody's who has not logged in, unless its URL's name is in ``PUBLIC``."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.resolver_match is not None and request.resolver_match.view_name in PUBLIC:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class RefreshAfterLogout:
    """A part of a page that refreshes itself after the session ended: the whole page goes to the login."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_redirect = response.status_code == 302 and response.headers["Location"].startswith(reverse("login"))
        if request.headers.get("HX-Request") and is_redirect:
            return HttpResponse(status=204, headers={"HX-Redirect": reverse("login")})
        return response


class SeenSession:
    """Keeps when a session was last used, for its owner's list."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            login_sessions.touch(request)
        return self.get_response(request)


class NoNul:
    """PostgreSQL's texts hold no NUL: a path with one is nobody's, a form with one none of ours.

    Behind the question mark what cannot be read counts as absent, so there it is taken out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> None:
        if "\0" in request.path_info:
            raise Http404("NUL")
        if _holds_nul(request.GET):
            request.GET = QueryDict(
                urlencode([(name, value.replace("\0", "")) for name, values in request.GET.lists() for value in values])
            )
        if request.method == "POST" and _holds_nul(request.POST):
            raise BadRequest("NUL")


def _holds_nul(query: QueryDict) -> bool:
    return any("\0" in name or any("\0" in value for value in values) for name, values in query.lists())
