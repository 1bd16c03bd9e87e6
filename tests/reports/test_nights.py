"""When mails are due, hour by hour through changes of the clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analyzer.reports.nights import due_at, latest_night, next_due, window_start

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("night", "hour", "zone", "due"),
    [
        (date(2026, 3, 28), 2, BERLIN, "2026-03-28T01:00"),
        (date(2026, 3, 29), 2, BERLIN, "2026-03-29T01:00"),  # 02:00 is left out: as the clocks jump to 03:00
        (date(2026, 3, 29), 3, BERLIN, "2026-03-29T01:00"),
        (date(2026, 3, 29), 7, BERLIN, "2026-03-29T05:00"),
        (date(2026, 10, 25), 2, BERLIN, "2026-10-25T00:00"),  # 02:00 comes twice: the first
        (date(2026, 10, 25), 7, BERLIN, "2026-10-25T06:00"),
        (date(2026, 3, 8), 2, NEW_YORK, "2026-03-08T07:00"),
        (date(2026, 3, 8), 7, NEW_YORK, "2026-03-08T11:00"),
        (date(2026, 11, 1), 1, NEW_YORK, "2026-11-01T05:00"),
        (date(2026, 11, 1), 7, NEW_YORK, "2026-11-01T12:00"),
        (date(2026, 11, 22), 6, ZoneInfo("Asia/Kolkata"), "2026-11-22T00:30"),
    ],
)
def test_due_time(night, hour, zone, due):
    assert due_at(night, hour, zone) == utc(due)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
def test_each_date_of_a_year_has_one_night_and_the_latest_never_goes_back(zone):
    for hour in (0, 1, 2, 3, 23):
        seen = []
        at = utc("2026-01-01T00:00")
        while at < utc("2027-01-01T00:00"):
            night, due = latest_night(at, hour, ZoneInfo(zone))
            assert due <= at < next_due(at, hour, ZoneInfo(zone))
            if not seen or seen[-1] != night:
                seen.append(night)
            at += timedelta(hours=1)
        assert seen == [seen[0] + timedelta(days=i) for i in range(len(seen))]
        assert len(seen) in (365, 366, 367)


def test_window_begins_where_the_last_report_ended():
    due = utc("2026-11-22T06:00")
    assert window_start(due, None) == due - timedelta(days=1)
    assert window_start(due, due - timedelta(hours=25)) == due - timedelta(hours=25)
    assert window_start(due, due - timedelta(days=9)) == due - timedelta(days=3)
    assert window_start(due, due + timedelta(hours=2)) == due - timedelta(days=1)
