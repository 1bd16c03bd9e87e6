from datetime import UTC, datetime, timedelta

from analyzer.store.timelines import Bucket, Timeline
from dashboard.charts import server_load, statement_load
from dashboard.sparkline import since_watched, sparkline

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


LONG_AGO = START - timedelta(days=90)


def timeline(step_s: int, measured: dict[int, tuple[float, int, float]], buckets: int) -> Timeline:
    """``measured``: bucket -> covered seconds, calls, execution time in ms."""
    rows = []
    for i in range(buckets):
        covered_s, calls, time_ms = measured.get(i, (0.0, None, None))
        rows.append(
            Bucket(
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
    figure = statement_load(timeline(60, dict.fromkeys(range(5), (60, 10, 600)), 5), LONG_AGO)
    assert figure["layout"]["yaxis"]["title"]["text"] == "statements at once"
    assert figure["layout"]["yaxis2"]["title"]["text"] == "ms a call"
    assert figure["data"][0]["y"] == [0.01] * 5
    assert figure["data"][1]["y"] == [60.0] * 5


def test_buckets_shorter_than_the_sample_interval_make_no_gap():
    figure = server_load(timeline(15, {0: (60, 1, 60), 4: (60, 1, 120), 8: (60, 1, 60)}, 12), LONG_AGO)
    assert figure["data"][0]["y"] == [0.001, 0.002, 0.001]


def test_a_span_that_was_not_measured_breaks_the_line():
    figure = server_load(timeline(60, {0: (60, 1, 60), 1: (60, 1, 60), 7: (60, 1, 60)}, 9), LONG_AGO)
    assert figure["data"][0]["y"] == [0.001, 0.001, None, 0.001]
    assert figure["data"][0]["connectgaps"] is False


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
        return server_load(rows, watched_since)["layout"]["xaxis"]["range"][0]

    assert axis_starts(LONG_AGO) == "2026-05-01T12:00:00+00:00"
    assert axis_starts(START + timedelta(minutes=30)) == "2026-05-01T12:30:00+00:00"
    assert axis_starts(START + timedelta(minutes=58)) == "2026-05-01T12:54:00+00:00"


def test_what_lies_before_the_watching_is_not_drawn():
    assert since_watched([None, None, 1.0, None, 2.0]) == [1.0, None, 2.0]
    assert since_watched([None]) == []
