"""What the replicas of a server that are watched too counted for its indexes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Prefetch

from analyzer.checks import Rules, in_words
from analyzer.models import AdviceRun, Database, FindingRecord, Server
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.without_index import proof_words
from analyzer.steps.check import check_schema
from analyzer.store.clusters import keep_cluster
from analyzer.store.needless_indexes import plans_without, replica_scans, with_earlier
from analyzer.store.schemas import keep_schema
from dashboard.findings.closed import closing_line, is_mended, last_closings
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
    assert replica_scans(server, database, AT) is None
    _, near = watched("near", replace(CLUSTER, is_replica=True))
    keep_schema(near, schema(50.0, ix_a=0, ix_b=3), AT)
    assert replica_scans(server, database, AT) == ReplicaScans(("near",), {1: 0, 2: 3}, 50.0)
    _, far = watched("far", replace(CLUSTER, is_replica=True))
    assert replica_scans(server, database, AT) == ReplicaScans(("far", "near"), {}, None)
    keep_schema(far, schema(40.0, ix_a=2), AT)
    assert replica_scans(server, database, AT) == ReplicaScans(("far", "near"), {1: 2}, 40.0)


def test_a_replica_that_is_paused_or_was_not_read_lately_proves_nothing() -> None:
    server, database = watched("primary", CLUSTER)
    near, its_own = watched("near", replace(CLUSTER, is_replica=True))
    keep_schema(its_own, schema(50.0, ix_a=0), AT)
    later = AT + timedelta(days=3)
    assert replica_scans(server, database, later) == ReplicaScans(("near",))
    near.is_active = False
    near.save()
    assert replica_scans(server, database, AT) == ReplicaScans(("near",))


def test_a_standby_that_nobody_watches_may_use_any_index() -> None:
    server, database = watched("primary", replace(CLUSTER, standbys=("a at 10.0.0.2",)))
    assert replica_scans(server, database, AT) == ReplicaScans((), unwatched=("a at 10.0.0.2",))
    _, near = watched("near", replace(CLUSTER, is_replica=True, standbys=()))
    keep_schema(near, schema(50.0, ix_a=0), AT)
    assert replica_scans(server, database, AT) == ReplicaScans(("near",), {1: 0}, 50.0)
    keep_cluster(server, replace(CLUSTER, standbys=()), AT + timedelta(hours=1))  # it is away for a while
    keep_cluster(near.server, replace(CLUSTER, is_replica=True, standbys=("cascaded",)), AT + timedelta(hours=1))
    assert replica_scans(server, database, AT) == ReplicaScans(("near",), {1: 0}, 50.0, ("a at 10.0.0.2", "cascaded"))


def test_an_index_is_no_longer_called_unused_once_a_standby_is_there() -> None:
    server, database = watched("primary", replace(CLUSTER, standbys=()))
    index = {"name": "ix", "columns": ["a"], "scans": 0, "size_bytes": 2**20}
    unused = facts({"days_since_stats_reset": 50.0, "tables": [{"name": "t", "columns": ["a"], "indexes": [index]}]})
    check_schema(server, database, {}, unused, Rules(), AT)
    opened = FindingRecord.objects.filter(code="IX005", closed_at__isnull=True)
    assert [record.table for record in opened] == ["public.t"]
    keep_cluster(server, replace(CLUSTER, standbys=("a",)), AT + timedelta(hours=1))
    said = check_schema(server, database, {}, unused, Rules(), AT + timedelta(hours=1))
    assert "add a as a server" in " ".join(in_words(said))
    assert not opened.all().exists()
    gone = FindingRecord.objects.prefetch_related(Prefetch("events", last_closings(), to_attr="closings")).get()
    assert closing_line(gone).endswith(": a standby that is not watched may use it")
    assert not is_mended(gone)  # so that the mail does not call it fixed


def test_a_replica_that_explain_goes_to_is_one() -> None:
    server, database = watched("primary", CLUSTER)
    server.replica_host = "10.0.0.2"
    assert replica_scans(server, database, AT) == ReplicaScans((), unwatched=("10.0.0.2",))
    keep_cluster(server, replace(CLUSTER, standbys=("walreceiver at 10.0.0.2",)), AT + timedelta(hours=1))
    assert replica_scans(server, database, AT) == ReplicaScans((), unwatched=("10.0.0.2",))


def test_where_the_system_is_not_known_a_replica_may_be_its_own() -> None:
    server, database = watched("primary", replace(CLUSTER, system=None))
    assert replica_scans(server, database, AT) is None
    _, its_own = watched("near", replace(CLUSTER, is_replica=True))
    keep_schema(its_own, schema(50.0, ix_a=0), AT)
    assert replica_scans(server, database, AT) == ReplicaScans(("near",))


def test_proofs_are_kept_for_days_and_what_is_needed_until_it_is_judged_anew() -> None:
    _, database = watched("primary", CLUSTER)
    facts = schema(50.0, ix_a=0, ix_b=0)
    needed = {"oid": 2, "name": "ix_b", "statements": 4, "dearer": "f", "cost_before": 1.0, "cost_after": 9.0}
    judged = with_earlier(database, [{"oid": 1, "name": "ix_a", "statements": 4}, needed], AT)
    AdviceRun.objects.create(database=database, made_at=AT, tried_at=AT, result={"judged_drops": judged})
    after = {days: plans_without(database, facts, AT + timedelta(days=days)) for days in (3, 10)}  # type: ignore[arg-type]
    assert {days: sorted(proofs) for days, proofs in after.items()} == {3: [1, 2], 10: [2]}
    assert proof_words([after[3][1]]).endswith("(planned 3 days ago).")
    again = with_earlier(database, [{"oid": 1, "name": "ix_a", "statements": 5}], AT + timedelta(days=1))
    assert [(one["oid"], one["planned_at"][:10]) for one in again] == [(1, "2026-12-01"), (2, "2026-11-30")]
