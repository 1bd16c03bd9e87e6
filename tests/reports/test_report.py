"""What a night's report says of findings and statements, without a store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.reports.report import (
    IndexToCreate,
    ReportedFinding,
    ServerNight,
    StatementSum,
    build_report,
    change_of,
    is_worse,
)

END = datetime(2026, 11, 22, 6, tzinfo=UTC)
START = END - timedelta(days=1)
HOUR = timedelta(hours=1)


def finding(**fields) -> ReportedFinding:
    values = {
        "pk": 1, "server": "shop", "server_slug": "shop", "database_id": 1, "key": "PL004:a:b",
        "title": "Sequential scan", "severity": 2, "subject": "Seq Scan", "message": "It reads.",
        "first_seen": START - 5 * HOUR,
    }  # fmt: skip
    return ReportedFinding(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"first_seen": START + HOUR}, "new"),
        ({"first_seen": START}, "open"),  # at the very start: the night before told it
        ({"first_seen": END}, "new"),
        ({"first_seen": END + HOUR}, ""),  # tomorrow's
        ({"first_seen": START + HOUR, "closed_at": END - HOUR}, "new"),  # came and went: nobody was told yet
        ({"first_seen": START + HOUR, "closed_at": END - HOUR, "severity": 1}, ""),  # no incident
        ({"first_seen": START + HOUR, "closed_at": END + HOUR, "severity": 1}, "new"),
        ({"first_seen": START + HOUR, "closed_at": END - HOUR, "is_gain": True}, "fixed"),  # by somebody
        ({"first_seen": START + HOUR, "closed_at": END - HOUR, "gone": "the time is no less"}, "new"),
        ({"first_seen": START + HOUR, "closed_at": END + HOUR, "is_gain": True}, "new"),
        ({"closed_at": END - HOUR}, "fixed"),
        ({"closed_at": END}, "fixed"),
        ({"closed_at": START}, ""),  # the night before told it
        ({"closed_at": END + HOUR}, "open"),
        ({"reopened_at": END - HOUR}, "new"),
        ({"reopened_at": END - HOUR, "was_open_before": False}, "new"),
        ({"reopened_at": END - HOUR, "was_open_before": True}, "open"),  # closed for an hour in between
        ({"first_seen": START + HOUR, "was_open_before": True}, "new"),
        ({"impact_s_per_day": 300.0, "impact_before_s_per_day": 100.0}, "worse"),
        ({"impact_s_per_day": 300.0, "impact_before_s_per_day": 100.0, "closed_at": END - HOUR}, "fixed"),
        ({"impact_s_per_day": 300.0}, "open"),
        ({"first_seen": END - HOUR, "is_muted": True}, ""),
        ({"worse": "it was warning"}, "worse"),
        ({"worse": "it was warning", "first_seen": END - HOUR}, "new"),
        ({"closed_at": END - HOUR, "is_mended": False}, ""),  # its statement was not seen, or its check is off
    ],
)
def test_change_in_the_window(fields, kind):
    assert change_of(finding(**fields), START, END) == kind


@pytest.mark.parametrize(
    ("now", "before", "worse"),
    [
        (180.0, 120.0, True),  # both limits exactly
        (179.9, 120.0, False),  # 59.9 s more
        (60.0, 0.0, True),
        (59.0, 10.0, False),  # six times as much, and still little
        (1_000.0, 700.0, False),  # 300 s more, but not half as much again
        (None, 100.0, False),
        (1_000.0, None, False),
    ],
)
def test_worse_takes_both_limits(now, before, worse):
    assert is_worse(now, before) is worse


def test_findings_stand_by_seconds_a_day_with_the_unknown_last():
    of = [finding(pk=pk, key=str(pk), impact_s_per_day=s) for pk, s in ((1, 5.0), (2, None), (3, 90.0), (4, 0.0))]
    assert [f.pk for f in build_report(START, END, findings=of).open] == [3, 1, 4, 2]


def index(**fields) -> IndexToCreate:
    values = {"server": "shop", "server_slug": "shop", "database_id": 1, "table": "public.t", "ddl": "CREATE INDEX i",
              "level": "rule", "first_seen": START + HOUR}  # fmt: skip
    return IndexToCreate(**{**values, **fields})


def test_index_is_told_once_with_the_finding_it_helps_most():
    costly, cheap = (
        finding(pk=pk, key=key, first_seen=END - HOUR, impact_s_per_day=s)
        for pk, key, s in ((1, "a", 9.0), (2, "b", 5.0))
    )
    shared = index(finding_keys=("a", "b"), saved_s_per_day=9.0)
    other = index(ddl="CREATE INDEX j", finding_keys=("elsewhere",))
    of_another_database = index(ddl="CREATE INDEX k", finding_keys=("a",), database_id=2, saved_s_per_day=99.0)
    old = index(ddl="CREATE INDEX l", first_seen=START - HOUR)
    report = build_report(START, END, findings=[cheap, costly], indexes=[old, of_another_database, other, shared])
    assert [(f.pk, f.index, f.is_index_listed) for f in report.new] == [(1, shared, False), (2, shared, True)]
    assert report.indexes == (of_another_database, other)


def test_a_finding_that_is_still_open_has_its_remedy_too():
    mine = index(first_seen=START - HOUR, finding_keys=("a",))
    report = build_report(START, END, findings=[finding(key="a")], indexes=[mine])
    assert [(f.index, f.is_index_listed) for f in report.open] == [(mine, False)]
    assert report.indexes == ()


def test_servers_with_advice_stand_by_what_it_saves():
    nights = [
        ServerNight("a", "a"), ServerNight("b", "b", advice="3 to drop"),
        ServerNight("c", "c", advice="1 index", saved_ratio=0.2), ServerNight("d", "d", advice="2", saved_ratio=0.81),
    ]  # fmt: skip
    assert [s.name for s in build_report(START, END, servers=nights).advised] == ["d", "c", "b"]


def test_old_suggestion_stands_with_a_finding_that_is_new():
    old = index(first_seen=START - HOUR, finding_keys=("a",))
    report = build_report(START, END, findings=[finding(key="a", first_seen=END - HOUR)], indexes=[old])
    assert report.new[0].index == old
    assert report.indexes == ()


def statement(pk: int, time_s: float, covered_s: float = 86_400, slug: str = "shop") -> StatementSum:
    return StatementSum(pk, f"f{pk}", slug, slug, "select 1", 10, time_s * 1000, covered_s, 0.5)


def test_statements_are_compared_by_measured_day():
    report = build_report(
        START,
        END,
        statements=[
            statement(1, 600),
            statement(2, 900, covered_s=43_200),
            statement(3, 10),
            statement(4, 20, slug="b"),
        ],
        statements_before=[statement(1, 200, covered_s=43_200), statement(2, 1_800)],
        measured_before=["shop"],
        most_statements=10,
    )
    # 900 s in half a day are 1800 a day
    assert [(c.statement.statement_id, c.time_s_per_day, c.before_s_per_day) for c in report.statements] == [
        (2, 1_800, 1_800),
        (1, 600, 400),
        (4, 20, None),  # server b: the day before was not measured
        (3, 10, 0),  # did not run
    ]
    assert [c.change_ratio for c in report.statements] == [0, 0.5, None, None]
    assert [c.is_new for c in report.statements] == [False, False, False, True]


def test_quiet_is_when_nothing_changed_and_every_server_was_read():
    calm = ServerNight("shop", "shop", measured_ratio=1.0)
    assert build_report(START, END, servers=[calm], findings=[finding()]).is_quiet
    assert not build_report(START, END, servers=[calm], findings=[finding(closed_at=END - HOUR)]).is_quiet
    assert not build_report(START, END, servers=[calm], indexes=[index()]).is_quiet
    assert not build_report(START, END, servers=[calm, replace(calm, trouble="It is down.")]).is_quiet
