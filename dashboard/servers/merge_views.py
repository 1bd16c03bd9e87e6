"""Two watched servers that are one: keeping this one with the databases of the other, which is removed."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from analyzer.errors import BadInput
from analyzer.models import Server
from analyzer.steps import schedule
from analyzer.store import servers as store
from analyzer.store.same_server import merge, merging, watched_as_well
from analyzer.words.visible import visible_line
from dashboard.people import audit_log as audit
from dashboard.permissions import operator_required


@operator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def merge_server(request: HttpRequest, server: str, other: str) -> HttpResponse:
    """GET says what comes and what goes; POST does it. 404 where nothing proves any more that they are one server."""
    kept = get_object_or_404(Server, slug=server)
    gone = next((found for found in watched_as_well(kept) if found.slug == other), None)
    if gone is None:
        raise Http404
    if request.method == "POST":
        try:
            came = merge(kept, gone)
        except BadInput:  # somebody else merged or paused one of them meanwhile
            raise Http404 from None
        schedule.make_due_now(kept, "snapshot", "schema", now=timezone.now())
        audit.record(request, "servers_merged", kept.name, removed=gone.name, databases=came)
        looked_into = f"looked into under {kept.name} from now on: {', '.join(map(visible_line, came))}" if came else ""
        said = f"{gone.name} is removed; {looked_into or 'no database came with it'}."
        messages.success(request, said)
        return redirect("server", kept.slug)
    context = {
        "section": "servers",
        "server": kept,
        "other": gone,
        "stored": store.stored_counts(gone),
        "merging": merging(kept, gone),
    }
    return render(request, "dashboard/server_merge.html", context)
