"""A size a day of databases, large tables and sequences well into their values; the pace they have by that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import Database, Server, ServerReading
from analyzer.schema.cluster import ClusterFacts, DatabaseFacts
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.pace import Pace
from analyzer.schema.storage import SizeFacts
from analyzer.store.clusters import keep_cluster, newest_cluster
from analyzer.store.schemas import keep_schema, newest_schema
from analyzer.store.series.sizes import table_points
from analyzer.store.servers import remove_server
from analyzer.store.tidying import tidy_store

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)
ID = ColumnFacts("id", 1, "integer", 23, True, 10.0)
LARGE = TableFacts(oid=100, schema="public", name="large", kind="r", rows=10.0, size_bytes=8192, columns=(ID,))
SMALL = replace(LARGE, oid=200, name="small")
SEQUENCE = SequenceFacts(300, "public", "large_id_seq", "integer", 0, True, table_oid=100, column="id")
FACTS = SchemaFacts("shop", 150000, (LARGE, SMALL))


@pytest.fixture
def database(server) -> Database:
    return Database.objects.create(server=server, oid=5, name="shop")


def on_day(day: int) -> SchemaFacts:
    """The large table grows by 1,000 bytes a day, its sequence by a million; another sequence is at its start."""
    sequences = (
        replace(SEQUENCE, last_value=100_000_000 + day * 1_000_000),
        replace(SEQUENCE, oid=301, table_oid=200, last_value=1_000 + day),
    )
    return replace(FACTS, tables=(replace(LARGE, sizes=SizeFacts(day * 1000, 20, 3)), SMALL), sequences=sequences)


def test_tables_and_sequences_have_a_pace_from_a_row_a_day(database, fresh_rows):
    for day in range(9):
        for hour in (1, 11):  # the last reading of a day counts
            facts = on_day(day) if hour == 11 else on_day(0)
            keep_schema(database, facts, NOW - timedelta(days=8 - day, hours=11 - hour))
    kept = fresh_rows("relation_oid", "count(*)", table="size_day group by relation_oid", order="relation_oid")
    assert kept == [(100, 9), (300, 9)]
    found = newest_schema(database)
    assert [table.pace for table in found] == [Pace(8, 1000.0, 1000.0, 1000.0), None]
    assert [sequence.pace for sequence in found.sequences] == [Pace(8, 1e6, 1e6, 1e6), None]
    points = table_points(database, 100, NOW, timedelta(days=3))
    assert [(at.day, value) for at, value in points] == [(28, 5023), (29, 6023), (30, 7023), (31, 8023)]


def test_a_server_has_the_pace_of_all_its_databases(server, database):
    Server.objects.filter(pk=server.pk).update(disk_gb=0.5)
    server.refresh_from_db()
    Database.objects.create(server=server, oid=6, name="log")
    for day in range(9):
        sizes = (DatabaseFacts(5, "shop", size_bytes=1000 + day), DatabaseFacts(6, "log", size_bytes=10 + 2 * day))
        at = NOW - timedelta(days=8 - day)
        keep_cluster(server, ClusterFacts(at, "15", 150000, "shop", databases=sizes), at)
    facts = newest_cluster(server)
    assert (facts.disk_bytes, facts.pace) == (2**29, Pace(8, 3.0, 3.0, 3.0))
    assert {name: pace.per_day for name, pace in facts.database_paces.items()} == {"shop": 1.0, "log": 2.0}
    assert facts.earlier is not None


def test_sizes_go_when_their_time_is_over_and_with_their_server(server, database, fresh_rows, settings):
    settings.ANALYZER_KEEP_DAYS_DAYS = 30
    for days in (70, 0):
        keep_schema(database, on_day(1), NOW - timedelta(days=days))
    assert len(fresh_rows("day", table="size_day")) == 4
    tidy_store(NOW)
    assert {row[0].date() for row in fresh_rows("day", table="size_day")} == {NOW.date()}
    remove_server(server)
    assert fresh_rows("day", table="size_day") == []


def test_a_kept_reading_of_a_server_that_cannot_be_read_stops_no_other(server):
    at = NOW - timedelta(hours=2)
    hour = at.replace(minute=0, second=0, microsecond=0)
    ServerReading.objects.create(server=server, hour=hour, taken_at=at, facts=b"no zlib")
    assert newest_cluster(server) is None
    keep_cluster(server, ClusterFacts(NOW, "15", 150000, "shop"), NOW)
    facts = newest_cluster(server)
    assert (facts.server_version, facts.earlier) == ("15", None)


def test_the_most_sessions_of_each_day_are_kept_from_reading_to_reading(server):
    """Of most days the last reading stays, which is the night's."""
    for hours, sessions in ((0, 5), (1, 50), (14, 3), (24, 7), (48, 2), (31 * 24, 4)):
        at = NOW + timedelta(hours=hours)
        databases = (DatabaseFacts(5, "shop", sessions=sessions), DatabaseFacts(6, "log", sessions=1))
        keep_cluster(server, ClusterFacts(at, "15", 150000, "shop", databases=databases), at)
        if hours == 48:
            assert newest_cluster(server).most_sessions == {"2026-03-31": 51, "2026-04-01": 8, "2026-04-02": 3}
    assert newest_cluster(server).most_sessions == {"2026-04-01": 8, "2026-04-02": 3, "2026-05-01": 5}
