"""Whole pages, at 5,000 statements x 30 days at 60 s: time on the server, bytes sent compressed.

Django's test client calls the same code as the web server does; the network and the browser come on top.
"""

import gzip

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from analyzer.store.series.totals import statement_totals
from analyzer.store.series.windows import Window
from bench.measure_pages import history
from bench.results import Context, Result, cpu_ms, median, p95, times_ms

TIMES = 11
WINDOWS = ("1h", "24h", "7d", "30d")


def measure(context: Context) -> list[Result]:
    server, _ = history(context)
    import dashboard.wsgi  # noqa: F401  (as the web server starts)

    user, _ = get_user_model().objects.get_or_create(username="bench", is_superuser=True, is_staff=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    top = statement_totals(server, Window.last("24h"), limit=1).rows[0]
    pages = {
        "overview": reverse("overview"),
        "server": reverse("server", args=[server.slug]),
        "statements": reverse("statements", args=[server.slug]),
        "statements of all servers": reverse("all_statements"),
        "one statement": reverse("statement", args=[server.slug, top.fingerprint]),
        "findings": reverse("findings"),
    }
    results = []
    for name, path in pages.items():
        for window in WINDOWS if name not in ("overview", "findings") else WINDOWS[1:2]:
            response = client.get(path, {"window": window}, follow=True)
            assert response.status_code == 200, (name, response.status_code)
            times = times_ms(lambda p=path, w=window: client.get(p, {"window": w}, follow=True), TIMES)  # type: ignore[misc]
            cpu = cpu_ms(lambda p=path, w=window: client.get(p, {"window": w}, follow=True))  # type: ignore[misc]
            label = f"{name}, {window}: {cpu:.0f} ms of processor, median {median(times):.0f} ms, p95"
            results.append(Result(label, p95(times), "ms", 200))
            results.append(Result("  sent, compressed", len(gzip.compress(response.content)) / 1000, "kB", 300))
    return results
