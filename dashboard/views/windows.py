"""The choice of a span of time, the same on every page."""

from analyzer.store.windows import SPANS, Window


def choices(window: Window) -> list[tuple[str, bool]]:
    return [(key, key == window.key) for key in SPANS]
