"""A chart as SVG made on the server: attributes and classes only, so the strict policy and both schemes hold.

The plot stretches with the page (its lines keep their width); the axes are pictures of their own whose words
stand at percentages, so that they do not stretch. static/css/chart.css puts them side by side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.charts.scale import Tick

SIZE = 1000  # of the plot's own coordinates, both ways
FEW = 3  # points that are each marked
Point = tuple[float, float | None]  # 0 to 1 along the axes, y upwards; None breaks the line


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """``position``: 0 to 1 along the time axis. ``kind``: of static/css/chart.css."""

    position: float
    number: int
    description: str
    kind: str


def drawn(
    lines: Sequence[tuple[Sequence[Point], bool]],
    times: Sequence[Tick],
    left: Sequence[Tick],
    right: Sequence[Tick] = (),
    marks: Sequence[PlacedMark] = (),
) -> SafeString:
    """``lines``: points, and whether the area below is filled. ``right``: a second axis for the second line."""
    drawn_lines = format_html_join("", "{}", ((_line(points, i, fill),) for i, (points, fill) in enumerate(lines, 1)))
    return framed(drawn_lines, times, left, right, marks)


def framed(
    plot: SafeString,
    times: Sequence[Tick],
    left: Sequence[Tick],
    right: Sequence[Tick] = (),
    marks: Sequence[PlacedMark] = (),
) -> SafeString:
    """``plot``: what is drawn over the grid, in coordinates of SIZE; ``marks`` stand over it, their numbers above."""
    plot += format_html_join(
        "", '<path class="mark {}" d="M{} 0V{}"/>', ((mark.kind, _x(mark.position), SIZE) for mark in marks)
    )
    numbers = format_html_join(
        "",
        '<text class="{}" x="{}%" y="-3" text-anchor="middle"><title>{}</title>{}</text>',
        ((mark.kind, f"{100 * mark.position:.2f}", mark.description, mark.number) for mark in marks),
    )
    parts = [
        format_html(
            '<svg class="chart-plot" viewBox="0 0 {0} {0}" preserveAspectRatio="none" aria-hidden="true">{1}{2}</svg>',
            SIZE,
            format_html_join(
                "",
                '<path class="{}" d="M0 {}H{}"/>',
                (("grid" if t.at else "floor", place_y(t.at), SIZE) for t in left),
            ),
            plot,
        ),
        format_html('<svg class="chart-marks" aria-hidden="true">{}</svg>', numbers) if marks else "",
        _amounts("chart-left", left, "100%", -8, "end"),
        _amounts("chart-right", right, "0", 8, "start") if right else "",
        format_html(
            '<svg class="chart-times" aria-hidden="true">{}</svg>',
            format_html_join(
                "",
                '<line class="{1}" x1="{0}%" x2="{0}%" y1="0" y2="4"/><text class="{1}" x="{0}%" y="18"'
                ' text-anchor="middle">{2}</text>',
                ((f"{100 * t.at:.2f}", "major" if t.is_major else "minor", t.label) for t in times),
            ),
        ),
    ]
    return format_html_join("", "{}", ((part,) for part in parts))


def _amounts(name: str, ticks: Iterable[Tick], x: str, dx: int, anchor: str) -> SafeString:
    return format_html(
        '<svg class="{}" aria-hidden="true">{}</svg>',
        name,
        format_html_join(
            "",
            '<text x="{}" y="{}%" dx="{}" dy="4" text-anchor="{}">{}</text>',
            ((x, f"{100 - 100 * t.at:.2f}", dx, anchor, t.label) for t in ticks),
        ),
    )


def _line(points: Sequence[Point], number: int, fill: bool) -> SafeString:
    """Runs of known points; one that stands alone is a dot."""
    areas, strokes, dots = [], [], []
    drawn = runs(points)
    are_few = sum(map(len, drawn)) <= FEW
    for run in drawn:
        steps = " ".join(f"{_x(x)} {place_y(y)}" for x, y in run)
        if len(run) == 1 or are_few:
            dots.append("".join(f"M{_x(x)} {place_y(y)}h0" for x, y in run))
        if len(run) > 1:
            strokes.append(f"M{steps}")
            areas.append(f"M{_x(run[0][0])} {SIZE}L{steps}V{SIZE}Z")
    paths = [("area", areas if fill else []), ("line", strokes), ("dot", dots)]
    return format_html_join(
        "", '<path class="{} line-{}" d="{}"/>', ((kind, number, "".join(d)) for kind, d in paths if d)
    )


def runs(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """Points without a break between them."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            parts.append([])
        else:
            parts[-1].append((x, y))
    return [run for run in parts if run]


def _x(place: float) -> str:
    return f"{SIZE * place:.1f}".removesuffix(".0")


def place_y(place: float) -> str:
    return f"{SIZE * (1 - place):.1f}".removesuffix(".0")
