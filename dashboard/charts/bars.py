"""A row of bars as SVG made on the server: attributes only, so the strict policy holds."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.quantities import size

WIDTH, HEIGHT, LABELS, GAP = 560, 120, 22, 6


def bars(values: Sequence[tuple[str, int]]) -> SafeString | str:
    """One bar (bytes) per label, the figure on hover; "" without any. The table beside it says the same in words."""
    top = max((value for _, value in values), default=0)
    if not top:
        return ""
    step = WIDTH / max(7, len(values))
    every = 1 if len(values) <= 7 else 2  # labels that fit
    parts = [
        (
            label,
            size(value),
            f"{i * step + GAP / 2:.1f}",
            f"{HEIGHT - max(1.0, value / top * HEIGHT):.1f}",
            f"{step - GAP:.1f}",
            f"{max(1.0, value / top * HEIGHT):.1f}",
            f"{i * step + step / 2:.1f}",
            HEIGHT + LABELS - 6,
            label.partition(" ")[2] if (len(values) - 1 - i) % every == 0 else "",
        )
        for i, (label, value) in enumerate(values)
    ]
    said = "; ".join(f"{label} {size(value)}" for label, value in values)
    return format_html(
        '<svg class="bars" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        HEIGHT + LABELS,
        f"Bytes written a day: {said}",
        format_html_join(
            "",
            '<g><title>{}: {}</title><rect x="{}" y="{}" width="{}" height="{}" rx="2"/>'
            '<text x="{}" y="{}">{}</text></g>',
            parts,
        ),
    )
