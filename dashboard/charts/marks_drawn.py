"""Marks on a chart's time axis: for the drawing (svg.py) and for plotly."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import escape

from dashboard.charts.marks import MarkGroup
from dashboard.charts.scale import TimeAxis
from dashboard.charts.svg import PlacedMark


def placed_marks(marks: Sequence[MarkGroup], times: TimeAxis) -> list[PlacedMark]:
    return [
        PlacedMark(times.place(_within(group, times)), group.number, "\n".join(group.lines), group.kind)
        for group in marks
    ]


def mark_shapes(marks: Sequence[MarkGroup], times: TimeAxis) -> list[dict[str, Any]]:
    """plotly's lines; a name is that of a colour."""
    shapes = []
    for group in marks:
        at = _iso(_within(group, times))
        line = {"width": 1, "dash": "dot"}
        shape = {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        shapes.append({**shape, "name": "deploy"} if group.kind == "deploy" else shape)
    return shapes


def mark_numbers(marks: Sequence[MarkGroup], times: TimeAxis) -> list[dict[str, Any]]:
    """plotly's annotations, whose text is taken for HTML."""
    return [
        {
            "x": _iso(_within(group, times)), "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False,
            "text": str(group.number), "font": {"size": 11}, "borderpad": 0,
            "hovertext": "<br>".join(str(escape(line)) for line in group.lines),
        }
        for group in marks
    ]  # fmt: skip


def _within(group: MarkGroup, times: TimeAxis) -> datetime:
    """A chart's first and last bucket may be cut: no number of the list is missing on it."""
    return min(max(group.at, times.start), times.end)


def _iso(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")
