"""The curve of gain against megabytes: what each budget buys, as an SVG and as the plotly figure to read values in."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.safestring import SafeString

from analyzer.words.sizes import MB
from dashboard.charts.charts import Figure
from dashboard.charts.scale import Tick, amount_axis
from dashboard.charts.svg import drawn
from dashboard.indexes.index_plan import Point
from dashboard.templatetags.quantities import percent, size


@dataclass(frozen=True, slots=True)
class Curve:
    """``figure`` for plotly, ``svg`` for the page, ``sentence`` and the points for those who do not see it.

    ``places``: of each point along the two axes, 0 to 1, for the mark that follows the slider.
    """

    figure: Figure
    svg: SafeString
    sentence: str
    places: list[tuple[str, str]]


def gain_curve(points: Sequence[Point], chosen: Point) -> Curve | None:
    """Steps from 0 on: between two budgets the smaller set is all that fits. None where nothing is to be gained."""
    if not points or points[-1].size_bytes <= 0:
        return None
    across = amount_axis(max(p.size_bytes for p in points) / MB)
    up = amount_axis(max(100 * max(p.gain_ratio for p in points), 1.0))
    known = [(0.0, 0.0), *((p.size_bytes / MB, max(0.0, 100 * p.gain_ratio)) for p in points)]
    steps = [known[0]]
    for (_, before), (x, y) in pairwise(known):
        steps += [(x, before), (x, y)]
    steps.append((across.top, known[-1][1]))
    placed = [(across.place(x), up.place(y)) for x, y in steps]
    places = [(across.place(x), up.place(y)) for x, y in known[1:]]
    x, y = known[1 + chosen.number]
    figure: Figure = {
        "data": [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [_rounded(x) for x, _ in known],
                "y": [_rounded(y) for _, y in known],
                "line": {"width": 1.5, "shape": "hv"},
                "marker": {"size": 5},
                "fill": "tozeroy",
                "name": "Saved",
                "hovertemplate": "%{x:.4~g} MB: %{y:.3~g} % saved<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": [_rounded(x)],
                "y": [_rounded(y)],
                "marker": {"size": 11},
                "cliponaxis": False,
                "name": "Chosen",
                "hoverinfo": "skip",
            },
        ],
        "layout": {
            "hovermode": "closest",
            "showlegend": False,
            "xaxis": {**_axis(across.top, across.ticks), "showgrid": False},
            "yaxis": {**_axis(up.top, up.ticks), "fixedrange": True},
        },
        "narrow": list(range(0, len(across.ticks), 2)),
    }
    return Curve(
        figure=figure,
        svg=drawn(
            [(placed, True), ([(across.place(x), up.place(y))], False)],
            [Tick(t.at, t.label, is_major=i % 2 == 0) for i, t in enumerate(across.ticks)],
            up.ticks,
        ),
        sentence=_sentence(points),
        places=[(f"{1000 * x:.1f}", f"{1000 * (1 - y):.1f}") for x, y in places],
    )


def _axis(top: float, ticks: Sequence[Tick]) -> Figure:
    return {
        "range": [0, top],
        "tickmode": "array",
        "tickvals": [tick.at * top for tick in ticks],
        "ticktext": [tick.label for tick in ticks],
        "tickangle": 0,
    }


def _sentence(points: Sequence[Point]) -> str:
    first, last = points[0], points[-1]
    if first is last:
        return f"{last.words}."
    return (
        f"From {size(first.size_bytes)} for {percent(first.gain_ratio)} to {size(last.size_bytes)}"
        f" for {percent(last.gain_ratio)} of the planned cost."
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
