"""Small lines without axes, as SVG made on the server: attributes only, so the strict policy holds."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.charts.svg import runs

WIDTH, HEIGHT, MARGIN = 120, 28, 2


def sparkline(values: Sequence[float | None], label: str) -> SafeString | str:
    """A line over ``values``, broken where one is None; "" when there is nothing to draw."""
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return ""
    top = max(known) or 1.0
    step = WIDTH / (len(values) - 1)
    parts = []
    for run in runs(list(enumerate(values))):
        points = [(i * step, HEIGHT - MARGIN - v / top * (HEIGHT - 2 * MARGIN)) for i, v in run]
        if len(points) == 1:  # one point is a short dash
            points = [(max(0, points[0][0] - step / 2), points[0][1]), (points[0][0] + step / 2, points[0][1])]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        floor = f"{points[0][0]:.1f},{HEIGHT} {line} {points[-1][0]:.1f},{HEIGHT}"
        parts.append((floor, line))
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        HEIGHT,
        label,
        format_html_join("", '<polygon class="area" points="{}"/><polyline class="line" points="{}"/>', parts),
    )


def since_watched(values: Sequence[float | None]) -> list[float | None]:
    """Without what lies before the first known value: for a window that began before the watching did."""
    first = next((i for i, v in enumerate(values) if v is not None), len(values))
    return list(values[first:])
