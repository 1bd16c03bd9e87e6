"""The pace of growth: robust against bulk loads, quiet before a week was seen."""

from datetime import UTC, datetime, timedelta

import pytest

from analyzer.schema.pace import DaysUntil, Pace, pace_of

START = datetime(2026, 11, 1, 23, 50, tzinfo=UTC)


def points(values):
    return [(START + timedelta(days=day), float(value)) for day, value in enumerate(values) if value is not None]


def test_a_straight_line_has_no_error_bar():
    assert pace_of(points(range(100, 128))) == Pace(27, 1.0, 1.0, 1.0)
    assert pace_of([points([100])[0], *points([None] * 24 + [124, 125, 126, 127, 128])]) == Pace(28, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(("days", "missing"), [(0, 7), (1, 7), (4, 4), (7, 1)])
def test_under_seven_days_there_is_no_pace(days, missing):
    pace = pace_of(points(range(days)))
    assert (pace.per_day, pace.days_missing, pace.reaches(100)) == (None, missing, None)


@pytest.mark.parametrize("day", [1, 7, 14, 21, 27])
def test_one_bulk_load_is_no_growth(day):
    pace = pace_of(points([1_000 + (500 if at >= day else 0) for at in range(29)]))
    assert not pace.is_growing


def test_loads_of_each_weekend_are_growth():
    pace = pace_of(points([1_000 + 70 * (at // 7) for at in range(29)]))
    assert pace.is_growing
    assert pace.per_day == pytest.approx(10, rel=0.15)


def test_only_the_last_four_weeks_count_and_days_may_be_missing():
    pace = pace_of(points([0] * 60 + [None if at % 3 else at * 2 for at in range(1, 29)]))
    assert pace.per_day == 2.0


def test_noise_widens_the_error_bar_which_holds_the_slope():
    noise = [3, -8, 5, 11, -12, 2, -4, 9, -7, 1, 6, -10, 12, -3]
    pace = pace_of(points([at * 10 + noise[at % len(noise)] for at in range(29)]))
    assert pace.low_per_day < 10 < pace.high_per_day
    assert pace.high_per_day - pace.low_per_day < 4


def test_what_shrinks_reaches_nothing_and_what_grows_says_between_when():
    assert pace_of(points(range(100, 70, -1))).reaches(10) is None
    assert Pace(28, 1.0, 0.5, 2.0).reaches(120) == DaysUntil(120.0, 60.0, 240.0)
    assert DaysUntil(120.0, 60.0, 240.0).words == "about 4 months (2 months to 8 months)"


def test_growth_in_leaps_is_told_by_how_much():
    pace = pace_of(points([900] * 4 + [1100] * 6 + [1300] * 5))
    assert (pace.is_growing, pace.grown) == (False, 400)
