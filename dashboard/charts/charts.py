"""Plain rows -> charts with units: an SVG the page shows at once, and the plotly figure to zoom in.

Both get their axes from dashboard/charts/scale.py, so one can take the other's place without a jump
(static/js/chart.js does it, when somebody reaches for the chart: plotly is larger than a whole page).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from django.utils import timezone
from django.utils.safestring import SafeString

from analyzer.store.series.timelines import Timeline, TimelineBucket
from dashboard.charts.marks import SHORTEST_AXIS, MarkGroup
from dashboard.charts.marks_drawn import mark_numbers, mark_shapes, placed_marks
from dashboard.charts.scale import AmountAxis, TimeAxis, amount_axis, time_axis
from dashboard.charts.svg import FEW, drawn, runs
from dashboard.templatetags.quantities import quantity

Figure = dict[str, Any]
Value = Literal["load", "mean_exec_time_ms"]
NEEDED = ("calls", "total_exec_time_us")  # of a timeline
MOST_TABLE_ROWS = 25  # of the chart in words: what a person may listen to
HOVER_PX = 40  # from a point to the pointer: hours of a day in a wide chart lie 40 apart, and plotly.js looks 20 far


@dataclass(frozen=True, slots=True)
class ChartLine:
    """``quantity``: the name that gives its numbers their unit in words (templatetags/quantities.py)."""

    name: str
    value: Value
    unit: str
    hover: str
    quantity: str
    fill: bool = False


LOAD = ChartLine("Load", "load", "statements at once", "%{y:.3~g} at once", "load", fill=True)
MEAN_TIME = ChartLine("Mean time of a call", "mean_exec_time_ms", "ms", "%{y:.4~g} ms a call", "mean_time_ms")


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A part of the chart in numbers: one of ``values`` per line."""

    at: datetime
    values: list[tuple[str, float | None]]


@dataclass(frozen=True, slots=True)
class Chart:
    """``figure`` for plotly, ``svg`` for the page, ``sentence`` and ``rows`` for those who do not see it."""

    lines: tuple[ChartLine, ...]
    figure: Figure
    svg: SafeString
    sentence: str
    rows: list[ChartRow]

    @property
    def has_two_axes(self) -> bool:
        return len(self.lines) > 1


def server_load(timeline: Timeline, watched_since: datetime, marks: Sequence[MarkGroup] = ()) -> Chart | None:
    """Load of a server over time; None when no bucket was measured."""
    return _chart(timeline, watched_since, LOAD, marks=marks)


def statement_load(timeline: Timeline, watched_since: datetime, marks: Sequence[MarkGroup] = ()) -> Chart | None:
    """A statement's load and the mean time of its calls; None when no bucket was measured or it never ran."""
    if not any(bucket.calls for bucket in timeline.buckets):
        return None
    return _chart(timeline, watched_since, LOAD, MEAN_TIME, marks=marks)


def _chart(
    timeline: Timeline, watched_since: datetime, *lines: ChartLine, marks: Sequence[MarkGroup] = ()
) -> Chart | None:
    """Gaps show as breaks of the line; the time axis begins no earlier than the watching."""
    if not any(bucket.covered_s for bucket in timeline.buckets):
        return None
    timeline = replace(timeline, buckets=timeline.whole_buckets)
    end = timeline.buckets[-1].at
    start = max(timeline.buckets[0].at, min(watched_since, end - SHORTEST_AXIS))
    end = max(end, start + SHORTEST_AXIS)  # of a server sampled once an hour, an hour may be one bucket
    times = time_axis(start, end)
    clock = _Clock()
    points = [[(at, y) for at, y in _points(timeline, line.value) if at >= start or y is not None] for line in lines]
    axes = [amount_axis(max((y for _, y in known if y is not None), default=0.0)) for known in points]
    placed = [
        [(max(0.0, times.place(at)), None if y is None else axis.place(y)) for at, y in known]
        for known, axis in zip(points, axes, strict=True)
    ]
    traces = [
        _trace(line, known, "y" if i == 0 else "y2", _marked(part), clock)
        for i, (line, known, part) in enumerate(zip(lines, points, placed, strict=True))
    ]
    return Chart(
        lines=lines,
        figure=_figure(traces, times, axes, clock, marks),
        svg=drawn(
            [(part, line.fill) for line, part in zip(lines, placed, strict=True)],
            times.ticks,
            axes[0].ticks,
            axes[1].ticks if len(axes) > 1 else (),
            placed_marks(marks, times),
        ),
        sentence=_sentence(lines[0], points[0]),
        rows=list(_rows(timeline, lines, start)),
    )


def _points(timeline: Timeline, value: Value) -> list[tuple[datetime, float | None]]:
    """Measured buckets, and None where something between two of them was not measured.

    A bucket may be shorter than the time between two samples: one that holds no sample is no gap as long as
    the next one's measured seconds reach back to the one before.
    """
    points: list[tuple[datetime, float | None]] = []
    before: TimelineBucket | None = None
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


def _marked(points: Sequence[tuple[float, float | None]]) -> list[bool]:
    """Whether a point has no neighbour to draw a line to; all of them when they are few."""
    drawn = runs(points)
    are_few = sum(map(len, drawn)) <= FEW
    alone = {x for run in drawn if are_few or len(run) == 1 for x, _ in run}
    return [x in alone for x, _ in points]


class _Clock(dict[datetime, str]):
    """A moment -> the reader's clock: plotly shows times as they are written. Lines share their moments."""

    def __init__(self) -> None:
        self._zone = timezone.get_current_timezone()

    def __missing__(self, at: datetime) -> str:
        text = self[at] = at.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")
        return text


def _trace(
    line: ChartLine, points: list[tuple[datetime, float | None]], yaxis: str, marked: list[bool], clock: _Clock
) -> Figure:
    trace: Figure = {
        "type": "scatter",
        "x": [clock[at] for at, _ in points],
        "y": [rounded(y) for _, y in points],
        "name": line.name,
        "mode": "lines+markers" if any(marked) else "lines",
        "line": {"width": 1.5},
        "connectgaps": False,
        "yaxis": yaxis,
        "hovertemplate": f"{line.name}: {line.hover}<extra></extra>",
    }
    if any(marked):
        trace["marker"] = {"size": [5 if is_marked else 0 for is_marked in marked]}
    if line.fill:
        trace["fill"] = "tozeroy"
    return trace


def _figure(
    traces: list[Figure], times: TimeAxis, axes: list[AmountAxis], clock: _Clock, marks: Sequence[MarkGroup]
) -> Figure:
    """Margins are the style sheet's: chart.js takes them from the drawn figure.

    Plain dicts: plotly's own classes check every value, which took 24 of a page's 65 ms. The tests have them check.
    """
    layout: Figure = {
        "hovermode": "x unified",
        "hoverdistance": HOVER_PX,
        "showlegend": False,
        "xaxis": {
            "type": "date",
            "range": [clock[times.start], clock[times.end]],
            "tickmode": "array",
            "tickvals": [clock[times.time_at(tick.at)] for tick in times.ticks],
            "ticktext": [tick.label for tick in times.ticks],
            "tickangle": 0,
            "showgrid": False,
        },
        "yaxis": _plotly_axis(axes[0]),
    }
    if len(axes) > 1:
        layout["yaxis2"] = {**_plotly_axis(axes[1]), "overlaying": "y", "side": "right", "showgrid": False}
    if marks:
        layout["shapes"], layout["annotations"] = mark_shapes(marks, times), mark_numbers(marks, times)
    return {"data": traces, "layout": layout, "narrow": [i for i, tick in enumerate(times.ticks) if tick.is_major]}


def _plotly_axis(axis: AmountAxis) -> dict[str, object]:
    return {
        "range": [0, axis.top],
        "tickmode": "array",
        "tickvals": [tick.at * axis.top for tick in axis.ticks],
        "ticktext": [tick.label for tick in axis.ticks],
        "fixedrange": True,
    }


def _sentence(line: ChartLine, points: Sequence[tuple[datetime, float | None]]) -> str:
    known = [(y, at) for at, y in points if y is not None]
    if not known:
        return f"{line.name}: not known."
    highest, at = max(known)
    breaks = sum(1 for _, y in points if y is None)
    said = f", with {breaks} gap{'s' if breaks > 1 else ''}" if breaks else ""
    return (
        f"{line.name} from {quantity(min(known)[0], line.quantity)} to {quantity(highest, line.quantity)} {line.unit},"
        f" highest at {timezone.localtime(at):%Y-%m-%d %H:%M}{said}."
    )


def _rows(timeline: Timeline, lines: Sequence[ChartLine], start: datetime) -> Iterator[ChartRow]:
    """The same over longer parts, each as the sums of its buckets say; None for one that was not measured."""
    buckets = [b for b in timeline.buckets if b.at >= start or b.covered_s]
    size = -(-len(buckets) // MOST_TABLE_ROWS)
    for _, part in groupby(enumerate(buckets), key=lambda numbered: numbered[0] // size):
        rows = [bucket for _, bucket in part]
        covered_s = sum(b.covered_s for b in rows)
        time_ms, calls = sum(b.total_exec_time_ms or 0.0 for b in rows), sum(b.calls or 0 for b in rows)
        values: dict[Value, float | None] = {
            "load": time_ms / 1000 / covered_s if covered_s else None,
            "mean_exec_time_ms": time_ms / calls if calls else None,
        }
        yield ChartRow(rows[0].at, [(line.quantity, values[line.value]) for line in lines])


def rounded(value: float | None) -> float | None:
    """Four digits are more than a screen shows; they keep the page small."""
    return None if value is None else float(f"{value:.4g}")
