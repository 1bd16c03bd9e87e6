"""Pages of one server: which it is where none was asked for, and which others can be switched to."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from analyzer.models import Server


def server_asked_for(request: HttpRequest) -> str | None:
    """Its slug, else that of the first by name that is watched; None where there is no server."""
    slugs = list(Server.objects.order_by("-is_active", "name").values_list("slug", flat=True))
    wanted = request.GET.get("server", "")
    return wanted if wanted in slugs else next(iter(slugs), None)


def redirect_to_server(request: HttpRequest, page: str, section: str, title: str) -> HttpResponse:
    """To that page of the server asked for, else of the first by name that is watched, else to none."""
    slug = server_asked_for(request)
    return no_server(request, section, title) if slug is None else redirect(page, slug)


def no_server(request: HttpRequest, section: str, title: str = "") -> HttpResponse:
    """The page that says so; ``title`` where it is not that of statements."""
    return render(request, "dashboard/no_server.html", {"section": section} | ({"title": title} if title else {}))


def server_and_others(slug: str) -> tuple[Server, list[Server]]:
    """The server, else 404, and all that can be chosen, this one too: none where there is no choice. One query."""
    servers = list(Server.objects.order_by("name"))
    server = next((s for s in servers if s.slug == slug), None)
    if server is None:
        raise Http404(slug)
    return server, servers if len(servers) > 1 else []
