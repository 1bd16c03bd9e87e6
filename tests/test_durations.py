"""Spans and rates in words: under an hour nothing is said of a day."""

import pytest

from analyzer.words.durations import allows_daily_rate, count_words, rate_words, time_words


@pytest.mark.parametrize(
    ("watched_s", "rate", "count"),
    [
        (None, "2 h a day", "43,200 a day"),
        (86_400.0, "2 h a day", "43,200 a day"),
        (3_600.0, "2 h a day", "43,200 a day"),
        (3_599.9, "5 min in 60 minutes", "1,800 in 60 minutes"),
        (900.0, "75 s in 15 minutes", "450 in 15 minutes"),
        (60.0, "5 s in 60 s", "30 in 60 s"),
    ],
)
def test_rates_say_what_was_watched(watched_s, rate, count):
    assert rate_words(7_200.0, watched_s) == rate
    assert count_words(43_200.0, watched_s) == count
    assert allows_daily_rate(watched_s) == rate.endswith("a day")


def test_a_terminal_gets_plain_spaces():
    assert [time_words(ms) for ms in (None, 0, 0.012, 340, 1234, 200_000, 7_500_000, 273_600_000)] == [
        "unknown", "0 ms", "12 µs", "340 ms", "1.23 s", "3 min 20 s", "2 h 5 min", "3 d 4 h",
    ]  # fmt: skip
