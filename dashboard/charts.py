"""Plain rows -> plotly figures with units on their axes; static/js/chart.js draws and colours them."""

import json
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from analyzer.store.timelines import Bucket, Timeline

Figure = dict[str, Any]
SHORTEST_AXIS = timedelta(minutes=5)


def server_load(timeline: Timeline, watched_since: datetime) -> Figure | None:
    """Load of a server over time; None when no bucket was measured."""
    return _figure(
        timeline,
        watched_since,
        [_line(timeline, "load", "Load", "%{y:.3~g} at once", fill=True)],
        yaxis={"title": {"text": "statements at once"}, "rangemode": "tozero"},
    )


def statement_load(timeline: Timeline, watched_since: datetime) -> Figure | None:
    """A statement's load and the mean time of its calls; None when no bucket was measured or it never ran."""
    if not any(bucket.calls for bucket in timeline.buckets):
        return None
    return _figure(
        timeline,
        watched_since,
        [
            _line(timeline, "load", "Load", "%{y:.3~g} at once", fill=True),
            _line(timeline, "mean_exec_time_ms", "Mean time of a call", "%{y:.4~g} ms a call", yaxis="y2"),
        ],
        yaxis={"title": {"text": "statements at once"}, "rangemode": "tozero"},
        yaxis2={
            "tickmode": "auto",
            "nticks": 5,
            "title": {"text": "ms a call"},
            "rangemode": "tozero",
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def _line(timeline: Timeline, value: str, name: str, hover: str, *, fill: bool = False, yaxis: str = "y") -> go.Scatter:
    points = _points(timeline, value)
    return go.Scatter(
        x=[at.isoformat(timespec="seconds") for at, _ in points],
        y=[_rounded(y) for _, y in points],
        name=name,
        mode="lines" if len(points) > 3 else "lines+markers",
        line={"width": 1.5},
        fill="tozeroy" if fill else None,
        connectgaps=False,
        yaxis=yaxis,
        hovertemplate=hover + "<extra></extra>",
    )


def _points(timeline: Timeline, value: str) -> list[tuple[datetime, float | None]]:
    """Measured buckets, and None where something between two of them was not measured.

    A bucket may be shorter than the time between two samples: one that holds no sample is no gap as long as
    the next one's measured seconds reach back to the one before.
    """
    points: list[tuple[datetime, float | None]] = []
    before: Bucket | None = None
    for bucket in timeline.buckets:
        if not bucket.covered_s:
            continue
        if before is not None:
            apart_s = (bucket.at - before.at).total_seconds()
            if apart_s > bucket.covered_s + 1.5 * timeline.step_s:
                points.append((before.at + timedelta(seconds=timeline.step_s), None))
        points.append((bucket.at, getattr(bucket, value)))
        before = bucket
    return points


def _figure(timeline: Timeline, watched_since: datetime, lines: list[go.Scatter], **layout: Any) -> Figure | None:
    """Gaps show as breaks of the line; the time axis begins no earlier than the watching."""
    if not any(bucket.covered_s for bucket in timeline.buckets):
        return None
    end = timeline.buckets[-1].at
    start = max(timeline.buckets[0].at, min(watched_since, end - SHORTEST_AXIS))
    figure = go.Figure(lines)
    figure.update_layout(
        template=None,
        margin={"l": 56, "r": 56 if "yaxis2" in layout else 16, "t": 32 if "legend" in layout else 16, "b": 36},
        hovermode="x unified",
        showlegend="legend" in layout,
        xaxis={
            "type": "date",
            "range": [start.isoformat(timespec="seconds"), end.isoformat(timespec="seconds")],
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
