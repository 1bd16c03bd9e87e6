"""The log reader: a server's log that a person uploads, its dearest statements and what is wrong with their plans.

It is read in this process and forgotten with the answer, unless an operator chooses a server to keep plans and values
for.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from analyzer.checks import AS_THEY_COME
from analyzer.logs.entries import blocks_of
from analyzer.logs.line_prefix import MOST_PREFIX, TOO_LONG
from analyzer.logs.read_log import read_log as read_blocks
from analyzer.models import Server
from analyzer.reports.log_report import log_report
from analyzer.store.check_rules import rules_of
from analyzer.store.logs import keep_log
from analyzer.words.sizes import MB, size_words
from dashboard.people import audit_log as audit
from dashboard.permissions import is_operator, viewer_required

MOST_BYTES = 64 * MB
MOST_UNPACKED_BYTES = 256 * MB  # about ten seconds; a larger log is for the command
SHOWN = 20


@viewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def read_log(request: HttpRequest) -> HttpResponse:
    servers = list(Server.objects.order_by("name")) if is_operator(request.user) else []
    context: dict[str, Any] = {"section": "statements", "servers": servers, "most": size_words(MOST_BYTES)}
    if request.method != "POST":
        return render(request, "dashboard/read_log.html", context)
    chosen = request.POST.get("server", "")
    if chosen and not is_operator(request.user):
        raise PermissionDenied("Only operators may keep what a log says. Ask one of them, or ask to become one.")
    server = next((each for each in servers if each.slug == chosen), None)
    context |= {"server": server, "prefix": request.POST.get("prefix", "")}
    upload = request.FILES.get("log")
    context["problem"] = problem = _problem(upload, context["prefix"])
    if problem or upload is None or upload.file is None:
        return render(request, "dashboard/read_log.html", context, status=422)
    reading = read_blocks(_first(blocks_of(upload.file), MOST_UNPACKED_BYTES), context["prefix"] or None)
    rules = rules_of(server) if server else AS_THEY_COME
    context["report"] = log_report(reading.totals, SHOWN, cut=reading.cut, has_unread=reading.has_unread, rules=rules)
    context["read"] = size_words(reading.read_bytes)
    context["is_part"] = reading.read_bytes >= MOST_UNPACKED_BYTES
    if server is not None:
        context["kept"] = kept = keep_log(server, reading.totals, now=timezone.now())
        audit.record(request, "log_kept", server.name, plans=kept.plans, values=kept.values)
    return render(request, "dashboard/read_log.html", context)


def _problem(upload: "UploadedFile[Any] | None", prefix: str) -> str:
    if len(prefix) > MOST_PREFIX:
        return TOO_LONG
    if upload is None or not upload.size:
        return "Choose a file with a log."
    if upload.size > MOST_BYTES:
        return f"{upload.name} is larger than {size_words(MOST_BYTES)}: the command read_log reads any size."
    return ""


def _first(blocks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """A packed file may hold a thousand times its size."""
    for block in blocks:
        yield block[:most_bytes]
        most_bytes -= len(block)
        if most_bytes <= 0:
            return
