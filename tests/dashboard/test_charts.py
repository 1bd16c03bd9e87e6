import json
import re
from datetime import UTC, datetime, timedelta

import plotly.graph_objects as go
import pytest

from analyzer.store.series.timelines import Timeline, TimelineBucket
from dashboard.charts.charts import server_load, statement_load
from dashboard.charts.marks import Mark, grouped
from dashboard.charts.scale import amount_axis, time_axis
from dashboard.charts.sparkline import since_watched, sparkline

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


HOUR = timedelta(hours=1)
LONG_AGO = START - timedelta(days=90)


def timeline(step_s: int, measured: dict[int, tuple[float, int, float]], buckets: int) -> Timeline:
    """``measured``: bucket -> covered seconds, calls, execution time in ms."""
    rows = []
    for i in range(buckets):
        covered_s, calls, time_ms = measured.get(i, (0.0, None, None))
        rows.append(
            TimelineBucket(
                at=START + timedelta(seconds=i * step_s),
                covered_s=covered_s,
                calls=calls,
                total_exec_time_ms=time_ms,
                rows=calls,
                shared_hit_blocks=None,
                shared_read_blocks=None,
                temp_written_blocks=None,
                shared_read_time_ms=None,
                wal_bytes=None,
            )
        )
    return Timeline(step_s, rows, [])


def test_axes_name_their_units():
    chart = statement_load(timeline(60, dict.fromkeys(range(5), (60, 10, 600)), 5), LONG_AGO)
    assert [(line.name, line.unit) for line in chart.lines] == [
        ("Load", "statements at once"),
        ("Mean time of a call", "ms"),
    ]
    assert chart.figure["data"][0]["y"] == [0.01] * 5
    assert chart.figure["data"][1]["y"] == [60.0] * 5
    assert chart.figure["data"][1]["yaxis"] == "y2"


def test_plotlys_own_classes_know_everything_in_the_figure():
    marks = grouped([Mark(START + timedelta(minutes=2), "Plan changed")], START, START + HOUR, LONG_AGO)
    few = statement_load(timeline(60, {1: (60, 10, 600.0), 2: (60, 10, 600.0)}, 5), LONG_AGO, marks)
    many = server_load(timeline(60, dict.fromkeys(range(9), (60, 10, 600)), 9), LONG_AGO)
    for chart in (few, many):
        figure = {name: chart.figure[name] for name in ("data", "layout")}
        known = json.loads(go.Figure(figure).to_json())
        assert known["data"] == figure["data"]
        assert {name: value for name, value in known["layout"].items() if name != "template"} == figure["layout"]


def test_buckets_shorter_than_the_sample_interval_make_no_gap():
    chart = server_load(timeline(15, {0: (60, 1, 60), 4: (60, 1, 120), 8: (60, 1, 60)}, 12), LONG_AGO)
    assert chart.figure["data"][0]["y"] == [0.001, 0.002, 0.001]
    assert re.search(r'class="line line-1" d="([^"]*)"', chart.svg)[1].count("M") == 1
    assert chart.svg.count("h0") == 3


def test_a_span_that_was_not_measured_breaks_the_line():
    chart = server_load(timeline(60, {0: (60, 1, 60), 1: (60, 1, 60), 7: (60, 1, 60)}, 9), LONG_AGO)
    assert chart.figure["data"][0]["y"] == [0.001, 0.001, None, 0.001]
    assert chart.figure["data"][0]["connectgaps"] is False
    assert re.search(r'class="line line-1" d="([^"]*)"', chart.svg)[1] == "M0 200 125 200"
    assert chart.svg.count("h0") == 3
    assert chart.sentence.endswith("with 1 gap.")


def test_the_newest_bucket_counts_with_the_one_before_until_half_of_it_is_measured():
    whole = dict.fromkeys(range(5), (60, 6, 600.0))
    begun = statement_load(timeline(60, whole | {5: (20, 0, 0.0)}, 7), LONG_AGO)
    assert begun.figure["data"][0]["y"] == [0.01, 0.01, 0.01, 0.01, 0.0075]
    assert begun.figure["data"][1]["y"] == [100.0] * 5
    assert begun.rows[4].values == [("load", 0.0075), ("mean_time_ms", 100.0)]
    half = server_load(timeline(60, whole | {5: (30, 0, 0.0)}, 6), LONG_AGO)
    assert half.figure["data"][0]["y"] == [0.01] * 5 + [0.0]
    after_a_gap = server_load(timeline(60, {0: (60, 6, 600.0), 3: (20, 2, 200.0)}, 4), LONG_AGO)
    assert after_a_gap.figure["data"][0]["y"] == [0.01, None, 0.01]


def test_a_point_between_two_gaps_is_a_dot():
    many = dict.fromkeys((*range(5), 8, *range(12, 16)), (60, 1, 60))
    chart = server_load(timeline(60, many, 16), LONG_AGO)
    assert chart.svg.count("h0") == 1
    sizes = chart.figure["data"][0]["marker"]["size"]
    assert [i for i, size in enumerate(sizes) if size] == [6]
    assert re.search(r'class="line line-1" d="([^"]*)"', chart.svg)[1].count("M") == 2


def test_a_single_bucket_is_a_dot():
    chart = server_load(timeline(7200, {0: (3600, 60, 36_000)}, 1), LONG_AGO)
    assert chart.svg.count("h0") == 1
    assert chart.figure["layout"]["xaxis"]["range"] == ["2026-05-01T12:00:00", "2026-05-01T12:05:00"]
    assert [row.values for row in chart.rows] == [[("load", 0.01)]]


def test_nothing_measured_gives_no_chart():
    assert server_load(timeline(60, {}, 9), LONG_AGO) is None
    assert statement_load(timeline(60, {1: (60, 0, 0.0)}, 9), LONG_AGO) is None


def test_sparkline_breaks_at_what_is_unknown_and_needs_two_points():
    assert sparkline([None, 3.0], "load") == ""
    drawn = sparkline([1.0, 2.0, None, 2.0, 1.0], 'a "quoted" label')
    assert drawn.count("<polyline") == 2
    assert "style=" not in drawn
    assert 'aria-label="a &quot;quoted&quot; label"' in drawn


def test_sparkline_of_zeros_is_a_flat_line():
    assert "26.0 120.0,26.0" in sparkline([0.0, 0.0], "load")


def test_the_time_axis_begins_with_the_watching_and_holds_at_least_five_minutes():
    rows = timeline(60, {58: (60, 1, 60), 59: (60, 1, 60)}, 60)

    def axis_starts(watched_since: datetime) -> str:
        return server_load(rows, watched_since).figure["layout"]["xaxis"]["range"][0]

    assert axis_starts(LONG_AGO) == "2026-05-01T12:00:00"
    assert axis_starts(START + timedelta(minutes=30)) == "2026-05-01T12:30:00"
    assert axis_starts(START + timedelta(minutes=58)) == "2026-05-01T12:54:00"


def test_what_lies_before_the_watching_is_not_drawn():
    assert since_watched([None, None, 1.0, None, 2.0]) == [1.0, None, 2.0]
    assert since_watched([None]) == []


def test_both_figures_have_the_same_ticks_and_no_style():
    rows = timeline(60, {i: (60, 10 + i, 600.0 * (i % 7)) for i in range(60)}, 60)
    chart = statement_load(rows, LONG_AGO)
    layout = chart.figure["layout"]
    for ticks in (layout["yaxis"]["ticktext"], layout["yaxis2"]["ticktext"], layout["xaxis"]["ticktext"]):
        assert 3 <= len(ticks) <= 9
        for label in ticks:
            assert f">{label}</text>" in chart.svg
    assert "style" not in chart.svg
    assert layout["yaxis"]["range"][1] >= max(chart.figure["data"][0]["y"])


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0123, ["0", "0.005", "0.010", "0.015"]),
        (2.2, ["0", "0.5", "1.0", "1.5", "2.0", "2.5"]),
        (1.09, ["0", "0.25", "0.50", "0.75", "1.00", "1.25"]),
        (10, ["0", "2.5", "5.0", "7.5", "10.0", "12.5"]),
        (4.9, ["0", "2", "4", "6"]),
        (48_000, ["0", "10\u202fk", "20\u202fk", "30\u202fk", "40\u202fk", "50\u202fk"]),
        (3e-5, ["0", "1e-5", "2e-5", "3e-5", "4e-5"]),
    ],
)
def test_amounts_stand_at_round_numbers(highest, labels):
    assert [tick.label for tick in amount_axis(highest).ticks] == labels


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(minutes=5), ["12:00", "12:01", "12:02", "12:03", "12:04", "12:05"]),
        (timedelta(hours=1), ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        (timedelta(hours=24), ["12:00", "15:00", "18:00", "21:00", "2 May", "03:00", "06:00", "09:00", "12:00"]),
        (timedelta(days=7), [f"{day} May" for day in range(2, 9)]),
    ],
)
def test_times_stand_at_round_numbers_of_the_clock(span, labels):
    assert [tick.label for tick in time_axis(START, START + span).ticks] == labels


def test_times_are_those_of_the_readers_zone(settings):
    settings.TIME_ZONE = "Asia/Kolkata"  # five hours and a half ahead
    ticks = time_axis(START, START + timedelta(hours=6)).ticks
    assert (ticks[0].label, round(ticks[0].at * 360)) == ("18:00", 30)


def test_the_numbers_below_a_chart_are_sums_of_its_buckets():
    rows = timeline(60, dict.fromkeys(range(30), (60, 10, 600.0)) | dict.fromkeys(range(40, 60), (60, 30, 600.0)), 60)
    chart = statement_load(rows, LONG_AGO)
    assert len(chart.rows) == 20
    assert chart.rows[0].values == [("load", 0.01), ("mean_time_ms", 60.0)]
    assert chart.rows[11].values == [("load", None), ("mean_time_ms", None)]
    assert chart.rows[-1].values == [("load", 0.01), ("mean_time_ms", 20.0)]


def test_marks_that_are_close_together_are_one():
    def mark(minutes: float, kind: str = "setting") -> Mark:
        return Mark(START + timedelta(minutes=minutes), f"{kind} {minutes}", kind)

    some = [mark(50.5, "deploy"), mark(-1), mark(10), *(mark(50 + n / 10) for n in range(8)), mark(61)]
    groups = grouped(some, START, START + HOUR, LONG_AGO)
    assert [(g.number, g.at, len(g.marks), g.more, g.kind) for g in groups] == [
        (1, START + timedelta(minutes=10), 1, 0, "setting"), (2, START + timedelta(minutes=50), 9, 4, "deploy"),
    ]  # fmt: skip
    assert len(grouped([mark(n / 10) for n in range(600)], START, START + HOUR, LONG_AGO)) <= 20
    begun = START + timedelta(minutes=45)
    assert [g.at for g in grouped(some, START, START + HOUR, begun)] == [START + timedelta(minutes=50)]


def test_a_mark_is_drawn_by_its_number_and_says_when_it_may_have_been():
    marks = grouped(
        [Mark(START + timedelta(minutes=4), "index <a> created", "schema", START - timedelta(minutes=6))],
        START, START + HOUR, LONG_AGO,
    )  # fmt: skip
    chart = server_load(timeline(60, dict.fromkeys(range(9), (60, 10, 600)), 9), LONG_AGO, marks)
    said = "1 May 11:54 to 12:04: index &lt;a&gt; created"
    assert f'x="50.00%" y="-3" text-anchor="middle"><title>{said}</title>1</text>' in chart.svg
    assert chart.svg.count('<path class="mark schema" d="M500 0V1000"/>') == 1
    [annotation] = chart.figure["layout"]["annotations"]
    assert (annotation["text"], annotation["hovertext"]) == ("1", said)
