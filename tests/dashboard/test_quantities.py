from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.templatetags.quantities import (
    ago,
    clock,
    count,
    due,
    duration,
    percent,
    quantity,
    short_count,
    spoken,
    threshold_value,
)

T = "\u202f"


@pytest.mark.parametrize(
    ("value_ms", "shown"),
    [
        (None, "unknown"),
        (0, f"0{T}ms"),
        (0.0123, f"12.3{T}µs"),
        (0.34, f"340{T}µs"),
        (0.9994, f"999{T}µs"),
        (0.9996, f"1{T}ms"),
        (340.2, f"340{T}ms"),
        (999.6, f"1{T}s"),
        (1204, f"1.2{T}s"),
        (99_400, f"99.4{T}s"),
        (200_000, f"3{T}min 20{T}s"),
        (3_599_900, f"60{T}min"),
        (7_500_000, f"2{T}h 5{T}min"),
        (90_000_000, f"1{T}d 1{T}h"),
        (-1500, f"−1.5{T}s"),
    ],
)
def test_duration_reads_as_people_say_it(value_ms, shown):
    assert duration(value_ms) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("mean_time_ms", 1.25, f"1.25{T}ms"),
        ("time_lost_s_per_day", 16_400, f"4{T}h 33{T}min a day"),
        ("child_size_bytes", 58_720_256, f"56{T}MB"),
        ("shared_read_blocks", 12_345, f"12{T}345{T}blocks"),
        ("kept_ratio", 0.025, f"2.5{T}%"),
        ("estimate_factor", 120.4, "120×"),
        ("rows_read", 1_000_000, f"1{T}000{T}000"),
        ("calls_per_parent_call", 20.1, "20"),
        ("deleted_rows_per_day", 34_560.0, f"34{T}560 a day"),
        ("rows_read", None, "unknown"),
        ("rows_read", float("nan"), "unknown"),
        ("is_partial", True, "yes"),
        ("on_delete", "CASCADE", "CASCADE"),
        ("rows_read", 0, "0"),
    ],
)
def test_quantity_takes_its_unit_from_the_name(name, value, shown):
    assert quantity(value, name) == shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rows_read", "Rows read"),
        ("time_lost_s_per_day", "Time lost"),
        ("child_size_bytes", "Child size"),
        ("deleted_rows_per_day", "Deleted rows"),
        ("calls", "Calls"),
        ("exclusive_time_ratio", "Exclusive time, share"),
    ],
)
def test_spoken_leaves_the_unit_to_the_value(name, said):
    assert spoken(name) == said


def test_shares_near_the_ends_do_not_read_as_all_or_none():
    assert [percent(r) for r in (0, 0.0004, 0.0123, 0.5, 0.9951, 0.99999, 1, None)] == [
        f"0{T}%",
        f"<{T}0.1{T}%",
        f"1.2{T}%",
        f"50{T}%",
        f"99.5{T}%",
        f"99.9{T}%",
        f"100{T}%",
        "unknown",
    ]


def test_counts_separate_thousands_thinly():
    assert [count(n) for n in (0, 7, 1234567, 0.25, None)] == ["0", "7", f"1{T}234{T}567", "0.25", "unknown"]
    assert [short_count(n) for n in (9_000, 12_300, 4_560_000, 7.8e9)] == [
        f"9{T}000",
        f"12.3{T}k",
        f"4.56{T}M",
        f"7.8{T}G",
    ]


def test_thresholds_are_shown_as_the_code_has_them():
    assert [threshold_value(v) for v in (1_000_000, 0.05, 56e-6)] == [f"1{T}000{T}000", "0.05", "5.6e-05"]


def test_times_say_how_long_ago_and_exactly_when():
    at = timezone.now() - timedelta(minutes=3, seconds=5)
    assert f"3{T}min ago</time>" in ago(at)
    assert at.strftime("%Y-%m-%d %H:%M:%S UTC") in ago(at)
    assert ago(None) == "never"
    assert clock(None) == "never"
    assert due(at) == "now"
    assert f"in 4{T}min" in due(timezone.now() + timedelta(minutes=4, seconds=30))
    assert due(None) == "unknown"
