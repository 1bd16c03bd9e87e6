"""Entries that pg_stat_statements dropped: the preflight and the check of the server agree."""

from datetime import UTC, datetime, timedelta

import pytest

from analyzer.checks import all_checks, run_checks
from analyzer.monitored.access.preflight_counting import counting_items
from analyzer.monitored.readings import ServerState
from analyzer.schema.cluster import ClusterFacts, Evictions, SettingFacts

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAME = "pg_stat_statements.max"


def preflight(entries, dropped, hours):
    state = ServerState(NOW, 180000, NOW, "1.12", NOW - timedelta(hours=hours), dropped)
    (item,) = (item for item in counting_items({NAME: str(entries)}, entries, state) if item.name == NAME)
    return item


@pytest.mark.parametrize(
    ("entries", "dropped", "hours", "doubled"),
    [
        (5000, 30, 144, "10000"), (5000, 2, 6, "10000"), (30_000, 24, 24, None),
        (5000, 4, 24, ""), (5000, 90, 5, ""), (5000, 0, 24, ""),
    ],
)  # fmt: skip
def test_the_preflight_tells_of_dropped_entries_as_the_check_does(entries, dropped, hours, doubled):
    item = preflight(entries, dropped, hours)
    settings = {NAME: SettingFacts(str(entries), context="postmaster")}
    facts = ClusterFacts(
        NOW, "18.0", 180000, "shop", settings=settings, evictions=Evictions(dropped, hours * 3600.0, True)
    )
    findings = run_checks(facts, checks=[check for check in all_checks() if check.code == "SV048"]).findings
    assert [finding.message for finding in findings] == ([] if doubled == "" else [item.detail])
    assert doubled == "" or "since its counters were reset" in item.detail  # the check of a watched server: last day
    assert item.status == ("ok" if doubled == "" else "warning")
    line = f"ALTER SYSTEM SET {NAME} = {doubled};" if doubled else ""
    assert [item.sql.partition("\n")[0]] == [line]
    assert [fix.code.partition("\n")[0] for finding in findings for fix in finding.fixes] == ([line] if line else [])


def test_before_14_full_is_all_that_can_be_seen():
    assert preflight(5000, None, 24).status == "warning"
    assert preflight(30_000, None, 24).sql == ""
