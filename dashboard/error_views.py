"""Requests that are refused before a view sees them."""

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        takes_files = request.path == reverse("read_plan")
        context = {"most_kb": settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1000, "takes_files": takes_files}
        return render(request, "413.html", context, status=413)
    return render(request, "400.html", status=400)
