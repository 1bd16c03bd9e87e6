"""Plain rows -> plotly figures with units on their axes; static/js/chart.js draws and colours them."""

import json
from typing import Any

import plotly.graph_objects as go

from analyzer.store.timelines import Timeline

Figure = dict[str, Any]


def server_load(timeline: Timeline) -> Figure | None:
    """Load of a server over time; None when no bucket was measured."""
    return _figure(
        timeline,
        [_line(timeline, "load", "Load", "%{y:.3~g} at once", fill=True)],
        yaxis={"title": {"text": "statements at once"}, "rangemode": "tozero"},
    )


def statement_load(timeline: Timeline) -> Figure | None:
    """A statement's load and the mean time of its calls; None when no bucket was measured or it never ran."""
    if not any(bucket.calls for bucket in timeline.buckets):
        return None
    return _figure(
        timeline,
        [
            _line(timeline, "load", "Load", "%{y:.3~g} at once", fill=True),
            _line(timeline, "mean_exec_time_ms", "Mean time of a call", "%{y:.4~g} ms a call", yaxis="y2"),
        ],
        yaxis={"title": {"text": "statements at once"}, "rangemode": "tozero"},
        yaxis2={
            "title": {"text": "ms a call"},
            "rangemode": "tozero",
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def _line(timeline: Timeline, value: str, name: str, hover: str, *, fill: bool = False, yaxis: str = "y") -> go.Scatter:
    return go.Scatter(
        x=[bucket.at.isoformat(timespec="seconds") for bucket in timeline.buckets],
        y=[_rounded(getattr(bucket, value)) for bucket in timeline.buckets],
        name=name,
        mode="lines" if len(timeline.buckets) > 2 else "lines+markers",
        line={"width": 1.5},
        fill="tozeroy" if fill else None,
        connectgaps=False,
        yaxis=yaxis,
        hovertemplate=hover + "<extra></extra>",
    )


def _figure(timeline: Timeline, lines: list[go.Scatter], **layout: Any) -> Figure | None:
    """Gaps show as breaks of the line and as marks with the reason."""
    if not any(bucket.covered_s for bucket in timeline.buckets):
        return None
    figure = go.Figure(lines)
    figure.update_layout(
        template=None,
        margin={"l": 56, "r": 56 if "yaxis2" in layout else 16, "t": 32 if "legend" in layout else 16, "b": 36},
        hovermode="x unified",
        showlegend="legend" in layout,
        xaxis={
            "type": "date",
            "range": [timeline.buckets[0].at.isoformat(), timeline.buckets[-1].at.isoformat()],
            "showgrid": False,
            "fixedrange": True,
        },
        **layout,
    )
    figure.update_yaxes(fixedrange=True)
    made: Figure = json.loads(figure.to_json())
    return made


def _rounded(value: float | None) -> float | None:
    """Four digits are more than a screen shows; they keep the page small."""
    return None if value is None else float(f"{value:.4g}")
