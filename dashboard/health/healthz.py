"""``/healthz`` for load balancers and containers: ``ok`` or ``unavailable``, nothing else, without a login.

A middleware before all others, because probes name the machine by its address, which ALLOWED_HOSTS refuses. Sampling is
not asked about: pages are served without it, and restarting the web would not bring it back.
"""

import functools
import logging
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

PATH = "/healthz"


class Healthz:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != PATH:
            return self.get_response(request)
        is_well = has_static_files() and has_store()
        return HttpResponse(
            "ok\n" if is_well else "unavailable\n",
            status=200 if is_well else 503,
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )


def has_static_files() -> bool:
    if (Path(settings.STATIC_ROOT) / "css/tokens.css").exists():
        return True
    return bool(settings.WHITENOISE_USE_FINDERS) and finders.find("css/tokens.css") is not None


def has_store() -> bool:
    """The store answers and has all migrations this code knows; newer ones, of an upgrade under way, do no harm."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from django_migrations where (app, name) in"
                " (select * from unnest(%s::text[], %s::text[]))",
                [[app for app, _ in _leaves()], [name for _, name in _leaves()]],
            )
            (applied,) = cursor.fetchone()
            return bool(applied == len(_leaves()))
    except Error as error:
        logger.warning("the store does not answer: %s", type(error).__name__)
        connection.close()
        return False


@functools.cache
def _leaves() -> list[tuple[str, str]]:
    """The newest migration of each app, from the files."""
    return [(app, name) for app, name in MigrationLoader(None).graph.leaf_nodes()]
