"""What the replicas of a server that are watched too counted for its indexes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from analyzer.models import Database, Server
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.store.clusters import keep_cluster
from analyzer.store.needless_indexes import replica_scans
from analyzer.store.schemas import keep_schema
from tests.checks.builders import facts

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 30, tzinfo=UTC)
CLUSTER = ClusterFacts(taken_at=AT, server_version="18.1", server_version_num=180001, database="shop", system=7)


def watched(name: str, cluster: ClusterFacts) -> tuple[Server, Database]:
    server = Server.objects.create(name=name, slug=name, host="127.0.0.1", user="pgloupe")
    keep_cluster(server, cluster, AT)
    return server, Database.objects.create(server=server, oid=5, name="shop", is_inspected=True)


def schema(days: float, **scans: int) -> object:
    indexes = [
        {"oid": oid, "name": name, "columns": ["a"], "scans": count}
        for oid, (name, count) in enumerate(scans.items(), start=1)
    ]
    tables = [{"name": "t", "columns": ["a"], "indexes": indexes}]
    return facts({"days_since_stats_reset": days, "tables": tables})


def test_each_watched_replica_adds_its_scans_and_one_that_was_not_read_tells_nothing() -> None:
    server, database = watched("primary", CLUSTER)
    watched("another", replace(CLUSTER, system=8, is_replica=True))
    assert replica_scans(server, database) is None
    _, near = watched("near", replace(CLUSTER, is_replica=True))
    keep_schema(near, schema(50.0, ix_a=0, ix_b=3), AT)
    assert replica_scans(server, database) == ReplicaScans(("near",), {1: 0, 2: 3}, 50.0)
    _, far = watched("far", replace(CLUSTER, is_replica=True))
    assert replica_scans(server, database) == ReplicaScans(("far", "near"), {}, None)
    keep_schema(far, schema(40.0, ix_a=2), AT)
    assert replica_scans(server, database) == ReplicaScans(("far", "near"), {1: 2}, 40.0)
