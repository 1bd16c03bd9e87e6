"""What pg_stat_statements dropped for lack of room: from its readings to a finding."""

from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import FindingRecord, Server, Snapshot
from analyzer.schema.cluster import ClusterFacts, Evictions, SettingFacts
from analyzer.steps.schema import check_cluster
from analyzer.store.clusters import keep_cluster
from analyzer.store.series.evictions import evictions

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
RESET = NOW - timedelta(days=9)


def read(server: Server, hours_ago: float, deallocations: int | None, reset: datetime = RESET) -> None:
    Snapshot.objects.create(
        server=server, taken_at=NOW - timedelta(hours=hours_ago), statements_version="1.10",
        stats_reset_at=reset, deallocations=deallocations,
    )  # fmt: skip


def test_entries_dropped_in_the_last_day_are_found(server):
    read(server, 30, 0)
    read(server, 24, 100)
    read(server, 10, 110)
    read(server, 0, 148)
    settings = {"pg_stat_statements.max": SettingFacts("5000", context="postmaster")}
    keep_cluster(server, ClusterFacts(NOW, "16.4", 160004, "shop", settings=settings))
    check_cluster(server)
    finding = FindingRecord.objects.get(code="SV048")
    assert finding.evidence == {"times_dropped": 48, "seen_hours": 24.0, "entries": 5000}


def test_a_reset_begins_anew_and_13_tells_nothing(server):
    assert evictions(server) is None
    read(server, 3, None)
    assert evictions(server) is None
    read(server, 2, 7)
    assert evictions(server) == Evictions(0, 0.0)
    read(server, 1, 1, reset=NOW - timedelta(hours=2))
    read(server, 0, 3, reset=NOW - timedelta(hours=2))
    assert evictions(server) == Evictions(2, 3600.0)
