"""What indexes save, in time: measured now, planned then."""

import pytest

from analyzer.advice.gain import (
    Gain,
    MeasuredTimes,
    gain_as_json,
    gain_of,
    gain_words,
    less_words,
    short_gain_words,
    total_gain,
)
from analyzer.advice.proved import StatementEffect


def effect(name: str, before: float, after: float) -> StatementEffect:
    return StatementEffect(name, 1.0, before, after)


SCAN, FREE, HURT, CHECK = (
    effect("scan", 100.0, 1.0), effect("free", 0.0, 0.0), effect("hurt", 10.0, 15.0), effect("key.fk", 50.0, 1.0),
)  # fmt: skip


def test_time_follows_the_cost_and_only_what_was_measured_counts():
    times = {"scan": 3600.0, "free": 10.0, "hurt": 60.0, "other": 1_000.0}
    assert gain_of([SCAN, FREE, HURT, CHECK], times) == Gain(3670.0, 36.0 + 10.0 + 90.0)
    assert gain_of([CHECK], times) is None
    assert gain_of([SCAN], {"scan": 0.0}) is None


def test_the_total_holds_what_no_index_touches():
    times = MeasuredTimes({"scan": 3600.0, "other": 400.0}, 5_000.0, 86_400.0)
    assert total_gain([SCAN, CHECK], times) == Gain(5_000.0, 5_000.0 - 3_564.0)
    assert total_gain([CHECK], times) is None
    assert total_gain([SCAN], MeasuredTimes()) is None  # a folder of files


@pytest.mark.parametrize(
    ("watched_s", "words", "short"),
    [
        (None, "52 min a day now (measured), about 40 s with it (planned)", "52 min a day to about 40 s"),
        (3_600.0, "52 min a day now (measured), about 40 s with it (planned)", "52 min a day to about 40 s"),
        (
            3_599.0, "2 min 10 s in 60 minutes (measured), about 1.67 s with it (planned)",
            "2 min 10 s in 60 minutes to about 1.67 s",
        ),
        (
            864.0, "31.2 s in 14 minutes (measured), about 400 ms with it (planned)",
            "31.2 s in 14 minutes to about 400 ms",
        ),
    ],
)  # fmt: skip
def test_words(watched_s, words, short):
    gain = Gain(3_120.0, 40.0)
    assert gain_words(gain, watched_s) == words
    assert short_gain_words(gain, watched_s) == short


def test_the_share_is_that_of_the_two_figures():
    assert [less_words(Gain(100.0, then)) for then in (19.0, 94.95, 99.99)] == [
        "81 % less", "5.0 % less", "0.0 % less",
    ]  # fmt: skip
    assert gain_as_json(None) == {"now_s_per_day": None, "then_s_per_day": None}
