"""Average active sessions by wait, stacked: bars in SVG whose colours are links, and the plotly figure.

A link names a wait and a span (``?wait=IO&from=...&to=...``): what made up the load there stands below the chart.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from analyzer.store.series.load_reading import LoadBucket, LoadTimeline
from dashboard.charts.charts import HOVER_PX, MOST_TABLE_ROWS, rounded
from dashboard.charts.marks import MarkGroup
from dashboard.charts.marks_drawn import mark_numbers, mark_shapes, placed_marks
from dashboard.charts.scale import AmountAxis, TimeAxis, amount_axis, time_axis
from dashboard.charts.svg import SIZE, framed, place_y
from dashboard.templatetags.quantities import count

# PostgreSQL's wait event types of client sessions from the bottom of the stack up; others come above.
WAITS = ("CPU", "IO", "Lock", "LWLock", "IPC", "Client", "Timeout", "BufferPin", "Extension")
OTHER = "other"  # the colour of a wait that a newer version brings
SPANS = 24  # of the chart that can be clicked on
Link = Callable[[str, datetime, datetime], str]  # wait ("" for all), start, end -> address


@dataclass(frozen=True, slots=True)
class Wait:
    """A line of the legend. ``colour``: of static/css/load.css."""

    name: str
    colour: str
    average: float
    share_ratio: float
    url: str


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A part of the chart in numbers; ``average`` is None where nobody looked."""

    at: datetime
    url: str
    looks: int
    average: float | None
    largest: str


@dataclass(frozen=True, slots=True)
class LoadChart:
    figure: dict[str, Any]
    svg: SafeString
    sentence: str
    waits: list[Wait]
    rows: list[LoadRow]


def load_chart(
    timeline: LoadTimeline,
    cores: int | None,
    watched_since: datetime,
    link: Link,
    marks: Sequence[MarkGroup] = (),
) -> LoadChart | None:
    """None where nobody looked in this span. ``cores``: draws a line, where it is known."""
    if not timeline.looks:
        return None
    step = timedelta(seconds=timeline.step_s)
    buckets = [b for b in timeline.buckets if b.looks or b.at + step > watched_since]
    start, end = buckets[0].at, buckets[-1].at + step
    names = sorted(timeline.by_wait, key=lambda name: (WAITS.index(name) if name in WAITS else len(WAITS), name))
    highest = max((sum(b.active.values()) / b.looks for b in buckets if b.looks), default=0.0)
    times = time_axis(start, end)
    amounts = amount_axis(max(highest, cores or 0))
    spans = _spans(buckets)
    plot = format_html_join("", "{}", ((part,) for part in _plot(spans, names, step, times, amounts, cores, link)))
    total = timeline.average or 0.0
    return LoadChart(
        figure=_figure(buckets, names, step, times, amounts, cores, link, marks),
        svg=framed(plot, times.ticks, amounts.ticks, marks=placed_marks(marks, times)),
        sentence=_sentence(timeline, buckets),
        waits=[
            Wait(n, colour_of(n), average, average / total if total else 0.0, link(n, timeline.start, timeline.end))
            for n, average in timeline.by_wait.items()
        ],
        rows=list(_rows(buckets, step, link)),
    )


def colour_of(wait: str) -> str:
    return wait.lower() if wait in WAITS else OTHER


def _spans(buckets: Sequence[LoadBucket]) -> list[Sequence[LoadBucket]]:
    size = -(-len(buckets) // SPANS)
    return [buckets[i : i + size] for i in range(0, len(buckets), size)]


def _plot(
    spans: Sequence[Sequence[LoadBucket]], names: Sequence[str], step: timedelta, times: TimeAxis, amounts: AmountAxis,
    cores: int | None, link: Link,
) -> Iterator[SafeString]:  # fmt: skip
    """From the back: what was not looked at, the colours of each span as links, the line of the cores."""
    for start, end in gaps_of([bucket for span in spans for bucket in span], step):
        x, width = _across(start, end, times)
        yield format_html('<rect class="gap" x="{}" y="0" width="{}" height="{}"/>', x, width, SIZE)
    for span in spans:
        start, end = span[0].at, span[-1].at + step
        floors = dict.fromkeys((bucket.at for bucket in span), 0.0)
        said = f"{_clock(start)} to {_clock(end)}"
        for name in names:
            if path := "".join(_bars(span, name, floors, step, times, amounts)):
                average = sum(b.active.get(name, 0.0) for b in span) / max(1, sum(b.looks for b in span))
                yield format_html(
                    '<a href="{}" tabindex="-1"><path class="wait-{}" d="{}"><title>{}</title></path></a>',
                    link(name, start, end), colour_of(name), path, f"{name}: {count(average)} on average, {said}",
                )  # fmt: skip
    if cores:
        yield format_html('<path class="cores" d="M0 {}H{}"/>', place_y(amounts.place(cores)), SIZE)


def _bars(
    span: Sequence[LoadBucket], name: str, floors: dict[datetime, float], step: timedelta, times: TimeAxis,
    amounts: AmountAxis,
) -> Iterator[str]:  # fmt: skip
    """A rectangle per bucket on what ``floors`` says is below it, which grows by it."""
    for bucket in span:
        active = bucket.active.get(name, 0.0) / bucket.looks if bucket.looks else 0.0
        if active:
            x, width = _across(bucket.at, bucket.at + step, times)
            below, top = place_y(amounts.place(floors[bucket.at])), place_y(amounts.place(floors[bucket.at] + active))
            floors[bucket.at] += active
            yield f"M{x} {below}V{top}h{width}V{below}z"


def _across(start: datetime, end: datetime, times: TimeAxis) -> tuple[str, str]:
    x, until = (SIZE * times.place(at) for at in (start, end))
    return f"{x:.1f}", f"{until - x:.1f}"


def gaps_of(buckets: Sequence[LoadBucket], step: timedelta) -> list[tuple[datetime, datetime]]:
    """Spans in which nobody looked."""
    runs = groupby(buckets, key=lambda bucket: bool(bucket.looks))
    empty = (list(run) for has_looks, run in runs if not has_looks)
    return [(run[0].at, run[-1].at + step) for run in empty]


def _figure(
    buckets: Sequence[LoadBucket], names: Sequence[str], step: timedelta, times: TimeAxis, amounts: AmountAxis,
    cores: int | None, link: Link, marks: Sequence[MarkGroup],
) -> dict[str, Any]:  # fmt: skip
    """Bars, stacked; ``links``: the address of each bucket without its wait, which chart.js adds on a click."""
    middles = [_iso(b.at + step / 2) for b in buckets]
    shapes: list[dict[str, Any]] = [
        {"type": "rect", "x0": _iso(start), "x1": _iso(end), "y0": 0, "y1": 1, "yref": "paper", "name": "gap"}
        for start, end in gaps_of(buckets, step)
    ]
    if cores:
        line = {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": cores, "y1": cores, "name": "cores"}
        shapes.append(line)
    shapes += mark_shapes(marks, times)
    return {
        "data": [
            {
                "type": "bar",
                "name": name,
                "x": middles,
                "y": [rounded(b.active.get(name, 0.0) / b.looks) if b.looks else None for b in buckets],
                "width": step.total_seconds() * 1000,
                "meta": f"wait-{colour_of(name)}",
                "hovertemplate": f"{name}: %{{y:.3~g}}<extra></extra>",
            }
            for name in names
        ],
        "layout": {
            "barmode": "stack",
            "hovermode": "x unified",
            "hoverdistance": HOVER_PX,
            "showlegend": False,
            "shapes": shapes,
            **({"annotations": mark_numbers(marks, times)} if marks else {}),
            "xaxis": {
                "type": "date",
                "range": [_iso(times.start), _iso(times.end)],
                "tickmode": "array",
                "tickvals": [_iso(times.time_at(tick.at)) for tick in times.ticks],
                "ticktext": [tick.label for tick in times.ticks],
                "tickangle": 0,
                "showgrid": False,
            },
            "yaxis": {
                "range": [0, amounts.top],
                "tickmode": "array",
                "tickvals": [tick.at * amounts.top for tick in amounts.ticks],
                "ticktext": [tick.label for tick in amounts.ticks],
                "fixedrange": True,
            },
        },
        "narrow": [i for i, tick in enumerate(times.ticks) if tick.is_major],
        "links": [link("", b.at, b.at + step) for b in buckets],
    }


def _sentence(timeline: LoadTimeline, buckets: Sequence[LoadBucket]) -> str:
    seen = [b for b in buckets if b.looks]
    busiest = max(seen, key=lambda b: sum(b.active.values()) / b.looks)
    largest = next(iter(timeline.by_wait), "")
    said = f" {largest} is the largest part." if largest else ""
    return (
        f"{count(timeline.average)} sessions at work on average, highest at {_clock(busiest.at)} with"
        f" {count(sum(busiest.active.values()) / busiest.looks)}.{said}"
    )


def _rows(buckets: Sequence[LoadBucket], step: timedelta, link: Link) -> Iterator[LoadRow]:
    size = -(-len(buckets) // MOST_TABLE_ROWS)
    for i in range(0, len(buckets), size):
        part = buckets[i : i + size]
        looks = sum(b.looks for b in part)
        sums: dict[str, float] = {}
        for bucket in part:
            for name, active in bucket.active.items():
                sums[name] = sums.get(name, 0.0) + active
        largest = sorted(sums, key=lambda name: -sums[name])[:3]
        yield LoadRow(
            at=part[0].at,
            url=link("", part[0].at, part[-1].at + step),
            looks=looks,
            average=sum(sums.values()) / looks if looks else None,
            largest=", ".join(f"{name} {count(sums[name] / looks)}" for name in largest) if looks else "",
        )


def _iso(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")


def _clock(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M")
