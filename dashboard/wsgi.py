"""The web server's way in."""

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")


def below_prefix(application: Callable[..., Iterable[bytes]], prefix: str) -> Callable[..., Iterable[bytes]]:
    """For a proxy that forwards a path as it is; one that cuts the prefix off needs nothing."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == prefix or path.startswith(f"{prefix}/"):
            environ["PATH_INFO"] = path.removeprefix(prefix) or "/"
        return application(environ, start_response)

    return call


application: Callable[..., Iterable[bytes]] = get_wsgi_application()
if settings.FORCE_SCRIPT_NAME:
    application = below_prefix(application, settings.FORCE_SCRIPT_NAME)
# What was loaded stays for good: without it in sight the collector's full rounds, which hold up a page, are short.
gc.collect()
gc.freeze()
